"""Which FHIR servers keep reads waiting; one that keeps many waiting is left alone for a while.

So a server that hangs holds a bounded number of calls, and costs the others next to nothing: a
read of it takes threads and a connection, and so more than a call that brings its data (risk A5).
Now and then one read, a probe, tries whether it answers again; no call waits for that.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from cds_service.data.guarded_http import NoAnswer, NotInTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LATE_S = 0.5
"""Seconds after which a read that has no answer counts as late."""

MOST_LATE = 24
"""Late reads of one server, one after the other or at once, beside which no further one begins; a
call makes several at once."""

REMEMBERED_S = 5.0
"""How long late reads that got no answer count; a server that is asked seldom is always asked."""

PROBE_EVERY_S = 1.0
"""How long a server that hangs is left alone, before one read tries whether it answers again."""

KEEPS_WAITING = "the FHIR server keeps other reads waiting and is not asked again"

_MOST_SERVERS = 1_000


@dataclass(slots=True)
class _Server:
    """Reads under way by when they began; how many in a row, and when, got no answer in time."""

    under_way: dict[object, float] = field(default_factory=dict)
    unanswered: int = 0
    gave_up: float = 0.0
    is_probed: bool = False

    def is_hanging(self, now: float) -> bool:
        late = sum(now - since > LATE_S for since in self.under_way.values())
        return late + (0 if self.is_forgotten(now) else self.unanswered) >= MOST_LATE

    def is_forgotten(self, now: float) -> bool:
        return now - self.gave_up > REMEMBERED_S

    def end(self, read: object, now: float, failure: NoAnswer | None) -> None:
        """A read is over; one that its own deadline soon cut off says nothing of the server."""
        is_late = now - self.under_way.pop(read) > LATE_S
        if failure is not None and is_late:
            self.unanswered = 1 if self.is_forgotten(now) else self.unanswered + 1
            self.gave_up = now
        elif not isinstance(failure, NotInTime):
            self.unanswered = 0


class Waiting:
    """The reads that are under way, by server: a circuit breaker. Threads may share one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._servers: dict[str, _Server] = {}

    def __len__(self) -> int:
        """Servers of which something is remembered."""
        return len(self._servers)

    def is_hanging(self, base: str) -> bool:
        """Whether no read of the server at this base may begin."""
        now = self._clock()
        with self._lock:
            return self._server(base, now).is_hanging(now)

    def claim_probe(self, base: str) -> bool:
        """Whether it is time to probe a server that hangs; then the `probe` must follow."""
        now = self._clock()
        with self._lock:
            server = self._server(base, now)
            if server.is_probed or now - server.gave_up < PROBE_EVERY_S:
                return False
            server.is_probed = True
            return True

    @contextlib.contextmanager
    def probe(self, base: str) -> Iterator[None]:
        """The one read that was claimed; its failure ends here."""
        server = self._server(base, self._clock())
        try:
            with contextlib.suppress(NoAnswer), self._counted(server):
                yield
        finally:
            server.is_probed = False

    @contextlib.contextmanager
    def reading(self, base: str) -> Iterator[None]:
        """One read of the server at this base.

        Raises:
            NoAnswer: the server keeps too many reads waiting.
        """
        now = self._clock()
        with self._lock:
            server = self._server(base, now)
            if server.is_hanging(now):
                raise NoAnswer(KEEPS_WAITING)
        with self._counted(server):
            yield

    @contextlib.contextmanager
    def _counted(self, server: _Server) -> Iterator[None]:
        read = object()
        with self._lock:
            server.under_way[read] = self._clock()
        failure: NoAnswer | None = None
        try:
            yield
        except NoAnswer as reason:
            failure = reason
            raise
        finally:
            with self._lock:
                server.end(read, self._clock(), failure)

    def _server(self, base: str, now: float) -> _Server:
        """What is known of a server; of many, those that matter no more are dropped."""
        if base not in self._servers and len(self._servers) >= _MOST_SERVERS:
            self._servers = {
                known: server
                for known, server in self._servers.items()
                if server.under_way or server.is_probed or not server.is_forgotten(now)
            }
        return self._servers.setdefault(base, _Server())
