"""What one value of a row is, told from its JSON: days and numbers without items in between.

`lastDay(observedMoment())` or `kilograms()` of a row takes dozens of steps in the ordinary way. A
reading takes the JSON of the row and gives the one value there, None for nothing, or ODD where
only the ordinary evaluation can tell: several values, failures, unknowns, types that are not read.
A reading is built for each type of row, at the first row of that type.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from cds_service.fhirpath.collection import TEMPORAL_TYPES, Node
from cds_service.fhirpath.model import INTEGERS
from cds_service.fhirpath.rows import ODD, ByType, Fact, Test, only_key, values_at

if TYPE_CHECKING:
    from cds_service.fhirpath.rows import Path

Read: TypeAlias = Callable[[Any, datetime | None], Any]
"""From the JSON of a row and the moment of the evaluation to a System value, None or ODD."""
MakeItem: TypeAlias = Callable[[Any, datetime | None, Any], Any]
"""The same, and the resource of the row, to the item that an evaluation gives."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How one value is read from rows of one type.

    `value` gives its System value, `item` the item: an element where the expression ends at one.
    """

    value: Read
    item: MakeItem
    is_number: bool = False


Readings: TypeAlias = ByType[Reading]


class Part(Protocol):
    """What is known of a part of an expression; `fhirpath.code.Code` is one."""

    @property
    def reading(self) -> Readings | None:
        """How its value is read."""

    @property
    def path(self) -> Path | None:
        """The path from `$this` that it is."""

    @property
    def constant(self) -> tuple[Any, ...] | None:
        """Its value, if that is written in its text."""


def reading_of(part: Part) -> Readings | None:
    """How the value of a part is read from the row that is its `$this`; None when it is not."""
    if part.reading is not None:
        return part.reading
    if part.path is not None:
        return _at(part.path)
    return None if part.constant is None else constant(part.constant)


def constant(values: tuple[Any, ...]) -> Readings | None:
    """A number that is written in the text, or nothing."""
    value = values[0] if values else None
    is_number = type(value) in {int, Decimal}
    if len(values) > 1 or not (value is None or is_number):
        return None
    reading = _computed(lambda _raw, _now: value, is_number=is_number or value is None)
    return ByType(lambda _kind: reading)


def _computed(read: Read, *, is_number: bool = False) -> Reading:
    """A reading of which the System value is the item."""
    return Reading(read, lambda raw, now, _root: read(raw, now), is_number)


def _at(path: Path) -> Readings:
    """The one element at the end of a path, if it is a date, a time or a number."""

    def build(kind: str) -> Reading | None:
        found = values_at(path, kind)
        end = None if found is None else found[1]
        if found is None or not (end == "decimal" or end in INTEGERS or end in TEMPORAL_TYPES):
            return None
        values, parse = found[0], TEMPORAL_TYPES.get(end)
        system = _number(end) if parse is None else _moment(parse)

        def read(raw: Any, _now: datetime | None) -> Any:
            items = values(raw)
            if items is ODD or len(items) > 1:
                return ODD
            return system(items[0]) if items else None

        def item(raw: Any, _now: datetime | None, root: Any) -> Any:
            items = values(raw)
            if items is ODD or len(items) > 1:
                return ODD
            return Node(items[0], end, None, root) if items else None

        key = only_key(path, kind)
        quick = read if key is None else _below(key, str if parse else Decimal, parse, read)
        return Reading(quick, item, is_number=parse is None)

    return ByType(build)


def _below(key: str, plain: type, parse: Callable[[Any], Any] | None, read: Read) -> Read:
    """The value under one key: at once where it is of the plain type, else by `read`."""
    extra = f"_{key}"

    def quick(raw: Any, now: datetime | None) -> Any:
        if type(raw) is dict and extra not in raw:
            value = raw.get(key)
            if value is None:
                return None
            if type(value) is plain:
                return value if parse is None else (parse(value) or ODD)
        return read(raw, now)

    return quick


def _moment(parse: Callable[[str], Any]) -> Callable[[Any], Any]:
    return lambda value: (parse(value) or ODD) if type(value) is str else ODD


def _number(kind: str | None) -> Callable[[Any], Any]:
    """From a JSON number to its System value."""
    is_decimal = kind == "decimal"

    def number(value: Any) -> Any:
        if type(value) is int:
            return Decimal(value) if is_decimal else value
        return value if type(value) is Decimal and is_decimal else ODD

    return number


def combined(left: Readings | None, right: Readings | None) -> Readings | None:
    """`left.combine(right)`, where at most one of them is there."""
    if left is None or right is None:
        return None

    def build(kind: str) -> Reading | None:
        one, other = left[kind], right[kind]
        if one is None or other is None:
            return None
        read, read_other = one.value, other.value
        make, make_other = one.item, other.item

        def value(raw: Any, now: datetime | None) -> Any:
            first, second = read(raw, now), read_other(raw, now)
            if second is None:
                return first
            return second if first is None else ODD

        def item(raw: Any, now: datetime | None, root: Any) -> Any:
            first, second = make(raw, now, root), make_other(raw, now, root)
            if second is None:
                return first
            return second if first is None else ODD

        return Reading(value, item, one.is_number and other.is_number)

    return ByType(build)


def chosen(fact: Fact, then: Readings, otherwise: Readings) -> Readings:
    """`iif(fact, then, otherwise)`."""

    def build(kind: str) -> Reading | None:
        test, one, other = fact.test(kind), then[kind], otherwise[kind]
        if test is None or one is None or other is None:
            return None
        read, read_other = one.value, other.value
        make, make_other = one.item, other.item

        def value(raw: Any, now: datetime | None) -> Any:
            verdict = test(raw)
            if verdict is ODD:
                return ODD
            return read(raw, now) if verdict is True else read_other(raw, now)

        def item(raw: Any, now: datetime | None, root: Any) -> Any:
            verdict = test(raw)
            if verdict is ODD:
                return ODD
            return make(raw, now, root) if verdict is True else make_other(raw, now, root)

        return Reading(value, item, one.is_number and other.is_number)

    return ByType(build)


def selected(path: Path, row: Readings) -> Readings:
    """`path.select(row)`, where there is one element at most."""

    def build(kind: str) -> Reading | None:
        found = values_at(path, kind)
        inner = None if found is None or found[1] is None else row[found[1]]
        if found is None or inner is None:
            return None
        values, read, make = found[0], inner.value, inner.item

        def value(raw: Any, now: datetime | None) -> Any:
            items = values(raw)
            if items is ODD or len(items) > 1:
                return ODD
            return read(items[0], now) if items else None

        def item(raw: Any, now: datetime | None, root: Any) -> Any:
            items = values(raw)
            if items is ODD or len(items) > 1:
                return ODD
            return make(items[0], now, root) if items else None

        return Reading(value, item, inner.is_number)

    return ByType(build)


def computed(
    readings: Readings | None, compute: Callable[[Any, datetime | None], Any]
) -> Readings | None:
    """What `compute` gives of the value and the moment: a System value or ODD; nothing of none."""
    if readings is None:
        return None

    def build(kind: str) -> Reading | None:
        inner = readings[kind]
        if inner is None:
            return None
        read = inner.value

        def value(raw: Any, now: datetime | None) -> Any:
            found = read(raw, now)
            return found if found is None or found is ODD else compute(found, now)

        return _computed(value)

    return ByType(build)


def calculated(
    left: Readings, right: Readings, operate: Callable[[list[Any], list[Any]], list[Any]]
) -> Readings:
    """Two numbers with an operator of arithmetic between them."""

    def build(kind: str) -> Reading | None:
        one, other = left[kind], right[kind]
        if one is None or other is None or not (one.is_number and other.is_number):
            return None
        read, read_other = one.value, other.value

        def value(raw: Any, now: datetime | None) -> Any:
            first, second = read(raw, now), read_other(raw, now)
            if first is ODD or second is ODD:
                return ODD
            if first is None or second is None:
                return None
            found = operate([first], [second])
            return found[0] if found else None

        return _computed(value, is_number=True)

    return ByType(build)


def compared(left: Readings, right: Readings, accept: Callable[[Any, Any], bool]) -> Fact:
    """Two numbers compared."""

    def build(kind: str) -> Test | None:
        one, other = left[kind], right[kind]
        if one is None or other is None or not (one.is_number and other.is_number):
            return None
        read, read_other = one.value, other.value

        def test(raw: Any) -> Any:
            first, second = read(raw, None), read_other(raw, None)
            if first is ODD or second is ODD:
                return ODD
            return None if first is None or second is None else accept(first, second)

        return test

    return Fact(build, is_costly=True)


def exists(readings: Readings, criterion: Fact | None) -> Fact:
    """`reading.exists()`, or `reading.exists(criterion)` of a number."""

    def build(kind: str) -> Test | None:
        reading = readings[kind]
        if reading is None or (criterion is not None and not reading.is_number):
            return None
        read = reading.value
        judge = None if criterion is None else criterion.test("decimal")
        if criterion is not None and judge is None:
            return None

        def test(raw: Any) -> Any:
            found = read(raw, None)
            if found is ODD or found is None:
                return ODD if found is ODD else False
            verdict = True if judge is None else judge(found)
            return ODD if verdict is ODD else verdict is True

        return test

    return Fact(build, is_costly=True)


def first_reading(readings: Readings, ordinary: Callable[..., list[Any]]) -> Any:
    """The closure that reads a single row, and evaluates what cannot be read."""

    def run(frame: Any, this: list[Any]) -> list[Any]:
        if len(this) == 1 and type(this) is list:
            row = this[0]
            if type(row) is Node and row.root is not None:
                reading = readings[row.type]
                if reading is not None:
                    found = reading.item(row.value, frame.evaluation.now, row.root)
                    if found is not ODD:
                        return [] if found is None else [found]
        return ordinary(frame, this)

    return run
