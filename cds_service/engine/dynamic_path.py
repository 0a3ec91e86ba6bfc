"""The path of a dynamic value: the simple subset of FHIRPath, as steps.

Names, constant indexes, `extension('url')` and `ofType(type)`; `value[x]` is `value`. Source: FHIR
R4, PlanDefinition.action.dynamicValue.path.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from cds_service.errors import EvaluationError, ExpressionError
from cds_service.fhirpath.parser import parse
from cds_service.fhirpath.syntax import (
    Call,
    Index,
    Literal,
    Member,
    Path,
    Syntax,
    Variable,
    type_name_of,
)

_OF_ACTION = ("action.", "%action.")


@dataclass(frozen=True, slots=True)
class Step:
    """One step: an element, perhaps one of several or of one type; or the extension of a URL."""

    name: str
    index: int | None = None
    of_type: str | None = None
    url: str | None = None


def is_of_action(path: str) -> bool:
    """Whether the path names the request action rather than its resource."""
    return path.startswith(_OF_ACTION)


@lru_cache(maxsize=512)
def steps_of(path: str, resource_type: str) -> tuple[Step, ...]:
    """The steps of a path from the target on; a name of the target itself is left out.

    EvaluationError for anything that is not of the simple subset.
    """
    try:
        tree = parse(path.replace("[x]", ""))
    except ExpressionError as error:
        raise _not_a_path(path) from error
    steps = _flat(tree, path)
    roots = {"%resource", resource_type, *(name.rstrip(".") for name in _OF_ACTION)}
    if len(steps) > 1 and steps[0] == Step(steps[0].name) and steps[0].name in roots:
        steps = steps[1:]
    if any(step.name.startswith("%") for step in steps):
        raise _not_a_path(path)
    return steps


def _flat(node: Syntax, path: str) -> tuple[Step, ...]:
    match node:
        case Variable():
            return (Step(f"%{node.name}"),)
        case Member():
            return (Step(node.name),)
        case Path():
            return _followed(_flat(node.left, path), node.right, path)
        case Index(index=Literal(values=(int() as position,))):
            *before, last = _flat(node.left, path)
            if last.index is None and not isinstance(position, bool):
                return (*before, replace(last, index=position))
        case Call():
            return _followed((), node, path)
    raise _not_a_path(path)


def _followed(steps: tuple[Step, ...], right: Syntax, path: str) -> tuple[Step, ...]:
    match right:
        case Member():
            return (*steps, Step(right.name))
        case Call(name="extension", arguments=(Literal(values=(str() as url,)),)):
            return (*steps, Step("extension", url=url))
        case Call(name="ofType", arguments=(named,)) if steps and type_name_of(named):
            kind = str(type_name_of(named)).removeprefix("FHIR.")
            return (*steps[:-1], replace(steps[-1], of_type=kind))
    raise _not_a_path(path)


def _not_a_path(path: str) -> EvaluationError:
    return EvaluationError(
        f"'{path}' is not a path that a dynamic value can set",
        hint="use names, indexes, extension('url') and ofType(type)",
    )
