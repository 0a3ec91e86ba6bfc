"""Lets in as many requests as can be answered in time, and turns the others away at once.

A request that finds the running ones and the queue full, or a queue too slow for it, gets 503 with
Retry-After before anything that costs, so that the answers that are given stay fast (load shedding;
risks A5 and A6). The event loop asks before it gives a thread; the WSGI middleware asks again, for
what only a thread can take in. Probes and metrics are always let in.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import Condition, Lock, get_ident
from time import monotonic
from typing import TYPE_CHECKING

from cds_service import fhir_json
from cds_service.web.errors import ERROR_CODES
from cds_service.web.json_bodies import JSON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

ALWAYS_ADMITTED = frozenset({"/health", "/ready", "/metrics"})
CODE = "overloaded"
RETRY_AFTER_S = 1
LONG_S = 0.05
"""Seconds after which a request counts as long, and another one may begin beside it."""

_NEWEST = 0.1  # share of the last one in a mean
_LATE = 2  # times the wait that was thought of, after which it is given up

_BODY = fhir_json.encode(
    {
        "resourceType": "OperationOutcome",
        "id": CODE,
        "issue": [
            {
                "severity": "error",
                "code": "throttled",
                "details": {"coding": [{"system": ERROR_CODES, "code": CODE}]},
                "diagnostics": "more requests than this service can answer in time; "
                f"nothing was evaluated or stored: ask again in {RETRY_AFTER_S} s",
            }
        ],
    }
)
_HEADERS = [
    ("Content-Type", JSON),
    ("Content-Length", str(len(_BODY))),
    ("Retry-After", str(RETRY_AFTER_S)),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Vary", "Origin"),
]
_STATUS = "503 Service Unavailable"


def refusal(*, keeps_connection: bool) -> bytes:
    """The whole HTTP answer to a request that is turned away."""
    headers = [*_HEADERS, ("Connection", "keep-alive" if keeps_connection else "close")]
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {_STATUS}\r\n{lines}\r\n".encode("ascii") + _BODY


class Pace:
    """How fast a queue moves: seconds between two requests that leave while others wait."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self.seconds = 0.0
        self._clock = clock
        self._last: float | None = None

    def left(self, *, others_wait: bool) -> None:
        """A request has made room; a mean in which the last ones count most."""
        now = self._clock()
        if others_wait and self._last is not None:
            gap = now - self._last
            self.seconds += (gap - self.seconds) * (_NEWEST if self.seconds else 1)
        self._last = now if others_wait else None


class Places:
    """Where requests are worked on: one after the other, and beside long ones so many at a time.

    Only one thread of a process computes at a time; two that take turns cost a third more, because
    each event in between gives the interpreter to the other one. So a request begins when none is
    worked on, or when all that are have taken long already, so that no long one holds up the rest.

    A request that only waits for somebody else lends its place to another one meanwhile. No more
    than `lent` wait at once, and none that waits keeps its place.
    """

    def __init__(
        self, count: int, *, lent: int = 0, clock: Callable[[], float] = monotonic
    ) -> None:
        self._count = count
        self._clock = clock
        self._changed = Condition(Lock())
        self._since: dict[int, float] = {}  # by thread
        self._waiting = 0
        self._is_watched = False
        self._lent = 0
        self._most_lent = lent

    @property
    def under_way(self) -> int:
        """Requests that the queue does not count.

        Those that fit, at least one, and those that lent their place, until they have one again.
        """
        return max(len(self._since), 1) + self._lent

    def take(self, *, within_s: float = 0.0) -> bool:
        """Whether this thread got a place in time; behind those that wait already."""
        with self._changed:
            if (self._waiting or not self._is_open()) and not self._wait(within_s):
                return False
            self._since[get_ident()] = self._clock()
            return True

    def give_back(self) -> None:
        """The request of this thread is answered."""
        with self._changed:
            del self._since[get_ident()]
            self._changed.notify()

    @contextmanager
    def lent(self) -> Iterator[bool]:
        """For a request that has a place: others may have it during this block.

        False, and the place is kept, when as many wait as may: then it must not wait.
        """
        with self._changed:
            may_wait = self._lent < self._most_lent
            self._lent += may_wait
        if not may_wait:
            yield False
            return
        self.give_back()
        try:
            yield True
        finally:
            while not self.take(within_s=60):
                pass
            with self._changed:  # not before: many may come back at once, and fill no queue
                self._lent -= 1

    def _is_open(self) -> bool:
        if not self._since:
            return True
        latest = max(self._since.values())
        return len(self._since) < self._count and self._clock() - latest >= LONG_S

    def _wait(self, within_s: float) -> bool:
        """Until a place is open, or not; one of those that wait watches for a long request."""
        until = self._clock() + within_s
        watches = False
        self._waiting += 1
        try:
            while (left := until - self._clock()) > 0:
                watches = watches or not self._is_watched
                self._is_watched = True
                self._changed.wait(min(left, LONG_S) if watches else left)
                if self._is_open():
                    return True
            return False
        finally:
            self._waiting -= 1
            if watches:
                self._is_watched = False
                self._changed.notify()  # for another one to watch


class Admission:
    """The middleware around `app`; one per process.

    Args:
        app: what answers the requests that are let in.
        places: where requests are worked on.
        queue: requests that may wait for that; further ones are turned away.
        wait_s: one that would wait longer, in seconds, as the queue moves now, is turned away.
        refused: called for each request that is turned away.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        places: Places,
        queue: int,
        wait_s: float,
        refused: Callable[[], None],
    ) -> None:
        self._app = app
        self._places = places
        self._queue = queue
        self._wait_s = wait_s
        self._refused = refused
        self._lock = Lock()
        self.pace = Pace()
        self.waiting = 0

    def is_full(self, under_way: int) -> bool:
        """Whether one more would find no room when threads have so many; for the event loop."""
        before = under_way - self._places.under_way
        return before >= 0 and not self._has_room_behind(before)

    def refuse(self, *, keeps_connection: bool) -> bytes:
        """Count a request that is turned away, and the answer to it."""
        self._refused()
        return refusal(keeps_connection=keeps_connection)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer through the app, or with 503 when there is no room."""
        if environ.get("PATH_INFO") in ALWAYS_ADMITTED:
            return self._app(environ, start_response)
        if not self._enter():
            return self._refuse(start_response)
        try:
            return self._app(environ, start_response)
        finally:
            with self._lock:
                self.pace.left(others_wait=self.waiting > 0)
            self._places.give_back()

    def _has_room_behind(self, waiting: int) -> bool:
        """Whether one may wait behind so many; behind none always, so that the pace is known."""
        in_time = (waiting + 1) * self.pace.seconds <= self._wait_s
        return waiting < self._queue and (waiting == 0 or in_time)

    def _enter(self) -> bool:
        if self._places.take():
            return True
        with self._lock:
            if not self._has_room_behind(self.waiting):
                return False
            self.waiting += 1
        try:
            return self._places.take(within_s=self._wait_s * _LATE)
        finally:
            with self._lock:
                self.waiting -= 1

    def _refuse(self, start_response: StartResponse) -> Iterable[bytes]:
        self._refused()
        start_response(_STATUS, list(_HEADERS))
        return [_BODY]
