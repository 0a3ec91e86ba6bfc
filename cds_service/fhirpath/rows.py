"""What can be told of a row from its JSON alone: paths below it, and facts about it.

Most criteria of guidelines are of this kind (`status = 'final'`, `code.memberOf(...)`,
`code.coding.exists(system = ... and code = ...)`). They are run on the JSON itself, without an
item for every element on the way. Whatever is not plainly as FHIR has it (extensions of
primitives, text where an object belongs, several items where one is wanted) is ODD: the row is
then evaluated in the ordinary way, which alone knows about failures and unknowns.

A path or a fact is built for each type of row, at the first row of that type.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cds_service.fhirpath.model import ABSTRACT, ancestors, elements_of

if TYPE_CHECKING:
    from cds_service.fhirpath.definition import Directory, Membership
    from cds_service.fhirpath.model import TypeSpecifier

ODD: Final[Any] = object()
"""Only the ordinary evaluation can tell."""

NONE: Final[tuple[Any, ...]] = ()

Values = Callable[[Any], Any]
"""From the JSON of a row to the JSON values of a path below it, or ODD."""

Test = Callable[[Any], Any]
"""From the JSON of a row to True, False, None (empty) or ODD."""


@dataclass(frozen=True, slots=True)
class Member:
    """An element; of a choice only what is of the type `wanted`, if that is given."""

    name: str
    wanted: TypeSpecifier | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """`where()`: only the values of which the fact is true."""

    fact: Fact


Path = tuple[Member | Kept, ...]
"""The way from `$this` down; the empty path is `$this`."""


def of_type(path: Path | None, wanted: TypeSpecifier) -> Path | None:
    """The path `path.ofType(wanted)`, where that chooses among the types of a choice element."""
    last = path[-1] if path else None
    if path is None or not isinstance(last, Member) or last.wanted is not None:
        return None
    return (*path[:-1], Member(last.name, wanted))


@dataclass(frozen=True, slots=True, eq=False)
class Leading:
    """Membership of one of some value sets that a criterion starts with: `path.memberOf(test)`.

    `whole` says that the criterion is nothing else; `key` is the text of the path.
    """

    key: str
    path: Path
    tests: frozenset[Membership]
    whole: bool = True

    @property
    def directory(self) -> Directory | None:
        """Where all of the value sets can be found by their codes."""
        found = {getattr(test, "directory", None) for test in self.tests}
        return found.pop() if len(found) == 1 else None


def leading(path: Path, test: Membership) -> Leading | None:
    """`path.memberOf(test)`, if rows can be found by the codes at that path."""
    names = [step.name for step in path if isinstance(step, Member) and step.wanted is None]
    if not len(names) == len(path) > 0:
        return None
    return Leading(".".join(names), path, frozenset({test}))


def leading_to_any(alternatives: list[Leading | None]) -> Leading | None:
    """`or` between memberships at one path and nothing else."""
    tests: frozenset[Membership] = frozenset()
    first = alternatives[0]
    for item in alternatives:
        if first is None or item is None or not item.whole or item.path != first.path:
            return None
        tests |= item.tests
    return None if first is None else Leading(first.key, first.path, tests)


Built = TypeVar("Built")


class ByType(dict[str | None, Built | None]):
    """Something for each type of row, built when the first row of that type asks for it."""

    def __init__(self, build: Callable[[str], Built | None]) -> None:
        super().__init__({None: None})
        self._build = build

    def __missing__(self, kind: str) -> Built | None:
        found = self[kind] = self._build(kind)
        return found


class Fact:
    """A criterion that needs nothing but the JSON of the row.

    A costly one is better remembered for each row than told again.
    """

    __slots__ = ("is_costly", "tests")

    def __init__(self, build: Callable[[str], Test | None], *, is_costly: bool = False) -> None:
        self.tests: ByType[Test] = ByType(build)
        self.is_costly = is_costly

    def test(self, kind: str | None) -> Test | None:
        """The test for rows of this type; None when it has to be evaluated."""
        return self.tests[kind]


def values_at(path: Path, kind: str | None) -> tuple[Values, str | None] | None:
    """How to get from a row of type `kind` to the values of a path, and their type.

    None where the path cannot be followed in JSON; a type of None means one of several.
    """
    values: Values = _itself
    keys: list[str] = []
    for step in path:
        if kind is None:
            return None
        if isinstance(step, Kept):
            test = step.fact.test(kind)
            if test is None:
                return None
            values, keys = _kept(_chained(values, _along(keys)), test), []
            continue
        found = _json_keys(kind, step)
        if found is None:
            return None
        if len(found) == 1:
            keys.append(found[0][0])
            kind = found[0][1]
        else:
            choice = _either([_along([key]) for key, _ in found])
            values, keys = _chained(_chained(values, _along(keys)), choice), []
            kind = None
    return _chained(values, _along(keys)), kind


def only_key(path: Path, kind: str) -> str | None:
    """The one JSON key that the path is, None when it is more or less."""
    step = path[0] if len(path) == 1 else None
    found = _json_keys(kind, step) if isinstance(step, Member) else None
    return found[0][0] if found is not None and len(found) == 1 else None


def _itself(raw: Any) -> Any:
    return (raw,)


def _json_keys(kind: str, member: Member) -> tuple[tuple[str, str], ...] | None:
    """The JSON keys of an element and their types; None where it has to be evaluated."""
    element = elements_of(kind).get(member.name)
    if element is None or ABSTRACT & set(element.types):
        return None
    if member.wanted is None:
        return element.choices or ((member.name, element.types[0]),)
    wanted = member.wanted
    return tuple(choice for choice in element.choices if _is_kind(choice[1], wanted)) or None


def _is_kind(kind: str, wanted: TypeSpecifier) -> bool:
    return wanted.namespace != "System" and wanted.name in ancestors(kind)


def _below(key: str) -> Values:
    """The values under one JSON key; null is nothing."""
    extra = f"_{key}"

    def read(raw: Any) -> Any:
        if type(raw) is not dict or extra in raw:
            return ODD
        value = raw.get(key)
        if value is None:
            return NONE
        if type(value) is not list:
            return (value,)
        return [part for part in value if part is not None] if None in value else value

    return read


def _along(keys: list[str]) -> Values:
    """The values under one JSON key after the other."""
    if not keys:
        return _itself
    return _below(keys[0]) if len(keys) == 1 else _far_below(keys)


def _far_below(keys: list[str]) -> Values:
    steps = [(key, f"_{key}", _below(key)) for key in keys]

    def read(raw: Any) -> Any:
        found: Any = (raw,)
        for key, extra, reader in steps:
            if len(found) != 1:
                found = _gathered(reader, found)
                if found is ODD:
                    return ODD
                continue
            item = found[0]
            if type(item) is not dict or extra in item:
                return ODD
            value = item.get(key)
            if value is None:
                found = NONE
            elif type(value) is not list:
                found = (value,)
            else:
                found = [part for part in value if part is not None] if None in value else value
        return found

    return read


def _either(readers: list[Values]) -> Values:
    def read(raw: Any) -> Any:
        out: list[Any] = []
        for reader in readers:
            found = reader(raw)
            if found is ODD:
                return ODD
            out.extend(found)
        return out

    return read


def _chained(first: Values, second: Values) -> Values:
    if first is _itself or second is _itself:
        return first if second is _itself else second

    def read(raw: Any) -> Any:
        found = first(raw)
        if found is ODD or len(found) == 1:
            return ODD if found is ODD else second(found[0])
        return _gathered(second, found)

    return read


def _gathered(reader: Values, values: Any) -> Any:
    out: list[Any] = []
    for value in values:
        found = reader(value)
        if found is ODD:
            return ODD
        out.extend(found)
    return out


def _kept(values: Values, test: Test) -> Values:
    def read(raw: Any) -> Any:
        found = values(raw)
        if found is ODD:
            return ODD
        out: list[Any] = []
        for value in found:
            verdict = test(value)
            if verdict is ODD:
                return ODD
            if verdict:
                out.append(value)
        return out

    return read
