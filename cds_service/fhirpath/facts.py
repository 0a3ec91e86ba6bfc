"""Facts: criteria that nothing but the JSON of a row decides, and how they are put together."""

from __future__ import annotations

from itertools import groupby
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

        key = only_key(path[:1], kind)
        return test if key is None else _unless_absent(key, test, negated=negated)

    return Fact(build)


def _unless_absent(key: str, test: Test, *, negated: bool) -> Test:
    """Whether there is something below a key: at once where the key is not there."""
    extra = f"_{key}"

    def quick(raw: Any) -> Any:
        if type(raw) is dict and key not in raw and extra not in raw:
            return negated
        return test(raw)

    return quick


class MemberOf(Fact):
    """`path.memberOf(valueSet)`."""

    __slots__ = ("member", "path")

    def __init__(self, path: Path, member: Membership) -> None:
        super().__init__(self._build)
        self.path = path
        self.member = member

    def codings(self, kind: str) -> Values | None:
        """From a row to the codings at the path."""
        found = values_at(self.path, kind)
        return None if found is None else codings_at(self.path, kind, found[0])

    def _build(self, kind: str) -> Test | None:
        codings_in, member = self.codings(kind), self.member
        if codings_in is None:
            return None

        def test(raw: Any) -> Any:
            codings = codings_in(raw)
            if codings is ODD or codings is None:
                return codings
            for system, code in codings:  # noqa: SIM110 - a loop needs no generator per row
                if member(system, code):
                    return True
            return False

        return test


class Coded(Fact):
    """`first and rest`, where the first is membership of a value set."""

    __slots__ = ("first", "rest")

    def __init__(self, first: MemberOf, rest: Fact) -> None:
        super().__init__(self._build, is_costly=rest.is_costly)
        self.first = first
        self.rest = rest

    def _build(self, kind: str) -> Test | None:
        first, rest = self.first.test(kind), self.rest.test(kind)
        return None if first is None or rest is None else _both(first, rest)


def _both(first: Test, rest: Test) -> Test:
    """`and` of two, without a loop."""

    def test(raw: Any) -> Any:
        verdict = first(raw)
        if verdict is False or verdict is ODD:
            return verdict
        other = rest(raw)
        return None if verdict is None and other is True else other

    return test


def _by_code(facts: list[Coded], kind: str) -> Test | None:
    """`or` between criteria that start with the code at one path, which is read once for all."""
    codings_in = facts[0].first.codings(kind)
    tests = [test for test in (fact.test(kind) for fact in facts) if test is not None]
    rests = [test for test in (fact.rest.test(kind) for fact in facts) if test is not None]
    if codings_in is None or not len(tests) == len(rests) == len(facts):
        return None
    alternatives = list(zip((fact.first.member for fact in facts), rests, strict=True))
    ordinary = _any_or_all(tests, decisive=True)

    def test(raw: Any) -> Any:
        codings = codings_in(raw)
        if codings is ODD or codings is None or len(codings) != 1:
            return ordinary(raw)
        system, code = codings[0]
        answer: Any = False
        for member, rest in alternatives:
            if member(system, code):
                verdict = rest(raw)
                if verdict is True or verdict is ODD:
                    return verdict
                if verdict is None:
                    answer = None
        return answer

    return test


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
    together = _together(facts) if decisive else _coded(facts)
    if together is not None:
        return together

    def build(kind: str) -> Test | None:
        tests = _tests(facts, kind, are_alternatives=decisive)
        return None if tests is None else _any_or_all(tests, decisive=decisive)

    return Fact(build, is_costly=any(fact.is_costly for fact in facts))


def _coded(facts: list[Fact]) -> Fact | None:
    """`and` that starts with membership of a value set."""
    first = facts[0]
    if not isinstance(first, MemberOf) or len(facts) < 2:
        return None
    return Coded(first, facts[1] if len(facts) == 2 else settled(facts[1:], decisive=False))


def _tests(facts: list[Fact], kind: str, *, are_alternatives: bool) -> list[Test] | None:
    """The tests of all facts, one for alternatives in a row that ask the code at one path."""
    tests: list[Test] = []
    for path, group in groupby(facts, key=_coded_path):
        found = list(group)
        coded = [fact for fact in found if isinstance(fact, Coded)]
        if are_alternatives and path is not None and len(coded) > 1:
            built = [_by_code(coded, kind)]
        else:
            built = [fact.test(kind) for fact in found]
        tests += [test for test in built if test is not None]
        if None in built:
            return None
    return tests


def _coded_path(fact: Fact) -> Path | None:
    return fact.first.path if isinstance(fact, Coded) else None


def _any_or_all(tests: list[Test], *, decisive: bool) -> Test:
    if not decisive and len(tests) == 2:
        return _both(*tests)

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
