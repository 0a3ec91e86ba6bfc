"""Parts of an expression that ask the JSON of a row first, and are evaluated where that is odd."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_service.fhirpath.collection import Node
from cds_service.fhirpath.readings import first_reading
from cds_service.fhirpath.rows import ODD, values_at

if TYPE_CHECKING:
    from cds_service.fhirpath.code import Code, Run
    from cds_service.fhirpath.evaluation import Frame
    from cds_service.fhirpath.rows import Fact, Path, Values

_ANSWERS: dict[Any, list[Any]] = {True: [True], False: [False], None: []}


def from_json(code: Code) -> Code:
    """The same code, run on the JSON of a single row where that tells its value."""
    if code.remembered is not None:
        return code
    if code.path:
        return code.running(_navigated(code.path, code.run))
    if code.fact is not None:
        return code.running(_answered(code.fact, code.run))
    if code.reading is not None:
        return code.running(first_reading(code.reading, code.run))
    return code


def _answered(fact: Fact, ordinary: Run) -> Run:
    tests = fact.tests

    def run(frame: Frame, this: list[Any]) -> list[Any]:
        if len(this) == 1 and type(this) is list:
            row = this[0]
            if type(row) is Node and row.root is not None:
                test = tests[row.type]
                verdict = ODD if test is None else test(row.value)
                if verdict is not ODD:
                    return _ANSWERS[verdict]
        return ordinary(frame, this)

    return run


def _navigated(path: Path, ordinary: Run) -> Run:
    """The items at the end of a path, without items for the elements on the way."""
    ways: dict[str | None, tuple[Values, str | None] | None] = {None: None}

    def run(frame: Frame, this: list[Any]) -> list[Any]:
        if len(this) != 1 or type(this) is not list:
            return ordinary(frame, this)
        row = this[0]
        if type(row) is not Node or row.root is None:
            return ordinary(frame, this)
        kind = row.type
        if kind not in ways:
            ways[kind] = _way(path, kind)
        way = ways[kind]
        found = ODD if way is None else way[0](row.value)
        if way is None or found is ODD:
            return ordinary(frame, this)
        root, kind = row.root, way[1]
        if len(found) == 1:
            return [Node(found[0], kind, None, root)]
        return [Node(value, kind, None, root) for value in found] if found else []

    return run


def _way(path: Path, kind: str | None) -> tuple[Values, str | None] | None:
    """How to get to elements of one FHIR type; None where it takes an evaluation."""
    found = values_at(path, kind)
    if found is None or found[1] is None or found[1].startswith("System."):
        return None
    return found
