"""Which tokens were used already, so that none is used twice: one answer for all processes.

Over one database, of any number of workers and replicas exactly one gets True for a token, and a
restart forgets nothing. Source: rows SEC-35, C8.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from cds_service.spans import UNTRACED
from cds_service.store.tables import seen_token, text

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from cds_service.spans import Tracer
    from cds_service.store.database import Database

PATIENCE_MS = 500
"""How long a claim waits for another writer; a hook call is waiting behind it."""
KEPT_AFTER_EXPIRY = timedelta(minutes=10)
"""How long an expired token stays known: longer than clocks may differ."""
_FORGET_EVERY = timedelta(minutes=1)
_FORGOTTEN_AT_ONCE = 200
"""Expired tokens that one claim deletes; the claims behind it go on where there are more."""


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
                self._forget_some(connection, now)
        return new is not None

    def _forget_some(self, connection: Connection, now: datetime) -> None:
        """Delete what has expired long ago, but not so much that a hook call would wait for it."""
        name = seen_token.c.issuer, seen_token.c.jti_hash
        is_old = seen_token.c.expires_at < now - KEPT_AFTER_EXPIRY
        old = select(*name).where(is_old).limit(_FORGOTTEN_AT_ONCE)
        done = connection.execute(seen_token.delete().where(tuple_(*name).in_(old)))
        if done.rowcount < _FORGOTTEN_AT_ONCE:
            self._forgot_at = now
