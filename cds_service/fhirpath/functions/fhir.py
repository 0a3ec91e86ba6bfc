"""FHIR's own functions: extension, hasValue, resolve, memberOf, conformsTo; and tree navigation.

A reference that is not at hand and a value set that is not loaded are never just "no".
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cds_service.errors import EvaluationError, did_you_mean
from cds_service.fhirpath import facts, rows
from cds_service.fhirpath.code import Code, Compiling, Scope, Site
from cds_service.fhirpath.collection import (
    UNKNOWN,
    Incomplete,
    Node,
    describe,
    scalar,
    system_value,
)
from cds_service.fhirpath.evaluation import Frame, unknown
from cds_service.fhirpath.expansion import origin
from cds_service.fhirpath.functions.registry import (
    BOOLEAN,
    Table,
    merged,
    over_collections,
    over_values,
    with_frame,
)
from cds_service.fhirpath.model import ancestors, is_fhir_type
from cds_service.fhirpath.temporal import Temporal

if TYPE_CHECKING:
    from cds_service.fhirpath.definition import Membership
    from cds_service.fhirpath.syntax import Syntax

TABLE = Table()
_BASE = "http://hl7.org/fhir/StructureDefinition/"
_SCRIPT = re.compile(
    r"<\s*(?:script|iframe|form|input|object|embed|base|link)\b|\son\w+\s*=", re.IGNORECASE
)


def children(items: list[Any]) -> list[Any]:
    """`children()` (5.8.1): all direct elements."""
    out = [child for item in items if type(item) is Node for child in item.all_children()]
    return out if type(items) is list else Incomplete(out)


def descendants(frame: Frame, items: list[Any]) -> list[Any]:
    """`descendants()` (5.8.2): all elements below, level by level."""
    out: list[Any] = []
    layer = children(items)
    while layer:
        out.extend(layer)
        frame.evaluation.budget.charge(len(out))
        layer = children(layer)
    return out if type(items) is list else Incomplete(out)


def extension(items: list[Any], url: list[Any]) -> list[Any]:
    """`extension(url)`: the extensions with this url, of elements and primitives."""
    wanted = scalar(url)
    if wanted is UNKNOWN:
        return unknown()
    found: list[Any] = []
    for item in items:
        if type(item) is Node:
            item.add_children("extension", found)
    out = [node for node in found if type(node) is Node and node.value.get("url") == wanted]
    return out if type(items) is list else Incomplete(out)


def has_value(items: list[Any]) -> list[Any]:
    """`hasValue()`: whether this is a single primitive with a value."""
    if type(items) is not list:
        return unknown()
    return [len(items) == 1 and _has_value(items[0])]


def _has_value(item: Any) -> bool:
    if type(item) is Node:
        return item.value is not None and not isinstance(item.value, dict)
    return isinstance(item, str | int | Decimal | Temporal)


def get_value(items: list[Any]) -> list[Any]:
    """`getValue()`: the System value of a single primitive."""
    if type(items) is not list:
        return unknown()
    if len(items) != 1 or not _has_value(items[0]):
        return []
    return [system_value(items[0])]


def resolve(frame: Frame, items: list[Any]) -> list[Any]:
    """`resolve()`: the resources behind references; one that is not at hand is unknown."""
    complete = type(items) is list
    out: list[Any] = []
    for item in items:
        reference = _reference(item)
        root = item.root if type(item) is Node else None
        node = None if reference is None else frame.evaluation.resolved(reference, root)
        if node is None:
            complete = False
        else:
            out.append(node)
    return out if complete else Incomplete(out)


def _reference(item: Any) -> str | None:
    value = item.value if type(item) is Node else item
    if isinstance(value, dict):
        value = value.get("reference")
    return value if isinstance(value, str) else None


def conforms_to(value: Any, url: Any) -> bool:
    """`conformsTo(structure)`: for the base types of FHIR only."""
    name = str(url).removeprefix(_BASE)
    if not isinstance(url, str) or not url.startswith(_BASE) or not is_fhir_type(name):
        raise EvaluationError(
            f"conformsTo() knows the base types of FHIR R4 only, not '{url}'",
            code="unknown-profile",
        )
    return isinstance(value, Node) and value.type is not None and name in ancestors(value.type)


def html_checks(value: Any) -> bool:
    """`htmlChecks()`: whether an xhtml narrative is free of active content."""
    return isinstance(value, str) and _SCRIPT.search(value) is None


def _build_member_of(compiler: Compiling, site: Site) -> Code:
    """`memberOf(valueSet)`: any coding of a concept, a Coding, or a bare code."""
    node = site.call.arguments[0]
    argument = compiler.operand(node, site.scope)
    source, names = site.receiver.run, site.scope.names
    dependencies = merged(site.receiver, argument)
    if argument.constant is not None:
        test = _known_value_set(argument.constant, node, site.scope)

        def run_constant(frame: Frame, this: list[Any]) -> list[Any]:
            return member_of(source(frame, this), test)

        path = site.receiver.path
        return Code(
            run_constant,
            BOOLEAN,
            **dependencies,
            fact=None if path is None else facts.MemberOf(path, test),
            leading=None if path is None else rows.leading(path, test),
        )

    def run(frame: Frame, this: list[Any]) -> list[Any]:
        reference = scalar(argument.run(frame, this))
        if reference is UNKNOWN:
            return unknown()
        if reference is None:
            return []
        found = names.membership(reference) if isinstance(reference, str) else None
        if found is None:
            raise EvaluationError(f"unknown value set '{reference}'", code="unknown-value-set")
        return member_of(source(frame, this), found)

    return Code(run, BOOLEAN, **dependencies)


def _known_value_set(constant: tuple[Any, ...], node: Syntax, scope: Scope) -> Membership:
    """The value set of a constant argument; ExpressionError where the constant was written."""
    reference = constant[0] if constant else None
    found = scope.names.membership(reference) if isinstance(reference, str) else None
    if found is not None:
        return found
    names = scope.names.value_set_names()
    hint = "no value sets were given to the compiler"
    if names is not None:
        close = did_you_mean(str(reference).rpartition("/")[2], names)
        hint = close or "load it, or correct its canonical URL or id"
    node, scope = origin(node, scope)
    raise scope.error(node, f"unknown value set '{reference}'", hint, "unknown-value-set")


def member_of(items: list[Any], test: Membership) -> list[Any]:
    """Whether the single code, Coding or CodeableConcept is in the value set."""
    if type(items) is not list:
        return unknown()
    if not items:
        return []
    if len(items) > 1:
        raise EvaluationError(
            f"memberOf() works on one item, found {len(items)}",
            code="not-a-singleton",
            hint="use where(memberOf(...)) or exists(memberOf(...))",
        )
    item = items[0]
    value = item.value if type(item) is Node else item
    if isinstance(value, str):
        return [test(None, value)]
    if not isinstance(value, dict):
        raise EvaluationError(f"memberOf() does not work on {describe(item)}", code="type-mismatch")
    codings = value.get("coding", []) if "code" not in value else [value]
    if not isinstance(codings, list):
        raise EvaluationError(f"{describe(item)} holds no list of codings", code="invalid-data")
    return [any(_coded(coding, test) for coding in codings)]


def _coded(coding: Any, test: Membership) -> bool:
    """Whether a Coding is a member; one that is not an object with a code is in no set."""
    code = coding.get("code") if isinstance(coding, dict) else None
    system = coding.get("system") if isinstance(coding, dict) else None
    return isinstance(code, str) and test(system if isinstance(system, str) else None, code)


TABLE.declare("children", over_collections(children), arity=(0, 0), section="5.8.1")
TABLE.declare("descendants", with_frame(descendants), arity=(0, 0), section="5.8.2")
TABLE.declare(
    "extension",
    over_collections(extension, frozenset({"Extension"})),
    arity=(1, 1),
    section="FHIR",
)
TABLE.declare("hasValue", over_collections(has_value, BOOLEAN), arity=(0, 0), section="FHIR")
TABLE.declare("getValue", over_collections(get_value), arity=(0, 0), section="FHIR")
TABLE.declare("resolve", with_frame(resolve), arity=(0, 0), section="FHIR")
TABLE.declare("memberOf", _build_member_of, arity=(1, 1), section="FHIR")
TABLE.declare("conformsTo", over_values(conforms_to, types=BOOLEAN), arity=(1, 1), section="FHIR")
TABLE.declare("htmlChecks", over_values(html_checks, types=BOOLEAN), arity=(0, 0), section="FHIR")
