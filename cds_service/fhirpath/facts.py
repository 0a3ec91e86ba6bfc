"""Facts: criteria that nothing but the JSON of a row decides, and how they are put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_service.fhirpath.collection import TEMPORAL_TYPES
from cds_service.fhirpath.rows import NONE, ODD, Fact, Test, only_key, values_at

if TYPE_CHECKING:
    from cds_service.fhirpath.definition import Membership
    from cds_service.fhirpath.rows import Path, Values


class OneOf(Fact):
    """`path = constant`, or several of that with `or` between: strings, or booleans."""

    __slots__ = ("constants", "path", "wanted")

    def __init__(self, path: Path, constants: frozenset[Any], wanted: type) -> None:
        super().__init__(self._build)
        self.path = path
        self.constants = constants
        self.wanted = wanted

    def _build(self, kind: str) -> Test | None:
        found = values_at(self.path, kind)
        if found is None or found[1] is None or found[1] in TEMPORAL_TYPES:
            return None
        values, constants, wanted = found[0], self.constants, self.wanted

        def test(raw: Any) -> Any:
            items = values(raw)
            if items is ODD:
                return ODD
            if len(items) != 1:
                return False if items else None
            item = items[0]
            return item in constants if type(item) is wanted else ODD

        key = only_key(self.path, kind)
        return test if key is None else _one_below(key, constants, wanted, test)


def _one_below(key: str, constants: frozenset[Any], wanted: type, test: Test) -> Test:
    """The value under one key compared: at once where it is of that type, else by `test`."""
    extra = f"_{key}"

    def quick(raw: Any) -> Any:
        if type(raw) is dict and extra not in raw:
            value = raw.get(key)
            if type(value) is wanted:
                return value in constants
        return test(raw)

    return quick


def equals(path: Path, constant: Any) -> Fact | None:
    """`path = constant` for a string or boolean."""
    kind = type(constant)
    return OneOf(path, frozenset({constant}), kind) if kind in {str, bool} else None


def _together(facts: list[Fact]) -> Fact | None:
    """What `or` between comparisons of the same path is; None when they are anything else."""
    first = facts[0]
    if not isinstance(first, OneOf):
        return None
    constants: frozenset[Any] = frozenset()
    for fact in facts:
        if not isinstance(fact, OneOf) or fact.path != first.path or fact.wanted != first.wanted:
            return None
        constants |= fact.constants
    return OneOf(first.path, constants, first.wanted)


def exists(path: Path, *, negated: bool = False) -> Fact:
    """`path.exists()`, or `path.empty()`."""

    def build(kind: str) -> Test | None:
        found = values_at(path, kind)
        if found is None:
            return None
        values = found[0]

        def test(raw: Any) -> Any:
            items = values(raw)
            return ODD if items is ODD else bool(items) is not negated

        return test

    return Fact(build)


def member_of(path: Path, member: Membership) -> Fact:
    """`path.memberOf(valueSet)`."""

    def build(kind: str) -> Test | None:
        found = values_at(path, kind)
        if found is None:
            return None
        codings_in = codings_at(path, kind, found[0])

        def test(raw: Any) -> Any:
            codings = codings_in(raw)
            if codings is ODD or codings is None:
                return codings
            for system, code in codings:  # noqa: SIM110 - a loop needs no generator per row
                if member(system, code):
                    return True
            return False

        return test

    return Fact(build)


def codings_at(path: Path, kind: str | None, values: Values) -> Values:
    """From a row to the codings at a path: at once where they are one plain CodeableConcept."""
    key = None if kind is None else only_key(path, kind)
    if key is None:
        return lambda raw: codings_of(values(raw))
    extra = f"_{key}"

    def quick(raw: Any) -> Any:
        try:  # what is no object, or no list of one, says so itself
            concept = raw[key]
            (coding,) = concept["coding"]
            system, code = coding["system"], coding["code"]
        except (KeyError, TypeError, ValueError):
            return codings_of(values(raw))
        is_plain = type(code) is str and type(system) is str
        if is_plain and extra not in raw and "code" not in concept:
            return ((system, code),)
        return codings_of(values(raw))

    return quick


def codings_of(items: Any) -> Any:
    """The (system, code) pairs of a single code, Coding or CodeableConcept; None for no item.

    What is not an object with a code is no coding; more than one item is ODD.
    """
    if items is ODD or len(items) > 1:
        return ODD
    if not items:
        return None
    value = items[0]
    if type(value) is str:
        return [(None, value)]
    if type(value) is not dict:
        return ODD
    codings = [value] if "code" in value else value.get("coding", NONE)
    if type(codings) is not list:
        return codings if codings is NONE else ODD
    out: list[tuple[str | None, str]] = []
    for coding in codings:  # a loop, as a comprehension costs a call more for each row
        if type(coding) is dict and type(code := coding.get("code")) is str:
            system = coding.get("system")
            out.append((system if type(system) is str else None, code))
    return out


def negation(fact: Fact) -> Fact:
    """`fact.not()`."""

    def build(kind: str) -> Test | None:
        test = fact.test(kind)
        if test is None:
            return None

        def opposite(raw: Any) -> Any:
            verdict = test(raw)
            return verdict if verdict is None or verdict is ODD else not verdict

        return opposite

    return Fact(build, is_costly=fact.is_costly)


def settled(facts: list[Fact], *, decisive: bool) -> Fact:
    """`and` (False decides) or `or` (True decides) of facts, from left to right."""
    together = _together(facts) if decisive else None
    if together is not None:
        return together

    def build(kind: str) -> Test | None:
        tests = [test for test in (fact.test(kind) for fact in facts) if test is not None]
        if len(tests) < len(facts):
            return None

        if len(tests) == 2:
            return _settled_pair(*tests, decisive=decisive)
        return _settled_tests(tests, decisive=decisive)

    return Fact(build, is_costly=any(fact.is_costly for fact in facts))


def _settled_tests(tests: list[Test], *, decisive: bool) -> Test:
    def test(raw: Any) -> Any:
        answer: Any = not decisive
        for part in tests:
            verdict = part(raw)
            if verdict is decisive or verdict is ODD:
                return verdict
            if verdict is None:
                answer = None
        return answer

    return test


def _settled_pair(first: Test, second: Test, *, decisive: bool) -> Test:
    """The same of two, as most are, without a loop."""

    def test(raw: Any) -> Any:
        verdict = first(raw)
        if verdict is decisive or verdict is ODD:
            return verdict
        other = second(raw)
        if verdict is None and other is not decisive and other is not ODD:
            return None
        return other

    return test
