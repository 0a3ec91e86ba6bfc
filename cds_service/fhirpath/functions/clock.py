"""Now, parts of dates, durations, and the local day (section 5.9.2 and 3.0 additions).

The clock is the evaluation's `now`; without one these functions are an EvaluationError.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from cds_service.errors import EvaluationError
from cds_service.fhirpath.arithmetic import towards_zero
from cds_service.fhirpath.collection import UNKNOWN, describe, scalar
from cds_service.fhirpath.evaluation import Frame, unknown
from cds_service.fhirpath.functions.conversion import to_date, to_date_time
from cds_service.fhirpath.functions.registry import (
    INTEGER,
    Table,
    no_input,
    over_values,
    with_frame,
)
from cds_service.fhirpath.quantity import CALENDAR_UNITS
from cds_service.fhirpath.readings import computed, reading_of
from cds_service.fhirpath.rows import ODD
from cds_service.fhirpath.temporal import Date, DateTime, Temporal, Time, in_utc, of_datetime

if TYPE_CHECKING:
    from collections.abc import Callable

    from cds_service.fhirpath.code import Code, Compiling, Site

TABLE = Table()
_NANO = 1_000_000_000
_DAY = 24 * 60
"""Minutes of a day."""


def _moment(frame: Frame) -> datetime:
    moment = frame.evaluation.now
    if moment is None:
        raise EvaluationError(
            "now(), today() and timeOfDay() need the moment of the evaluation, none was given",
            code="no-clock",
        )
    return moment


def now(frame: Frame) -> list[Any]:
    """`now()`: the moment of the evaluation, the same throughout it."""
    return [of_datetime(_moment(frame))]


def today(frame: Frame) -> list[Any]:
    """`today()`: the day of the evaluation in the time zone of `now`."""
    moment = _moment(frame)
    return [Date((moment.year, moment.month, moment.day))]


def time_of_day(frame: Frame) -> list[Any]:
    """`timeOfDay()`: the time of the evaluation in the time zone of `now`."""
    value = of_datetime(_moment(frame))
    return [Time(value.parts[3:], None, value.digits)]


def local_date(frame: Frame, items: list[Any]) -> list[Any]:
    """`localDate()`, beyond the specification: the calendar day where the evaluation takes place.

    A dateTime with an offset is moved to the time zone of `now`; anything without one keeps its
    day, a partial date its precision.
    """
    value = scalar(items)
    if value is UNKNOWN:
        return unknown()
    if value is None:
        return []
    if type(value) is DateTime and value.offset is not None:
        return [_day_in_zone(value, _moment(frame))]
    day = to_date(value) if isinstance(value, Temporal) else None
    if day is None:
        raise EvaluationError(
            f"localDate() works on a date or dateTime, not on {describe(value)}",
            code="type-mismatch",
        )
    return [day]


def _day_read(value: Any, now: datetime | None) -> Any:
    """`localDate()` of a value that was read; ODD where it takes an evaluation to say why not."""
    if type(value) is DateTime:
        if value.offset is None:
            return value.date
        return ODD if now is None else _day_in_zone(value, now)
    return value if type(value) is Date else ODD


def _build_local_date(compiler: Compiling, site: Site) -> Code:
    code = with_frame(local_date, frozenset({"System.Date"}))(compiler, site)
    return replace(code, reading=computed(reading_of(site.receiver), _day_read))


def _day_in_zone(value: DateTime, moment: datetime) -> Date:
    year, month, day, hour, minute = (*value.parts, 0)[:5]
    there, zone = value.offset or 0, moment.tzinfo
    if type(zone) is timezone and 0 <= hour * 60 + minute + _minutes(zone) - there < _DAY:
        return Date((year, month, day))  # a zone without changes, and no midnight between
    local = datetime(year, month, day, hour, minute, tzinfo=_zone(there)).astimezone(zone)
    return Date((local.year, local.month, local.day))


@cache
def _minutes(zone: timezone) -> int:
    """How far a fixed zone is from UTC; parts of a minute, which no clock has, count downwards."""
    return zone.utcoffset(None) // timedelta(minutes=1)


@cache
def _zone(offset: int) -> timezone:
    return timezone(timedelta(minutes=offset))


def _part(index: int, clock: int | None) -> Callable[[Any], int | None]:
    """The part at `index` of a date, or at `clock` of a time."""

    def part(value: Any) -> int | None:
        found = _temporal(value)
        position = clock if isinstance(found, Time) else index
        if found is None or position is None or position >= len(found.parts):
            return None
        number = found.parts[position]
        return number // _NANO if index == 5 else number

    return part


def _temporal(value: Any) -> Temporal | None:
    if isinstance(value, str):
        return to_date_time(value)
    return value if isinstance(value, Temporal) else None


def milliseconds_of(value: Any) -> int | None:
    """`millisecondOf()`: empty when no fraction was given."""
    found = _temporal(value)
    if found is None or isinstance(found, Date) or not found.digits:
        return None
    return found.parts[-1] % _NANO // 1_000_000


def offset_of(value: Any) -> Decimal | None:
    """`timezoneOffsetOf()`: in hours."""
    found = _temporal(value)
    if found is None or found.offset is None:
        return None
    return Decimal(found.offset) / 60


def date_of(value: Any) -> Date | None:
    """`dateOf()`: the date part as written."""
    found = _temporal(value)
    return None if found is None or isinstance(found, Time) else to_date(found)


def time_of(value: Any) -> Time | None:
    """`timeOf()`: the time part of a dateTime as written."""
    found = _temporal(value)
    if not isinstance(found, DateTime) or len(found.parts) <= 3:
        return None
    return Time(found.parts[3:], None, found.digits)


_UNITS = ("year", "month", "day", "hour", "minute", "second", "millisecond")
_SIZES = {"hour": 3600 * _NANO, "minute": 60 * _NANO, "second": _NANO, "millisecond": 10**6}


def _between(name: str, *, whole_periods: bool) -> Callable[[Any, Any, Any], int | None]:
    def between(value: Any, other: Any, precision: Any) -> int | None:
        unit = CALENDAR_UNITS.get(precision) if isinstance(precision, str) else None
        if unit is None:
            raise EvaluationError(f"{name}() needs a calendar unit such as 'days'", code="unit")
        if not isinstance(value, Temporal) or not isinstance(other, Temporal):
            raise EvaluationError(f"{name}() works on dates and times", code="type-mismatch")
        if isinstance(value, Time) is not isinstance(other, Time):
            raise EvaluationError(f"{name}() cannot mix dates and times", code="type-mismatch")
        if isinstance(value, Time):
            first, second = (0, 0, 0, *value.parts), (0, 0, 0, *other.parts)
        else:
            first, second = _aligned(value, other, unit)
        return _count(first, second, unit, whole_periods=whole_periods)

    return between


def _aligned(one: Temporal, other: Temporal, unit: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The parts to count between: on one clock for hours and less, as written for days and more."""
    is_both_known = one.offset is not None and other.offset is not None
    if unit in _SIZES and is_both_known and one.offset != other.offset:
        return in_utc(one), in_utc(other)
    return one.parts, other.parts


def _count(
    first: tuple[int, ...], second: tuple[int, ...], unit: str, *, whole_periods: bool
) -> int | None:
    """Boundaries crossed from first to second, or whole periods; None if precision is missing."""
    known = min(len(first), len(second))
    needed = 3 if unit == "week" else min(_UNITS.index(unit) + 1, 6)
    if whole_periods:
        needed = max(needed, min(len(first), len(second)))
    if known < needed or (len(first) != len(second) and whole_periods):
        return None
    if unit in {"year", "month"}:
        return _months(first, second, unit, whole_periods=whole_periods)
    size = _SIZES.get(unit, 24 * 3600 * _NANO)
    if whole_periods:
        return towards_zero(_instant(second) - _instant(first), size * (7 if unit == "week" else 1))
    if unit == "week":
        return (_days(second) + 6) // 7 - (_days(first) + 6) // 7
    return _instant(second) // size - _instant(first) // size


def _months(
    first: tuple[int, ...], second: tuple[int, ...], unit: str, *, whole_periods: bool
) -> int:
    if unit == "year" and not whole_periods:
        return second[0] - first[0]
    months = (second[0] - first[0]) * 12 + (*second, 1)[1] - (*first, 1)[1]
    if whole_periods and months > 0 and second[2:] < first[2:]:
        months -= 1
    elif whole_periods and months < 0 and second[2:] > first[2:]:
        months += 1
    return towards_zero(months, 12) if unit == "year" else months


def _days(parts: tuple[int, ...]) -> int:
    year, month, day = (*parts, 1, 1)[:3] if len(parts) < 3 else parts[:3]
    return datetime(max(year, 1), max(month, 1), max(day, 1)).toordinal()  # noqa: DTZ001


def _instant(parts: tuple[int, ...]) -> int:
    hour, minute, second = (*parts[3:], 0, 0, 0)[:3]
    return (_days(parts) * 24 * 60 + hour * 60 + minute) * 60 * _NANO + second


TABLE.declare("now", no_input(now, frozenset({"System.DateTime"})), arity=(0, 0), section="5.9.2")
TABLE.declare("today", no_input(today, frozenset({"System.Date"})), arity=(0, 0), section="5.9.2")
TABLE.declare(
    "timeOfDay", no_input(time_of_day, frozenset({"System.Time"})), arity=(0, 0), section="5.9.2"
)
TABLE.declare("localDate", _build_local_date, arity=(0, 0), section="own")
for _name, _index, _clock in (
    ("year", 0, None),
    ("month", 1, None),
    ("day", 2, None),
    ("hour", 3, 0),
    ("minute", 4, 1),
    ("second", 5, 2),
):
    TABLE.declare(
        f"{_name}Of",
        over_values(_part(_index, _clock), types=INTEGER),
        arity=(0, 0),
        section="3.0 5.9",
    )
TABLE.declare(
    "millisecondOf", over_values(milliseconds_of, types=INTEGER), arity=(0, 0), section="3.0 5.9"
)
TABLE.declare("timezoneOffsetOf", over_values(offset_of), arity=(0, 0), section="3.0 5.9")
TABLE.declare("dateOf", over_values(date_of), arity=(0, 0), section="3.0 5.9")
TABLE.declare("timeOf", over_values(time_of), arity=(0, 0), section="3.0 5.9")
TABLE.declare(
    "duration",
    over_values(_between("duration", whole_periods=True), types=INTEGER),
    arity=(2, 2),
    section="3.0 5.9",
)
TABLE.declare(
    "difference",
    over_values(_between("difference", whole_periods=False), types=INTEGER),
    arity=(2, 2),
    section="3.0 5.9",
)
