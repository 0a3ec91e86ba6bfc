"""Which FHIR servers keep reads waiting; one that keeps many waiting is asked nothing more.

So a server that hangs holds a bounded number of calls, and the others go on (risk A5).
"""

from __future__ import annotations

import contextlib
import time
from threading import Lock
from typing import TYPE_CHECKING

from cds_service.data.guarded_http import NoAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LATE_S = 0.5
"""Seconds after which a read that has no answer counts as late."""

MOST_LATE = 24
"""Late reads of one server beside which no further one begins; a call makes several at once."""


class Waiting:
    """The reads that are under way, by server. Threads may share one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._since: dict[str, dict[object, float]] = {}

    @contextlib.contextmanager
    def reading(self, server: str) -> Iterator[None]:
        """One read of this server; raises NoAnswer when it keeps too many waiting."""
        read, now = object(), self._clock()
        with self._lock:
            under_way = self._since.setdefault(server, {})
            if sum(now - since > LATE_S for since in under_way.values()) >= MOST_LATE:
                raise NoAnswer("the FHIR server keeps other reads waiting and is not asked again")
            under_way[read] = now
        try:
            yield
        finally:
            with self._lock:
                del under_way[read]
                if not under_way:
                    self._since.pop(server, None)
