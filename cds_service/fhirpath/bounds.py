"""Criteria that compare what is remembered of a row with a day that is the same for all rows.

`%weights.where(observedUntil() >= today() - 6 months)` asks many rows, and mostly again: of each
resource the day is known by then. Such bounds are looked at for all rows together. Of a row that
is not plainly within them or beyond (no day, a day in part, nothing known), and wherever anything
fails, the ordinary evaluation tells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cds_service.errors import EvaluationError
from cds_service.fhirpath.temporal import Date

if TYPE_CHECKING:
    from cds_service.fhirpath.evaluation import Evaluation, Frame

WITHIN: Final[Any] = object()
"""Said of a row that is within all bounds."""

_Run = Callable[..., list[Any]]
_Column = tuple[Mapping[Any, list[Any]], _Run, Callable[[Any, Any], bool], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Bound:
    """`value` of a row, which `known` remembers; `accept` compares its day with that of `limit`."""

    value: _Run
    known: Callable[[Evaluation], Mapping[Any, list[Any]]]
    accept: Callable[[Any, Any], bool]
    limit: _Run


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """Bounds with `and` between them; `rest` is the criterion without them, None for nothing."""

    bounds: tuple[Bound, ...]
    rest: _Run | None

    def narrowed(
        self, frame: Frame, items: list[Any], told: list[tuple[int, Any]]
    ) -> list[tuple[int, Any]]:
        """The rows that are not beyond a bound; of those with the verdict True, `WITHIN` if so."""
        out: list[tuple[int, Any]] = []
        try:
            columns = self._columns(frame) if told else None
            if columns is None:
                return told
            for position, verdict in told:
                if verdict is True:
                    verdict = _placed(columns, frame, items[position])  # noqa: PLW2901 - now known
                if verdict is not False:
                    out.append((position, verdict))
        except EvaluationError:  # raised again when it is that row's turn
            return told
        return out

    def _columns(self, frame: Frame) -> list[_Column] | None:
        """What is known by row, and the limit, of each bound; None where one is not a day."""
        columns: list[_Column] = []
        for bound in self.bounds:
            limit = bound.limit(frame, [])
            if type(limit) is not list or len(limit) != 1 or type(limit[0]) is not Date:
                return None
            known = bound.known(frame.evaluation)
            columns.append((known, bound.value, bound.accept, limit[0].parts))
        return columns


def _placed(columns: list[_Column], frame: Frame, row: Any) -> Any:
    """WITHIN, False, or True where it has to be evaluated."""
    for known, value, accept, limit in columns:
        found = known.get(row) or value(frame, [row])
        if type(found) is not list or len(found) != 1 or type(found[0]) is not Date:
            return True
        day = found[0].parts
        if len(day) != len(limit):
            return True
        if not accept(day, limit):
            return False
    return WITHIN
