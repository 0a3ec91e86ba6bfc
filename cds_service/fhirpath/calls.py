"""Calls: of the functions of the table, and of definitions, which are expanded where they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from cds_service.errors import did_you_mean
from cds_service.fhirpath.code import Code, Compiling, Names, Parameter, Run, Scope, Site
from cds_service.fhirpath.expansion import Shared, expanded_text, naming
from cds_service.fhirpath.functions import FUNCTIONS, Function

if TYPE_CHECKING:
    from cds_service.fhirpath.definition import Definition
    from cds_service.fhirpath.evaluation import Frame
    from cds_service.fhirpath.syntax import Syntax


class DefinitionCompiler(Compiling, Protocol):
    """What calls and references need of the compiler beside what functions need."""

    traced: bool

    def identity(self) -> int:
        """A number for a new scope."""

    def watched(self, code: Code, text: str, scope: Scope) -> Code:
        """The same code, observed where the scope is traced."""

    def shared(self, definition: Definition, names: Names, node: Syntax, scope: Scope) -> Shared:
        """The shared part of a definition that is a name."""

    def body(self, definition: Definition, names: Names, node: Syntax, scope: Scope) -> Syntax:
        """The syntax tree of a definition's expression, refused when it calls itself."""

    def shared_call(self, key: str, names: Names, build: Any) -> Shared | None:
        """The shared part of a closed call, made by `build` the first time."""


def compile_call(compiler: DefinitionCompiler, site: Site, node: Syntax) -> Code:
    """The code of a call; `node` is the whole of it, receiver included, for traces."""
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


def _expanded(
    compiler: DefinitionCompiler, site: Site, definition: Definition, names: Names
) -> Code:
    caller = site.scope
    arguments = [compiler.compile(node, caller.untraced()) for node in site.call.arguments]
    if all(argument.closed for argument in arguments):
        key = expanded_text(site.call, caller)
        constant = all(argument.constant is not None for argument in arguments)

        def build(fresh: DefinitionCompiler) -> Code:
            return _inlined(fresh, site, definition, names)[0]

        owner = names if constant else caller.names
        shared = compiler.shared_call(key, owner, build)
        if shared is not None:
            return _shared_code(compiler, shared)
    return _inline(compiler, site, definition, names)


def _shared_code(compiler: DefinitionCompiler, shared: Shared) -> Code:
    def run(frame: Frame, _this: list[Any]) -> list[Any]:
        return shared.value(frame.evaluation)

    def run_traced(frame: Frame, _this: list[Any]) -> list[Any]:
        return shared.traced_value(frame)

    chosen: Run = run_traced if compiler.traced else run
    return Code(chosen, shared.types, reads=shared.reads)


def _inlined(
    compiler: DefinitionCompiler, site: Site, definition: Definition, names: Names
) -> tuple[Code, int, int]:
    """The code of the body in a scope of its own, that scope, and the slot of the caller's `$this`."""
    syntax = compiler.body(definition, names, site.call, site.scope)
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
        parameters=parameters,
        traced=site.scope.traced,
    )
    return compiler.compile(syntax, scope), scope.identity, slot


def _inline(
    compiler: DefinitionCompiler, site: Site, definition: Definition, names: Names
) -> Code:
    body, identity, slot = _inlined(compiler, site, definition, names)
    receiver = site.receiver
    inner, source = naming(body.run, definition.name), receiver.run

    def run(frame: Frame, this: list[Any]) -> list[Any]:
        focus = source(frame, this)
        frame.slots[slot] = this
        return inner(frame, focus)

    uses = (body.uses - {identity}) | receiver.uses
    return Code(run, body.types, None, uses, body.reads | receiver.reads)
