"""Keyed hashes instead of ids of patients, users and encounters.

HMAC-SHA256 with a key of the site: equal for the same person, of no use without the key. The tenant
and the FHIR server are part of what is hashed, so that equal ids of two of them stay apart. The key
is `CDS_PSEUDONYM_KEY`; a site that sets none gets a random one, kept in its database, where it
protects an export and not a copy of the whole database.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from cds_service.store.records import Persons
from cds_service.store.tables import pseudonym_key

if TYPE_CHECKING:
    from cds_service.store.database import Database
    from cds_service.store.records import Asking

KEY_BYTES = 32
_THE_ONE = 1


class Pseudonyms:
    """Makes the hashes of one store."""

    def __init__(self, database: Database, key: bytes | None = None) -> None:
        self._database = database
        self._key = key

    def at_hand(self, asking: Asking) -> Persons | None:
        """The hashes, without looking anywhere; None while the database's key was not read yet."""
        return None if self._key is None else _persons(self._key, asking)

    def of(self, asking: Asking, patience_ms: int) -> Persons:
        """The hashes; reads the database's key, or makes it, where that was not done yet.

        Raises:
            StoreUnavailable: there is no key.
        """
        if self._key is None:
            self._key = self._read(patience_ms) or self._make(patience_ms)
        return _persons(self._key, asking)

    def _read(self, patience_ms: int) -> bytes | None:
        with self._database.reading(patience_ms) as connection:
            found = connection.execute(select(pseudonym_key.c.key)).scalar()
        return None if found is None else bytes.fromhex(found)

    def _make(self, patience_ms: int) -> bytes:
        """A random key; of several processes that make one, the first one's stays."""
        row = {"id": _THE_ONE, "key": secrets.token_hex(KEY_BYTES)}
        with self._database.writing(patience_ms) as connection:
            dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
            connection.execute(dialect.insert(pseudonym_key).values(row).on_conflict_do_nothing())
            kept: str = connection.execute(select(pseudonym_key.c.key)).scalar_one()
        return bytes.fromhex(kept)


def _persons(key: bytes, asking: Asking) -> Persons:
    def hashed(kind: str, identity: str) -> str:
        parts = json.dumps([kind, asking.tenant, asking.server, identity])
        return hmac.new(key, parts.encode(), hashlib.sha256).hexdigest()

    return Persons(
        patient=hashed("patient", asking.patient),
        user=hashed("user", asking.user),
        encounter=hashed("encounter", asking.encounter) if asking.encounter else None,
    )
