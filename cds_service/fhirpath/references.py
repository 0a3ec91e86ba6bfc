"""What `%name` means: a variable of the chain, a parameter, a definition, or the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_service.errors import did_you_mean
from cds_service.fhirpath.code import Code, Compiling, Parameter, Scope, Types
from cds_service.fhirpath.expansion import refuse_cycle, shared_code
from cds_service.fhirpath.model import ABSTRACT, is_fhir_type
from cds_service.fhirpath.readings import reading_of

if TYPE_CHECKING:
    from cds_service.fhirpath.evaluation import Frame
    from cds_service.fhirpath.syntax import Variable

STANDARD = {
    "ucum": "http://unitsofmeasure.org",
    "sct": "http://snomed.info/sct",
    "loinc": "http://loinc.org",
}
_FAMILIES = {
    "vs-": "http://hl7.org/fhir/ValueSet/",
    "ext-": "http://hl7.org/fhir/StructureDefinition/",
}
_FOCUS = ("context", "resource", "rootResource")


def compile_variable(compiler: Compiling, node: Variable, scope: Scope) -> Code:
    """The code of `%name`, watched when traced."""
    code = _lexical(compiler, node, scope) or _definition(compiler, node, scope)
    if code is None:
        code = _constant(node.name) or _environment(node, scope)
    return compiler.watched(code, f"%{node.name}", scope)


def _lexical(compiler: Compiling, node: Variable, scope: Scope) -> Code | None:
    place = scope.binding(node.name)
    if place is None:
        return None
    if node.name in place.defined:
        return _chain_variable(place, node.name)
    parameter = place.parameters[node.name]
    return _parameter(compiler, parameter, is_row=node.name in scope.parameters)


def is_taken(name: str, scope: Scope) -> bool:
    """Whether `%name` means something already at this place, as far as the text tells."""
    if name in _FOCUS or _constant(name) is not None or scope.binding(name) is not None:
        return True
    return scope.names.definition(name) is not None or scope.names.variable_type(name)[0]


def _chain_variable(place: Scope, name: str) -> Code:
    slot, types = place.defined[name]
    uses = frozenset({place.identity})
    return Code(lambda frame, _this: frame.slots[slot], types, uses=uses)


def _parameter(compiler: Compiling, parameter: Parameter, *, is_row: bool) -> Code:
    """The argument, evaluated with the `$this` of the place where the call stands.

    `is_row` says that it is used outside of lambdas: a call on a row then has the same `$this`.
    """
    argument = compiler.compile(parameter.syntax, parameter.scope.untraced().fork())
    if argument.closed:
        return argument
    slot, inner = parameter.slot, argument.run

    def run(frame: Frame, _this: list[Any]) -> list[Any]:
        return inner(frame, frame.slots[slot])

    reading = reading_of(argument) if is_row else None
    return Code(run, argument.types, None, argument.uses, argument.reads, reading=reading)


def _definition(compiler: Compiling, node: Variable, scope: Scope) -> Code | None:
    found = scope.names.definition(node.name)
    if found is None:
        return None
    definition, names = found
    if definition.parameters is not None:
        call = f"{node.name}({', '.join(definition.parameters)})"
        raise scope.error(node, f"'{node.name}' is called like a function", f"write {call}")
    refuse_cycle(node.name, node, scope)
    shared = names.shared(definition, scope.active, traced=compiler.traced)
    return shared_code(shared, observe=scope.traced)


def _constant(name: str) -> Code | None:
    value = STANDARD.get(name)
    for prefix, base in _FAMILIES.items():
        if value is None and name.startswith(prefix):
            value = base + name.removeprefix(prefix)
    if value is None:
        return None
    values = [value]
    return Code(lambda _frame, _this: values, constant=(value,))


def _environment(node: Variable, scope: Scope) -> Code:
    name = node.name
    declared, kind = scope.names.variable_type(name)
    if not declared and scope.names.strict_variables and name not in _FOCUS:
        known = [*scope.names.known_names(), *_FOCUS, *STANDARD]
        hint = did_you_mean(f"%{name}", [f"%{other}" for other in known])
        raise scope.error(node, f"unknown variable '%{name}'", hint, code="unknown-variable")
    concrete = kind if kind is not None and kind != "Any" else None

    key = (name, concrete)

    def run(frame: Frame, _this: list[Any]) -> list[Any]:
        evaluation = frame.evaluation
        found = evaluation.wrapped.get(key)
        return evaluation.variable(name, concrete) if found is None else found

    return Code(run, _static(concrete), reads=frozenset({name}), stable=True, variable=key)


def _static(kind: str | None) -> Types:
    if kind is None or not is_fhir_type(kind) or kind in ABSTRACT:
        return None
    return frozenset({kind})
