"""Which tokens were used already, so that none is used twice: one answer for all processes.

Over one database, of any number of workers and replicas exactly one gets True for a token, and a
restart forgets nothing. Source: rows SEC-35, C8.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy.dialects import postgresql, sqlite

from cds_service.spans import UNTRACED
from cds_service.store.tables import seen_token, text

if TYPE_CHECKING:
    from datetime import datetime

    from cds_service.spans import Tracer
    from cds_service.store.database import Database

PATIENCE_MS = 500
"""How long a claim waits for another writer; a hook call is waiting behind it."""
KEPT_AFTER_EXPIRY = timedelta(minutes=10)
"""How long an expired token stays known: longer than clocks may differ."""
_FORGET_EVERY = timedelta(minutes=1)


class SeenTokens:
    """The tokens that were claimed and have not expired long ago."""

    def __init__(self, database: Database, tracer: Tracer = UNTRACED) -> None:
        self._database = database
        self._tracer = tracer
        self._forgot_at: datetime | None = None

    def claim(self, jti_hash: str, issuer: str, expires_at: datetime, *, now: datetime) -> bool:
        """Whether this token is used for the first time; it is used from now on.

        Args:
            jti_hash: a digest of the token's `jti`; the `jti` itself is not kept.
            issuer: whose `jti` it is, because two issuers may use the same one.
            expires_at: when nobody accepts the token any more, aware.
            now: this moment, aware.

        Raises:
            StoreUnavailable: it cannot be told.
        """
        row = {"issuer": text(issuer), "jti_hash": jti_hash, "expires_at": expires_at}
        with (
            self._tracer.span("store.write", kind="used token", rows=1),
            self._database.writing(PATIENCE_MS, is_durable=False) as connection,
        ):
            dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
            insert = dialect.insert(seen_token).values(row).on_conflict_do_nothing()
            new = connection.execute(insert.returning(seen_token.c.jti_hash)).scalar()
            if self._forgot_at is None or now - self._forgot_at > _FORGET_EVERY:
                self._forgot_at = now
                long_ago = now - KEPT_AFTER_EXPIRY
                connection.execute(seen_token.delete().where(seen_token.c.expires_at < long_ago))
        return new is not None
