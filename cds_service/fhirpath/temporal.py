"""Dates, dateTimes and times of any precision, and arithmetic on them (sections 4.1.4, 6.6.7).

A value keeps exactly the parts that were written; nothing is filled in. Comparison goes part by
part and answers None where the precision does not suffice. No clock and no time zone database.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import ClassVar, Self

_PATTERN = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d))?)?"
    r"(?P<t>T(?P<clock>\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?)?(?P<zone>Z|[+-]\d\d:\d\d)?)?",
    re.ASCII,
)
_CLOCK = re.compile(r"T?(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?", re.ASCII)
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_NANO = 1_000_000_000
_WIDEST_ZONE = timedelta(hours=26)
"""Two local times this far apart are ordered in any pair of time zones (-12:00 to +14:00)."""


class Temporal:
    """A date, dateTime or time; `str()` is its literal without the leading '@'.

    `parts` are the known parts from the largest down; seconds are counted in nanoseconds and
    written with `digits` decimals. `offset` is the zone offset in minutes, None when not given.
    """

    __slots__ = ("digits", "offset", "parts")
    literal_prefix: ClassVar[str] = "@"
    size: ClassVar[int] = 6

    def __init__(self, parts: tuple[int, ...], offset: int | None = None, digits: int = 0) -> None:
        self.parts = parts
        self.offset = offset
        self.digits = digits

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Temporal) or type(other) is not type(self):
            return False
        return self.parts == other.parts and self.offset == other.offset

    def __hash__(self) -> int:
        return hash((type(self), self.parts, self.offset))

    def with_parts(self, parts: tuple[int, ...], digits: int | None = None) -> Self:
        """The same kind of value with other parts, in the same zone."""
        return type(self)(parts, self.offset, self.digits if digits is None else digits)


class Date(Temporal):
    """A System.Date: year, or year and month, or year, month and day."""

    __slots__ = ()
    size = 3

    def __str__(self) -> str:
        return _date_text(self.parts)


class DateTime(Temporal):
    """A System.DateTime: from a year alone down to fractions of a second, perhaps with a zone."""

    __slots__ = ()

    def __str__(self) -> str:
        day = _date_text(self.parts[:3])
        if len(self.parts) <= 3:
            return day
        return f"{day}T{_clock_text(self.parts[3:], self.digits)}{zone_text(self.offset)}"

    @property
    def date(self) -> Date:
        """The date part as it was written, whatever the zone."""
        return Date(self.parts[:3])


class Time(Temporal):
    """A System.Time: hour down to fractions of a second, without a zone."""

    __slots__ = ()
    literal_prefix = "@T"
    size = 3

    def __str__(self) -> str:
        return _clock_text(self.parts, self.digits)


def zone_text(offset: int | None) -> str:
    """`Z`, `+02:00` or nothing, for an offset in minutes."""
    if offset is None:
        return ""
    if offset == 0:
        return "Z"
    hours, minutes = divmod(abs(offset), 60)
    return f"{'-' if offset < 0 else '+'}{hours:02}:{minutes:02}"


def _date_text(parts: tuple[int, ...]) -> str:
    return "-".join(f"{part:04}" if not index else f"{part:02}" for index, part in enumerate(parts))


def _clock_text(parts: tuple[int, ...], digits: int) -> str:
    text = ":".join(f"{part:02}" for part in parts[:2])
    if len(parts) < 3:
        return text
    seconds, fraction = divmod(parts[2], _NANO)
    text = f"{text}:{seconds:02}"
    return f"{text}.{fraction:09}"[: len(text) + 1 + digits] if digits else text


@lru_cache(maxsize=4096)
def parse_literal(text: str) -> Temporal | None:
    """The value of a literal without its '@': a Date, a DateTime (with a 'T') or a Time."""
    if text.startswith("T"):
        return parse_time(text)
    if "T" in text:
        return parse_datetime(text)
    return parse_date(text)


@lru_cache(maxsize=4096)
def parse_date(text: str) -> Date | None:
    """The Date that `text` spells (`2014`, `2014-01`, `2014-01-05`), or None."""
    match = _PATTERN.fullmatch(text)
    if match is None or match["t"]:
        return None
    parts = _date_parts(match)
    return None if parts is None else Date(parts)


@lru_cache(maxsize=4096)
def parse_datetime(text: str) -> DateTime | None:
    """The DateTime that `text` spells, with or without time and zone, or None."""
    match = _PATTERN.fullmatch(text)
    parts = None if match is None else _date_parts(match)
    if match is None or parts is None:
        return None
    if not match["clock"]:
        return None if match["zone"] else DateTime(parts)
    clock = _CLOCK.fullmatch(match["clock"])
    time = None if clock is None else _clock_parts(clock)
    if clock is None or time is None or len(parts) < 3:
        return None
    offset = _offset(match["zone"])
    if match["zone"] and offset is None:
        return None
    return DateTime(parts + time, offset, min(len(clock[4] or ""), 9))


@lru_cache(maxsize=4096)
def parse_time(text: str) -> Time | None:
    """The Time that `text` spells, with or without a leading 'T', or None."""
    match = _CLOCK.fullmatch(text)
    parts = None if match is None else _clock_parts(match)
    if match is None or parts is None:
        return None
    return Time(parts, None, min(len(match[4] or ""), 9))


def _date_parts(match: re.Match[str]) -> tuple[int, ...] | None:
    parts = tuple(int(match[name]) for name in ("year", "month", "day") if match[name])
    if parts[0] < 1 or (len(parts) > 1 and not 1 <= parts[1] <= 12):
        return None
    if len(parts) > 2 and not 1 <= parts[2] <= days_in_month(parts[0], parts[1]):
        return None
    return parts


def _clock_parts(match: re.Match[str]) -> tuple[int, ...] | None:
    hour, minute, second, fraction = match.groups()
    if int(hour) > 23 or int(minute or 0) > 59 or int(second or 0) > 60:
        return None
    if minute is None:
        return (int(hour),)
    if second is None:
        return (int(hour), int(minute))
    nanoseconds = int((fraction or "0")[:9].ljust(9, "0"))
    return (int(hour), int(minute), int(second) * _NANO + nanoseconds)


def _offset(zone: str | None) -> int | None:
    if not zone:
        return None
    if zone == "Z":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[4:6])
    if minutes > 14 * 60 or int(zone[4:6]) > 59:
        return None
    return -minutes if zone[0] == "-" else minutes


def days_in_month(year: int, month: int) -> int:
    """The number of days of a month of the Gregorian calendar."""
    if month == 2 and (year % 4 or (year % 100 == 0 and year % 400)):
        return 28
    return _DAYS[month - 1]


def of_datetime(moment: datetime) -> DateTime:
    """The DateTime of a Python datetime, to the millisecond, with its zone offset if it has one."""
    delta = moment.utcoffset()
    milliseconds = moment.microsecond // 1000
    parts = (
        moment.year,
        moment.month,
        moment.day,
        moment.hour,
        moment.minute,
        moment.second * _NANO + milliseconds * 1_000_000,
    )
    return DateTime(parts, None if delta is None else int(delta.total_seconds() // 60), 3)


def compare(left: Temporal, right: Temporal) -> int | None:
    """-1, 0 or 1 for before, same, after; None where precision or zone leave it open (6.2)."""
    first, second = left.parts, right.parts
    if len(first) == len(second) and left.offset == right.offset:
        return (first > second) - (first < second)
    if left.offset != right.offset and min(len(first), len(second)) > 3:
        if left.offset is None or right.offset is None:
            return _compare_across_zones(left, right)
        first, second = in_utc(left), in_utc(right)
    for one, other in zip(first, second, strict=False):
        if one != other:
            return -1 if one < other else 1
    return 0 if len(first) == len(second) else None


def _compare_across_zones(left: Temporal, right: Temporal) -> int | None:
    first, second = _as_datetime(left.parts), _as_datetime(right.parts)
    if abs(first - second) <= _WIDEST_ZONE:
        return None
    return -1 if first < second else 1


def in_utc(value: Temporal) -> tuple[int, ...]:
    """The parts of a dateTime with a zone, at UTC, in the precision that was given."""
    parts = value.parts
    if not value.offset or len(parts) <= 3:
        return parts
    try:
        moment = _as_datetime(parts) - timedelta(minutes=value.offset)
    except OverflowError:
        return parts
    shifted = (moment.year, moment.month, moment.day, moment.hour, moment.minute, *parts[5:])
    return shifted[: len(parts)]


def _as_datetime(parts: tuple[int, ...]) -> datetime:
    year, month, day, hour, minute = (*parts[:5], 1, 1, 0, 0)[:5] if len(parts) < 5 else parts[:5]
    return datetime(year, month, day, hour, minute)  # noqa: DTZ001 - local parts, no zone meant


def add_months(value: Temporal, months: int) -> Temporal | None:
    """A date or dateTime moved by whole months, its day clamped to the last of the month.

    None outside years 1 to 9999.
    """
    year, month, *rest = (*value.parts, 1) if len(value.parts) == 1 else value.parts
    count = year * 12 + month - 1 + months
    year, month = count // 12, count % 12 + 1
    if not 1 <= year <= 9999:
        return None
    if rest:
        rest[0] = min(rest[0], days_in_month(year, month))
    return value.with_parts((year, month, *rest)[: len(value.parts)])


def add_days(value: Temporal, days: int) -> Temporal | None:
    """A value of at least day precision moved by whole days; None outside years 1 to 9999."""
    year, month, day, *rest = value.parts
    try:
        moved = date(year, month, day) + timedelta(days=days)
    except OverflowError:
        return None
    return value.with_parts((moved.year, moved.month, moved.day, *rest))


def add_nanoseconds(value: Temporal, nanoseconds: int) -> Temporal | None:
    """A Time (wrapping at midnight) or DateTime moved by a span, in its own precision."""
    clock = value.parts if isinstance(value, Time) else value.parts[3:]
    hour, minute, second = (*clock, 0, 0)[:3]
    if second >= 60 * _NANO:  # a leap second counts as the one before it
        second -= _NANO
    total = (hour * 60 + minute) * 60 * _NANO + second + nanoseconds
    days, rest = divmod(total, 24 * 3600 * _NANO)
    minutes, second = divmod(rest, 60 * _NANO)
    moved = (minutes // 60, minutes % 60, second)[: len(clock)]
    digits = value.digits
    if len(clock) > 2 and second % _NANO and digits < 3:
        digits = 3
    if isinstance(value, Time):
        return value.with_parts(moved, digits)
    shifted = add_days(value.with_parts(value.parts[:3]), days)
    return None if shifted is None else value.with_parts(shifted.parts + moved, digits)
