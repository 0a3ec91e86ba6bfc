"""Types (section 6.3): is, as, ofType, type() over System and FHIR types."""

from __future__ import annotations

from typing import Any

from cds_service.errors import EvaluationError
from cds_service.fhirpath.code import Code, Compiling, Scope, Site
from cds_service.fhirpath.collection import Incomplete, Node, system_type, system_value
from cds_service.fhirpath.evaluation import Frame, unknown
from cds_service.fhirpath.functions.registry import BOOLEAN, Table, merged, over_collections
from cds_service.fhirpath.model import (
    TypeSpecifier,
    ancestors,
    static_types,
    type_specifier,
    unknown_type_hint,
)
from cds_service.fhirpath.rows import of_type
from cds_service.fhirpath.syntax import Syntax, type_name_of

TABLE = Table()


def specifier(name: str, node: Syntax, scope: Scope) -> TypeSpecifier:
    """The type that a name denotes; ExpressionError with close matches when there is none."""
    found = type_specifier(name)
    if found is None:
        raise scope.error(node, f"unknown type '{name}'", unknown_type_hint(name))
    return found


def is_of(item: Any, wanted: TypeSpecifier) -> bool:
    """Whether an item is of a type, or of a kind of it."""
    if type(item) is Node and item.type is not None:
        return wanted.namespace != "System" and wanted.name in ancestors(item.type)
    if wanted.namespace == "FHIR":
        return False
    value = system_value(item)
    return not isinstance(value, Node) and wanted.name in {system_type(value), "Any"}


def type_test(operator: str, operand: Code, wanted: TypeSpecifier) -> Code:
    """The code of `is`, `as` and `ofType`."""
    build = {"is": _is, "as": _as, "ofType": _of_type}[operator]
    types = BOOLEAN if operator == "is" else static_types(wanted)
    path = of_type(operand.path, wanted) if operator == "ofType" else None
    return Code(build(operand, wanted), types, **merged(operand), path=path)


def _is(operand: Code, wanted: TypeSpecifier) -> Any:
    source = operand.run

    def run(frame: Frame, this: list[Any]) -> list[Any]:
        items = source(frame, this)
        if type(items) is not list:
            return unknown()
        _single("is", items)
        return [is_of(items[0], wanted)] if items else []

    return run


def _as(operand: Code, wanted: TypeSpecifier) -> Any:
    source = operand.run

    def run(frame: Frame, this: list[Any]) -> list[Any]:
        items = source(frame, this)
        if type(items) is not list:
            return unknown()
        _single("as", items)
        return items if items and is_of(items[0], wanted) else []

    return run


def _of_type(operand: Code, wanted: TypeSpecifier) -> Any:
    source = operand.run

    def run(frame: Frame, this: list[Any]) -> list[Any]:
        items = source(frame, this)
        out = [item for item in items if is_of(item, wanted)]
        return out if type(items) is list else Incomplete(out)

    return run


def _single(operator: str, items: list[Any]) -> None:
    if len(items) > 1:
        raise EvaluationError(
            f"'{operator}' works on a single item, found {len(items)}",
            code="not-a-singleton",
            hint="use ofType(...) to filter a collection",
        )


def _build(compiler: Compiling, site: Site) -> Code:
    del compiler
    node = site.call.arguments[0]
    name = type_name_of(node)
    if name is None:
        raise site.scope.error(node, f"{site.call.name}() needs the name of a type")
    return type_test(site.call.name, site.receiver, specifier(name, node, site.scope))


def types_of(items: list[Any]) -> list[Any]:
    """`type()` (6.3.5): namespace and name of the type of each item."""
    out: list[Any] = []
    for item in items:
        if type(item) is Node and item.type is not None:
            info = {"namespace": "FHIR", "name": item.type}
        else:
            value = system_value(item)
            name = "Element" if isinstance(value, Node) else system_type(value)
            info = {"namespace": "System", "name": name}
        out.append(Node(info, None))
    return out if type(items) is list else Incomplete(out)


for _name in ("is", "as", "ofType"):
    TABLE.declare(_name, _build, arity=(1, 1), section="6.3")
TABLE.declare("type", over_collections(types_of), arity=(0, 0), section="6.3.5")
