"""Calls: of the functions of the table, and of definitions, which are expanded where they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_service.errors import EvaluationError, did_you_mean
from cds_service.fhirpath.code import Code, Compiling, Names, Parameter, RowPart, Scope, Site
from cds_service.fhirpath.expansion import expanded_text, named, refuse_cycle, shared_code
from cds_service.fhirpath.functions import FUNCTIONS, Function

if TYPE_CHECKING:
    from cds_service.fhirpath.definition import Definition
    from cds_service.fhirpath.evaluation import Frame
    from cds_service.fhirpath.syntax import Syntax


def compile_call(compiler: Compiling, site: Site, node: Syntax) -> Code:
    """The code of a call; `node` is the whole of it, receiver included, for traces."""
    inner = site.scope if site.call.name == "defineVariable" else site.scope.fork()
    if inner is not site.scope:
        site = Site(site.call, site.receiver, inner, site.explicit)
    function = FUNCTIONS.get(site.call.name)
    if function is not None:
        _check_arity(function, site)
        return function.build(compiler, site)
    found = site.scope.names.definition(site.call.name)
    if found is None:
        raise _unknown_function(site)
    definition, names = found
    if definition.parameters is None:
        raise site.scope.error(
            site.call,
            f"'{definition.name}' is not called like a function",
            f"write %{definition.name}",
        )
    if len(definition.parameters) != len(site.call.arguments):
        raise _wrong_arity(site, len(definition.parameters), len(definition.parameters))
    code = _expanded(compiler, site, definition, names)
    text = site.scope.source[node.offset : node.end]
    return compiler.watched(code, text, site.scope)


def _unknown_function(site: Site) -> Exception:
    name = site.call.name
    hint = did_you_mean(name, [*FUNCTIONS, *site.scope.names.known_names()])
    return site.scope.error(site.call, f"unknown function '{name}'", hint, code="unknown-function")


def _check_arity(function: Function, site: Site) -> None:
    count = len(site.call.arguments)
    if count < function.least or (function.most is not None and count > function.most):
        raise _wrong_arity(site, function.least, function.most)


def _wrong_arity(site: Site, least: int, most: int | None) -> Exception:
    if most is None:
        wanted = f"at least {least}"
    else:
        wanted = str(least) if least == most else f"{least} to {most}"
    plural = "" if wanted == "1" else "s"
    return site.scope.error(
        site.call,
        f"{site.call.name}() takes {wanted} argument{plural}, not {len(site.call.arguments)}",
        code="wrong-arity",
    )


def _expanded(compiler: Compiling, site: Site, definition: Definition, names: Names) -> Code:
    caller = site.scope
    arguments = [compiler.operand(node, caller.untraced()) for node in site.call.arguments]
    if all(argument.closed for argument in arguments):
        key = expanded_text(site.call, caller)
        constant = all(argument.constant is not None for argument in arguments)

        def build(fresh: Compiling) -> Code:
            return _inlined(fresh, site, definition, names)[0]

        def build_row(fresh: Compiling) -> tuple[Code, int]:
            code, identity, _ = _inlined(fresh, site, definition, names, repeated=True)
            return code, identity

        owner = names if constant else caller.names
        shared = owner.shared_call(key, definition.name, build, traced=compiler.traced)
        if shared is not None:
            return shared_code(shared, observe=caller.traced)
        if not caller.traced:
            per_row = owner.row_call(definition.name, (key, site.receiver.types), build_row)
            if per_row is not None:
                return _per_row(site.receiver, per_row)
    return _inline(compiler, site, definition, names)


def _inlined(
    compiler: Compiling,
    site: Site,
    definition: Definition,
    names: Names,
    *,
    repeated: bool = False,
) -> tuple[Code, int, int]:
    """The code of the body in its own scope, that scope, and the slot of the caller's `$this`."""
    refuse_cycle(definition.name, site.call, site.scope)
    slot = compiler.slot()
    parameters = {
        name: Parameter(node, site.scope, slot)
        for name, node in zip(definition.parameters or (), site.call.arguments, strict=True)
    }
    scope = Scope(
        compiler.identity(),
        definition.expression,
        names,
        site.receiver.types,
        definition=definition,
        active=(*site.scope.active, definition.name),
        parameters=parameters,
        traced=site.scope.traced,
        repeated=repeated or site.scope.repeated,
    )
    return compiler.compile(names.tree(definition), scope), scope.identity, slot


def _per_row(receiver: Code, shared: RowPart) -> Code:
    """The call of a body that depends on its focus only; of a row, with what JSON tells of it."""
    body = shared.code
    is_row = receiver.path == ()
    fact = body.fact if is_row else None
    return Code(
        shared.called_on(receiver.run, stable=receiver.stable),
        body.types,
        uses=receiver.uses,
        reads=body.reads | receiver.reads,
        fact=None if fact is not None and fact.is_costly else fact,
        guard=body.guard if is_row else None,
        leading=body.leading if is_row else None,
        reading=body.reading if is_row else None,
        remembered=shared if is_row else None,
        stable=receiver.stable,
    )


def _inline(compiler: Compiling, site: Site, definition: Definition, names: Names) -> Code:
    body, identity, slot = _inlined(compiler, site, definition, names)
    receiver = site.receiver
    inner, source, name = body.run, receiver.run, definition.name

    def run(frame: Frame, this: list[Any]) -> list[Any]:
        focus = source(frame, this)
        frame.slots[slot] = this
        try:
            return inner(frame, focus)
        except EvaluationError as error:
            raise named(error, name) from error

    uses = (body.uses - {identity}) | receiver.uses
    reads = body.reads | receiver.reads
    reading = body.reading if receiver.path == () and not site.scope.traced else None
    return Code(run, body.types, None, uses, reads, reading=reading, barren=body.barren)
