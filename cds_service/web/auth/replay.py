"""A token is used once, over all threads, processes, replicas and restarts (SEC-35, C8).

The store knows; while it cannot be asked, each process goes on with what it remembers itself, so
that calls are answered: a stolen token then works once per process, and only within its life.
"""

from __future__ import annotations

import hashlib
from threading import Lock
from typing import TYPE_CHECKING

from cds_service.errors import NotTrusted, StoreUnavailable
from cds_service.web.logs import note

if TYPE_CHECKING:
    from datetime import datetime

    from cds_service.store import SeenTokens
    from cds_service.web.auth.tokens import Caller

MOST_REMEMBERED = 100_000


class Replay:
    """Remembers the tokens of this process, and asks the store about those of all.

    With `most` tokens that have not expired it remembers no further ones; the store still does.
    """

    def __init__(self, seen: SeenTokens, *, most: int = MOST_REMEMBERED) -> None:
        self._seen = seen
        self._most = most
        self._here: dict[tuple[str, str], datetime] = {}
        self._full_until: datetime | None = None
        self._lock = Lock()

    def claim(self, caller: Caller, now: datetime) -> None:
        """Use up a token; raises NotTrusted when it was used before, or when that is not known."""
        digest = hashlib.sha256(caller.jti.encode()).hexdigest()
        is_first, is_remembered = self._look((caller.issuer, digest), caller.valid_until, now)
        if is_first:
            try:
                is_first = self._seen.claim(digest, caller.issuer, caller.valid_until, now=now)
            except StoreUnavailable:
                if not is_remembered:
                    why = "the store is away, and more tokens came than can be remembered"
                    raise NotTrusted(why, reason="replay") from None
                note(replay="known to this process only")
        if not is_first:
            raise NotTrusted("it was used before", reason="replay")

    def _look(self, token: tuple[str, str], until: datetime, now: datetime) -> tuple[bool, bool]:
        """Whether this process sees the token for the first time, and will know it again."""
        with self._lock:
            if token in self._here:
                return False, True
            has_room = self._has_room(now)
            if has_room:
                self._here[token] = until
            return True, has_room

    def _has_room(self, now: datetime) -> bool:
        """Whether one more can be remembered; looks for expired ones only when there are some."""
        if len(self._here) < self._most:
            return True
        if self._full_until is None or self._full_until <= now:
            self._here = {known: end for known, end in self._here.items() if end > now}
            self._full_until = min(self._here.values(), default=None)
        return len(self._here) < self._most
