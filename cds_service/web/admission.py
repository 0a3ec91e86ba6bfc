"""Lets in as many requests as can be answered in time, and turns the others away at once.

A WSGI middleware, in front of everything that costs: a request that finds the running ones and the
queue full gets 503 with Retry-After within a millisecond, so that the answers that are given stay
fast (load shedding; risks A5 and A6). Probes and metrics are always let in.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING

from cds_service import fhir_json
from cds_service.web.errors import ERROR_CODES, JSON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

ALWAYS_ADMITTED = frozenset({"/health", "/ready", "/metrics"})
CODE = "overloaded"
RETRY_AFTER_S = 1

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


class Places:
    """Where requests are worked on: so many at a time.

    A request that only waits for somebody else lends its place to another one meanwhile, as long
    as no more than `lent` do.
    """

    def __init__(self, count: int, *, lent: int = 0) -> None:
        self._free = BoundedSemaphore(count)
        self._may_lend = BoundedSemaphore(lent) if lent else None

    def take(self, *, within_s: float = 0.0) -> bool:
        """Whether a place became free in time."""
        return (
            self._free.acquire(timeout=within_s) if within_s else self._free.acquire(blocking=False)
        )

    def give_back(self) -> None:
        """The request is answered."""
        self._free.release()

    @contextmanager
    def lent(self) -> Iterator[None]:
        """For a request that has a place: others may have it during this block."""
        if self._may_lend is None or not self._may_lend.acquire(blocking=False):
            yield
            return
        self._free.release()
        try:
            yield
        finally:
            self._free.acquire()
            self._may_lend.release()


class Admission:
    """The middleware around `app`; one per process.

    Args:
        app: what answers the requests that are let in.
        places: where requests are worked on.
        queue: requests that may wait for that; further ones are turned away.
        wait_s: longest that one waits, in seconds; it is turned away then.
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
        self.waiting = 0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer through the app, or with 503 when there is no room."""
        if environ.get("PATH_INFO") in ALWAYS_ADMITTED:
            return self._app(environ, start_response)
        if not self._enter():
            return self._refuse(start_response)
        try:
            return self._app(environ, start_response)
        finally:
            self._places.give_back()

    def _enter(self) -> bool:
        if self._places.take():
            return True
        with self._lock:
            if self.waiting >= self._queue:
                return False
            self.waiting += 1
        try:
            return self._places.take(within_s=self._wait_s)
        finally:
            with self._lock:
                self.waiting -= 1

    def _refuse(self, start_response: StartResponse) -> Iterable[bytes]:
        self._refused()
        start_response(
            "503 Service Unavailable",
            [
                ("Content-Type", JSON),
                ("Content-Length", str(len(_BODY))),
                ("Retry-After", str(RETRY_AFTER_S)),
                ("Cache-Control", "no-store"),
                ("X-Content-Type-Options", "nosniff"),
            ],
        )
        return [_BODY]
