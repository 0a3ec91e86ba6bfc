"""Syntax tree to closures: names are resolved and checked once, then only values flow.

One `Compiler` makes one program; its slots are places in that program's frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_service.errors import ExpressionError, did_you_mean
from cds_service.fhirpath import rows
from cds_service.fhirpath.arithmetic import affirm, negate
from cds_service.fhirpath.calls import compile_call
from cds_service.fhirpath.code import NOTHING, Code, Run, Scope, Site, Types, itself
from cds_service.fhirpath.collection import Incomplete, Node, element_types
from cds_service.fhirpath.evaluation import Frame, unknown
from cds_service.fhirpath.functions import FUNCTIONS
from cds_service.fhirpath.functions.filtering import item_at
from cds_service.fhirpath.functions.registry import merged, run_over
from cds_service.fhirpath.functions.types import specifier, type_test
from cds_service.fhirpath.json_first import from_json
from cds_service.fhirpath.model import ancestors, elements_of, fhir_types, is_fhir_type
from cds_service.fhirpath.operations import compile_operation
from cds_service.fhirpath.quantity import Quantity
from cds_service.fhirpath.references import compile_variable
from cds_service.fhirpath.syntax import (
    Call,
    Index,
    Literal,
    Member,
    Operation,
    Path,
    Polarity,
    Special,
    Syntax,
    TypeTest,
    Variable,
)
from cds_service.fhirpath.trace import noting, observed

if TYPE_CHECKING:
    from collections.abc import Callable


_HOISTED = (Path, Call, Operation, TypeTest, Index)


class Compiler:
    """Compiles one program; `traced` weaves the observer in."""

    def __init__(self, *, traced: bool) -> None:
        self.traced = traced
        self.size = 0
        self._scopes = 0

    def slot(self) -> int:
        """A new place in the frame."""
        self.size += 1
        return self.size - 1

    def identity(self) -> int:
        """A number for a new scope."""
        self._scopes += 1
        return self._scopes

    def row(self, scope: Scope, types: Types, names: frozenset[str] = NOTHING) -> Scope:
        """A scope inside `scope` whose `$this` is of these types."""
        return Scope(
            self.identity(),
            scope.source,
            scope.names,
            types,
            outer=scope,
            definition=scope.definition,
            active=scope.active,
            row_names=names,
            repeated=True,
        )

    def compile(self, node: Syntax, scope: Scope) -> Code:
        """The code of a part; a closed part inside a lambda is evaluated once per run."""
        code = _HANDLERS[type(node)](self, node, scope)
        if scope.repeated and code.closed and code.constant is None and isinstance(node, _HOISTED):
            return self._hoisted(code)
        return code if scope.traced else from_json(code)

    def operand(self, node: Syntax, scope: Scope) -> Code:
        """The code of one of several parts: variables that it defines stay in it."""
        return self.compile(node, scope.fork())

    def observe(self, node: Syntax, scope: Scope) -> Code:
        """The code of a part that is worth a line of its own in a trace."""
        code = self.operand(node, scope)
        return self.watched(code, scope.source[node.offset : node.end], scope)

    def watched(self, code: Code, text: str, scope: Scope) -> Code:
        """The same code, observed where the scope is traced and it is not a constant."""
        if not scope.traced or code.observed or code.constant is not None:
            return code
        run = observed(code.run, text)
        return code.running(run, observed=True)

    def noting(self, run: Run, scope: Scope) -> Run:
        """The same closure, noting resources where the scope is traced."""
        return noting(run) if scope.traced else run

    def _hoisted(self, code: Code) -> Code:
        slot = self.slot()
        inner = code.run

        def run(frame: Frame, this: list[Any]) -> list[Any]:
            value = frame.slots[slot]
            if value is None:
                value = frame.slots[slot] = inner(frame, this)
            return value  # type: ignore[no-any-return]

        return code.running(run)


def _literal(_compiler: Compiler, node: Any, _scope: Scope) -> Code:
    values = list(node.values)
    return Code(lambda _frame, _this: values, None, tuple(values))


def this_code(scope: Scope) -> Code:
    """The code of `$this`."""
    uses = frozenset({scope.identity})
    return Code(itself, scope.types, uses=uses, path=())


def _special(compiler: Compiler, node: Any, scope: Scope) -> Code:
    if node.name == "$this":
        return this_code(scope)
    place: Scope | None = scope
    while place is not None and node.name not in place.row_names:
        place = place.outer
    if place is None:
        raise scope.error(node, f"there is no {node.name} here")
    slot = place.row_slots.get(node.name)
    if slot is None:
        slot = place.row_slots[node.name] = compiler.slot()
    uses = frozenset({place.identity})
    if node.name == "$total":
        return Code(lambda frame, _this: frame.slots[slot], uses=uses)

    def run(frame: Frame, _this: list[Any]) -> list[Any]:
        position = frame.slots[slot]
        return unknown() if position is None else [position]

    return Code(run, uses=uses)


def _member(_compiler: Compiler, node: Any, scope: Scope) -> Code:
    """A name at the start of a path: the type of the focus, or one of its elements."""
    receiver, name = this_code(scope), node.name
    if not name[:1].isupper():
        return _element(receiver, node, scope)
    fits = _fits(scope.types, node.name)
    if fits is False and not _declared(scope.types, node.name):
        raise _unknown_element(scope.types, node, scope)

    def run(_frame: Frame, this: list[Any]) -> list[Any]:
        out: list[Any] = []
        for item in this:
            if type(item) is Node:
                kind = item.type
                if kind == name or (kind is not None and name in ancestors(kind)):
                    out.append(item)
                else:
                    item.add_children(name, out)
        return out if type(this) is list else Incomplete(out)

    return Code(run, scope.types, uses=receiver.uses)


def _fits(types: Types, name: str) -> bool | None:
    """Whether the focus can be of the named type; None when nothing is known."""
    if types is None or any(not is_fhir_type(kind) for kind in types):
        return None
    return any(name in ancestors(kind) for kind in types)


def _declared(types: Types, name: str) -> bool:
    return any(name in elements_of(kind) for kind in types or ())


def _element(receiver: Code, node: Any, scope: Scope) -> Code:
    """The code of `receiver.name`, checked where the type of the receiver is known."""
    name = node.name
    types = _element_types(receiver.types, node, scope)
    source = receiver.run
    is_bare = source is itself

    def run(frame: Frame, this: list[Any]) -> list[Any]:
        items = this if is_bare else source(frame, this)
        out: list[Any] = []
        for item in items:
            if type(item) is Node:
                item.add_children(name, out)
            elif type(item) is Quantity and name in {"value", "unit"}:
                out.append(getattr(item, name))
        return out if type(items) is list else Incomplete(out)

    path = None if receiver.path is None else (*receiver.path, rows.Member(name))
    return Code(run, types, uses=receiver.uses, reads=receiver.reads, path=path)


def _element_types(types: Types, node: Any, scope: Scope) -> Types:
    if types is None or any(not elements_of(kind) for kind in types):
        if scope.names.strict_variables:  # in guidelines data are FHIR's, elsewhere anybody's
            _refuse_bare_function(node, scope)
        return None
    if node.name == "resourceType":
        return None
    found = [elements_of(kind)[node.name] for kind in types if node.name in elements_of(kind)]
    if not any(element.concrete_of is None for element in found):
        raise _unknown_element(types, node, scope)
    known = [element_types(element) for element in found if element.concrete_of is None]
    joint: frozenset[str] = frozenset()
    for kinds in known:
        if kinds is None:
            return None
        joint |= kinds
    return joint


def _refuse_bare_function(node: Any, scope: Scope) -> None:
    """Raises ExpressionError for a function without its parentheses: no element is called so."""
    if node.name in FUNCTIONS and not any(node.name in elements_of(kind) for kind in fhir_types()):
        message = f"the function {node.name}() lacks its parentheses"
        raise scope.error(node, message, f"write {node.name}()", code="unknown-element")


def _unknown_element(types: Types, node: Any, scope: Scope) -> ExpressionError:
    _refuse_bare_function(node, scope)
    kinds = sorted(types or ())
    for kind in kinds:
        element = elements_of(kind).get(node.name)
        if element is not None and element.concrete_of:
            base, of = element.concrete_of, element.types[0]
            json_hint = f"write '{base}' or '{base}.ofType({of})'"
            return scope.error(node, f"'{node.name}' is JSON, not an element of {kind}", json_hint)
    names = {name for kind in kinds for name in elements_of(kind)}
    owner = " or ".join(kinds) if len(kinds) <= 3 else "any of the possible types"
    hint = did_you_mean(node.name, names)
    if scope.source[node.offset - 1 : node.offset] != ".":  # no path leads to it
        is_variable = node.name in scope.names.known_names()
        meant = f"did you mean '%{node.name}'?" if is_variable else None
        hint = meant or hint or f"a text stands in single quotes: '{node.name}'"
    return scope.error(node, f"{owner} has no element '{node.name}'", hint, code="unknown-element")


def _path(compiler: Compiler, node: Any, scope: Scope) -> Code:
    left, right = node.left, node.right
    if isinstance(right, Special):
        raise scope.error(right, f"'{right.name}' cannot follow a '.'")
    receiver = compiler.compile(left, scope)
    if isinstance(right, Member):
        code = _element(receiver, right, scope)
    else:
        code = compile_call(compiler, Site(right, receiver, scope), node)
    if not scope.traced or code.observed or _is_in_no_resource(code.types):
        return code
    return code.running(noting(code.run))


def _is_in_no_resource(types: Types) -> bool:
    """Whether items of these types are System values, which say nothing of where they are from."""
    return types is not None and all(kind.startswith("System.") for kind in types)


def _call(compiler: Compiler, node: Any, scope: Scope) -> Code:
    return compile_call(compiler, Site(node, this_code(scope), scope, explicit=False), node)


def _index(compiler: Compiler, node: Any, scope: Scope) -> Code:
    left = compiler.compile(node.left, scope)
    index = compiler.operand(node.index, scope)
    return Code(run_over(item_at, left.run, [index.run]), left.types, **merged(left, index))


def _polarity(compiler: Compiler, node: Any, scope: Scope) -> Code:
    operand = compiler.operand(node.operand, scope)
    apply = negate if node.sign == "-" else affirm
    constant = operand.constant
    code = Code(run_over(apply, operand.run, []), operand.types, **merged(operand))
    if constant is None or not constant or isinstance(constant[0], bool | str):
        return code
    values = apply(list(constant))
    return Code(lambda _frame, _this: values, operand.types, tuple(values))


def _type_test(compiler: Compiler, node: Any, scope: Scope) -> Code:
    operand = compiler.operand(node.operand, scope)
    return type_test(node.operator, operand, specifier(node.type_name, node, scope))


def _variable(compiler: Compiler, node: Any, scope: Scope) -> Code:
    return compile_variable(compiler, node, scope)


_HANDLERS: dict[type[Syntax], Callable[[Compiler, Any, Scope], Code]] = {
    Literal: _literal,
    Member: _member,
    Call: _call,
    Variable: _variable,
    Special: _special,
    Path: _path,
    Index: _index,
    Polarity: _polarity,
    Operation: compile_operation,
    TypeTest: _type_test,
}
