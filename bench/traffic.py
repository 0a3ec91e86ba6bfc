"""Calls from many connections for some time, at a pace or as fast as they are answered."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from statistics import quantiles
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.load import Target

_TIMEOUT_S = 40
_HEADERS = {"Content-Type": "application/json"}


@dataclass(slots=True)
class Tally:
    """What came back: milliseconds by status; `cut` connections gave no answer to a request.

    `refused` connections took no request; nothing was lost by them. `unhinted` counts 503 without
    Retry-After. `client_cpu_s` is what the clients themselves took of the machine.
    """

    ms: dict[int, list[float]] = field(default_factory=dict)
    cut: int = 0
    refused: int = 0
    unhinted: int = 0
    seconds: float = 0.0
    client_cpu_s: float = 0.0

    def per_second(self, status: int = 200) -> float:
        return len(self.ms.get(status, ())) / self.seconds if self.seconds else 0.0

    def p95_ms(self, status: int = 200) -> float:
        return self.percentile_ms(95, status)

    def percentile_ms(self, percent: int, status: int = 200) -> float:
        found = self.ms.get(status, [])
        return quantiles(found, n=100)[percent - 1] if len(found) > 1 else sum(found)

    def client_cores(self) -> float:
        """Cores that the clients kept busy."""
        return self.client_cpu_s / self.seconds if self.seconds else 0.0

    def statuses(self) -> dict[int, int]:
        return {status: len(times) for status, times in sorted(self.ms.items())}

    def share(self, status: int = 200) -> float:
        """Answers with this status among all requests."""
        every = sum(Counter(self.statuses()).values()) + self.cut
        return len(self.ms.get(status, ())) / every if every else 0.0


class Traffic:
    """`connections` clients that post `body`, all together `per_second` times where that is given.

    A client keeps its connection, and takes a new one when it was closed. With `fresh` every
    request has a connection of its own, so that a server that stops accepting is told from one
    that cuts off.
    """

    def __init__(
        self,
        target: Target,
        body: bytes,
        connections: int,
        per_second: float | None = None,
        *,
        fresh: bool = False,
    ) -> None:
        self.tally = Tally()
        self._target, self._body, self._fresh = target, body, fresh
        self._interval = connections / per_second if per_second else 0.0
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, args=(index / connections,), daemon=True)
            for index in range(connections)
        ]

    def __enter__(self) -> Self:
        self._begun = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self.tally.seconds = time.monotonic() - self._begun
        for thread in self._threads:
            thread.join(_TIMEOUT_S)

    def _run(self, phase: float) -> None:
        connection = self._connection()
        due = time.monotonic() + phase * self._interval
        while not self._stop.is_set():
            if self._interval:
                self._stop.wait(due - time.monotonic())
                due = max(due + self._interval, time.monotonic() - self._interval)
            connection = self._ask(connection)
            if self._fresh:
                connection.close()
                connection = self._connection()
        connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._target.address, timeout=_TIMEOUT_S)

    def _ask(self, connection: http.client.HTTPConnection) -> http.client.HTTPConnection:
        began = time.perf_counter()
        was_open = connection.sock is not None
        try:
            if not was_open:
                connection.connect()
        except OSError:
            with self._lock:
                self.tally.refused += 1
            self._stop.wait(0.02)
            return self._connection()
        try:
            connection.request("POST", self._target.path, self._body, _HEADERS)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            with self._lock:  # a kept connection may be closed between two requests (RFC 9112 9.5)
                self.tally.cut += not was_open
            connection.close()
            return self._connection()
        with self._lock:
            self.tally.ms.setdefault(answer.status, []).append(1000 * (time.perf_counter() - began))
            self.tally.unhinted += answer.status == 503 and not answer.headers["Retry-After"]
        return connection


def for_seconds(
    target: Target,
    body: bytes,
    connections: int,
    seconds: float,
    per_second: float | None = None,
) -> Tally:
    """What comes back within some time."""
    with Traffic(target, body, connections, per_second) as traffic:
        time.sleep(seconds)
    return traffic.tally


@contextlib.contextmanager
def behind(*traffics: Traffic) -> Iterator[None]:
    """Traffic that goes on while the block runs."""
    with contextlib.ExitStack() as stack:
        for traffic in traffics:
            stack.enter_context(traffic)
        yield
