"""Codes of value sets, made for look-up: is a code in a set, and which sets is a code in.

No ValueSet is read here; `terminology` does that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, TypeAlias

Coding: TypeAlias = tuple[str | None, str]
"""System and code."""
Matcher: TypeAlias = Callable[[str | None, str], bool]
"""Answers whether (system, code) is a member; a code without a system is in no set."""
Spellings: TypeAlias = Mapping[str, tuple[str, ...]]
"""For each URI of a known code system all URIs of it."""
_Roots: TypeAlias = "dict[str, dict[int, dict[str, list[CodeTable]]]]"


class CodeTable:
    """Codes of one or more concept sets: those listed, and the roots of those meant with all below.

    A root is compared without dots with the first letters of a code of its own system.
    `directory` is the one that the table was entered in, None before.
    """

    __slots__ = ("_spellings", "codes", "directory", "roots")

    def __init__(self, spellings: Spellings) -> None:
        self._spellings = spellings
        self.codes: set[tuple[str, str]] = set()
        self.roots: dict[str, dict[int, set[str]]] = {}
        self.directory: CodeDirectory | None = None

    def __bool__(self) -> bool:
        return bool(self.codes or self.roots)

    def __call__(self, system: str | None, code: str) -> bool:
        """Whether the code is listed, or below a root of its system."""
        if (system, code) in self.codes:
            return True
        by_length = None if system is None else self.roots.get(system)
        if by_length is None:
            return False
        bare = code.replace(".", "")
        for length, roots in by_length.items():  # noqa: SIM110 - asked for every set and code
            if bare[:length] in roots:
                return True
        return False

    def among(self, codes: AbstractSet[Coding]) -> AbstractSet[Coding]:
        """Those of the codes that are members."""
        found = codes & self.codes
        roots = self.roots
        if roots:
            for coding in codes:
                if coding[0] in roots and self(*coding):
                    found |= {coding}
        return found

    def add_code(self, system: str, code: str) -> None:
        """Adds one code, under every URI of its system."""
        self.codes.update((uri, code) for uri in self._spellings.get(system, (system,)))

    def add_root(self, system: str, code: str) -> None:
        """Adds a code with everything below it, under every URI of its system."""
        bare = code.replace(".", "")
        for uri in self._spellings.get(system, (system,)):
            self.roots.setdefault(uri, {}).setdefault(len(bare), set()).add(bare)

    def add(self, other: CodeTable) -> None:
        """Adds all of another table."""
        self.codes |= other.codes
        for uri, by_length in other.roots.items():
            for roots in by_length.values():
                for root in roots:
                    self.add_root(uri, root)


class CodeDirectory:
    """All tables of one load, by their codes: one look-up instead of a question to each of them.

    Matchers that are no tables are not in it.
    """

    __slots__ = ("_codes", "_roots")

    def __init__(self, matchers: Iterable[Matcher]) -> None:
        self._codes: dict[Coding, list[CodeTable]] = {}
        self._roots: _Roots = {}
        for matcher in matchers:
            if isinstance(matcher, CodeTable):
                self._enter(matcher)

    def _enter(self, table: CodeTable) -> None:
        table.directory = self
        for coding in table.codes:
            self._codes.setdefault(coding, []).append(table)
        for uri, by_length in table.roots.items():
            for length, roots in by_length.items():
                place = self._roots.setdefault(uri, {}).setdefault(length, {})
                for root in roots:
                    place.setdefault(root, []).append(table)

    def tables_with(self, coding: Coding) -> list[CodeTable]:
        """The tables that hold this code; one that holds it twice may come twice."""
        found = self._codes.get(coding, [])
        system, code = coding
        by_length = None if system is None else self._roots.get(system)
        if by_length is not None:
            bare = code.replace(".", "")
            for length, roots in by_length.items():
                more = roots.get(bare[:length])
                if more is not None:
                    found = [*found, *more]
        return found


def listed(spellings: Spellings, concepts: Iterable[Mapping[str, Any]]) -> list[Matcher]:
    """A test for listed codes; no test at all when the list is empty."""
    table = CodeTable(spellings)
    for concept in concepts:
        table.add_code(concept["system"], concept["code"])
    return [table] if table else []


def union(spellings: Spellings, concept_sets: list[list[Matcher]]) -> Matcher:
    """Member of at least one concept set; those that are plain tables become one table."""
    table = CodeTable(spellings)
    others: list[list[Matcher]] = []
    for tests in concept_sets:
        if len(tests) == 1 and isinstance(tests[0], CodeTable):
            table.add(tests[0])
        else:
            others.append(tests)
    if not others:
        return table
    return lambda system, code: (
        table(system, code) or any(all(test(system, code) for test in tests) for tests in others)
    )
