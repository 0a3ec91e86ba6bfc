"""One body, measured: the service beside the do-nothing handler, and the call without HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median, quantiles
from time import perf_counter_ns
from typing import TYPE_CHECKING
from uuid import UUID

from bench.load import Effort, Target, times_ms
from cds_service import fhir_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.bodies import Body
    from cds_service.hooks.service import HookService

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
_DECISION = UUID("00000000-0000-4000-8000-000000000000")


@dataclass(frozen=True, slots=True)
class Spread:
    """A median, and the first and third quartile around it."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds per answer: the spread of the repetitions' medians, and p99 over all answers."""

    ms: Spread
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything about one body. `ratio` is service / do-nothing, repetition by repetition."""

    name: str
    size: int
    cards: int
    service: Times
    nothing: Times
    ratio: Spread
    decode_ms: Spread
    call_ms: Spread
    call_per_decode: float


def over_http(
    service: Target, nothing: Target, content: bytes, effort: Effort
) -> tuple[Times, Times, Spread]:
    """Service and do-nothing in turns, so that what disturbs the machine disturbs both."""
    pairs = []
    for repetition in range(effort.repetitions):
        order = (service, nothing) if repetition % 2 == 0 else (nothing, service)
        found = {target: times_ms(target, content, effort) for target in order}
        pairs.append((found[service], found[nothing]))
    ratios = [median(ours) / median(theirs) for ours, theirs in pairs]
    return _times([a for a, _ in pairs]), _times([b for _, b in pairs]), spread(ratios)


def without_http(
    hooks: HookService, service_id: str, body: Body, effort: Effort
) -> tuple[Spread, Spread, int]:
    """Milliseconds to decode the body, milliseconds of the call on it, and its cards."""
    message = fhir_json.decode(body.content)

    def call() -> object:
        return hooks.call(service_id, message, now=NOW, decision_id=_DECISION)

    cards = len(hooks.call(service_id, message, now=NOW, decision_id=_DECISION).response["cards"])
    decode_ms = spread(_loop(lambda: fhir_json.decode(body.content), effort))
    return decode_ms, spread(_loop(call, effort)), cards


def _loop(work: Callable[[], object], effort: Effort) -> list[float]:
    """The median time of each repetition, in milliseconds."""
    medians = []
    for _ in range(effort.repetitions):
        times = []
        for _ in range(effort.requests):
            start = perf_counter_ns()
            work()
            times.append((perf_counter_ns() - start) / 1e6)
        medians.append(median(times))
    return medians


def _times(repetitions: list[list[float]]) -> Times:
    every = sorted(time for repetition in repetitions for time in repetition)
    p99 = every[min(len(every) * 99 // 100, len(every) - 1)]
    return Times(spread([median(repetition) for repetition in repetitions]), p99)


def spread(values: list[float]) -> Spread:
    """Median and quartiles; one value is its own quartiles."""
    if len(values) < 2:
        return Spread(values[0], values[0], values[0])
    low, middle, high = quantiles(values, n=4, method="inclusive")
    return Spread(middle, low, high)
