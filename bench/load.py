"""Sends one body many times over kept connections, and says how long each answer took."""

from __future__ import annotations

import http.client
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter_ns

_TIMEOUT_S = 30
_WARM_UP = 3


@dataclass(frozen=True, slots=True)
class Target:
    """Where a body goes."""

    address: str
    path: str


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is sent: repetitions of so many requests over so many connections at once."""

    requests: int
    repetitions: int
    connections: int


def status(target: Target, content: bytes) -> tuple[int, bytes]:
    """Status and body of one answer."""
    connection = http.client.HTTPConnection(target.address, timeout=_TIMEOUT_S)
    try:
        return _post(connection, target.path, content)
    finally:
        connection.close()


def times_ms(target: Target, content: bytes, effort: Effort) -> list[float]:
    """Milliseconds per answer of one repetition; every answer must be 200."""
    each = max(effort.requests // effort.connections, 1)
    with ThreadPoolExecutor(effort.connections) as pool:
        batches = [pool.submit(_batch, target, content, each) for _ in range(effort.connections)]
        return [time for batch in batches for time in batch.result()]


def _batch(target: Target, content: bytes, count: int) -> list[float]:
    """One connection, warmed up, then `count` requests one after the other."""
    connection = http.client.HTTPConnection(target.address, timeout=_TIMEOUT_S)
    try:
        for _ in range(_WARM_UP):
            _post(connection, target.path, content)
        times = []
        for _ in range(count):
            start = perf_counter_ns()
            code, answer = _post(connection, target.path, content)
            times.append((perf_counter_ns() - start) / 1e6)
            if code != 200:
                raise SystemExit(f"{target.path} answered {code}: {answer[:300]!r}")
        return times
    finally:
        connection.close()


def _post(connection: http.client.HTTPConnection, path: str, content: bytes) -> tuple[int, bytes]:
    connection.request("POST", path, content, {"Content-Type": "application/json"})
    response = connection.getresponse()
    return response.status, response.read()
