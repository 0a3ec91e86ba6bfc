"""Rows by code: which rows of a collection can be in a value set, without asking each of them.

`%obs.where(code.memberOf('X'))` stands in a guideline dozens of times. The codes of a collection
are collected once per request, a directory of value sets says for each distinct code which of them
it is in, and each `where` then looks at the rows that it can be true of. A value set that no code
of the chart is in costs one look-up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from cds_service.fhirpath.collection import Node
from cds_service.fhirpath.facts import codings_at
from cds_service.fhirpath.rows import NONE, ODD, ByType, only_key, values_at

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, KeysView

    from cds_service.fhirpath.definition import Directory, Membership
    from cds_service.fhirpath.rows import Leading, Path, Values

Coding: TypeAlias = "tuple[str | None, str]"
"""System and code."""


class CodeIndex:
    """The rows of one collection by the codes at one path below them.

    `uncoded` are the rows without a code, of which membership is empty; `odd` those that have to
    be evaluated to know. Where there are neither, `directory` is the one whose tests are all in
    `passed`, and in the set `passing`, that any row passes.
    """

    __slots__ = (
        "_by_code", "_doubtful", "_found", "_known", "directory", "items", "odd", "passed",
        "passing", "uncoded",
    )  # fmt: skip

    def __init__(self, items: list[Any], path: Path, directory: Directory | None = None) -> None:
        self.items = items
        self.uncoded: list[int] = []
        self.odd: list[int] = []
        self.passed: dict[Membership, list[Coding]] = {}
        self._by_code: dict[Coding, list[int]] = {}
        self._found: dict[frozenset[Membership], list[int]] = {}
        self._collect(path)
        self._doubtful = [*self.odd, *self.uncoded]
        self._known = directory
        self.directory = None if self._doubtful else directory
        if directory is not None:
            for coding in self._by_code:
                for test in directory.tables_with(coding):
                    self.passed.setdefault(test, []).append(coding)
        self.passing = frozenset(self.passed)

    def _collect(self, path: Path) -> None:
        kind, key, extra = None, None, None
        by_code, readers = self._by_code, _readers(path)
        for position, item in enumerate(self.items):
            if type(item) is not Node or item.root is None:
                self.odd.append(position)
                continue
            if item.type != kind:
                kind = item.type
                key = None if kind is None else only_key(path, kind)
                extra = f"_{key}"
            raw = item.value
            try:  # most rows have one plain coding, which a row before them had as well
                concept = raw[key]
                (coding,) = concept["coding"]
                rows = by_code[coding["system"], coding["code"]]
                is_plain = extra not in raw and "code" not in concept
            except (KeyError, TypeError, ValueError):
                is_plain = False
            if is_plain:
                rows.append(position)
            else:
                self._enter(position, readers[kind], raw)

    def _enter(self, position: int, reader: Values | None, raw: Any) -> None:
        codings = ODD if reader is None else reader(raw)
        if codings is ODD:
            self.odd.append(position)
        elif codings is None:
            self.uncoded.append(position)
        else:
            for coding in codings:
                self._by_code.setdefault(coding, []).append(position)

    def _positions(self, codes: Collection[Coding]) -> list[int]:
        lists = [self._by_code[code] for code in codes]
        if len(lists) == 1:
            return list(dict.fromkeys(lists[0]))
        return sorted({position for rows in lists for position in rows})

    def candidates(self, leading: Leading) -> list[int]:
        """The positions of the rows that a criterion may be something else than false of."""
        found = self._found.get(leading.tests)
        if found is None:
            is_known = self._known is not None and leading.directory is self._known
            codes: set[Coding] = set()
            for test in leading.tests:
                codes.update(
                    self.passed.get(test, NONE) if is_known else _among(test, self._by_code.keys())
                )
            found = self._found[leading.tests] = self._positions(codes) if codes else []
        more = self.odd if leading.whole else self._doubtful
        return sorted([*found, *more]) if more else found


def _readers(path: Path) -> ByType[Values]:
    """For each type of row, how to get to the codings at the path."""

    def build(kind: str) -> Values | None:
        found = values_at(path, kind)
        return None if found is None else codings_at(path, kind, found[0])

    return ByType(build)


def _among(test: Membership, codes: KeysView[Coding]) -> Collection[Coding]:
    """Those of the codes that are members."""
    together: Callable[[KeysView[Coding]], Collection[Coding]] | None = getattr(test, "among", None)
    if together is not None:
        return together(codes)
    return [(system, code) for system, code in codes if test(system, code)]


NO_ROWS = CodeIndex([], ())
"""The index of a collection without rows."""
