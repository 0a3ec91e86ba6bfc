"""One point in time by which all FHIR reads of a call have to be over (PERF-2)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Deadline:
    """`seconds` from now on a monotonic clock; shared by everything that one call waits for."""

    __slots__ = ("_clock", "_end")

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._end - self._clock())

    @property
    def is_over(self) -> bool:
        """Whether no time is left."""
        return self.remaining() <= 0

    def at_most(self, seconds: float) -> Deadline:
        """This deadline, or one `seconds` from now when that is earlier (AUTHZ-16)."""
        return Deadline(min(self.remaining(), seconds), self._clock)
