"""How a function is declared: name, arity, section of the specification, and how it is compiled.

Most functions are a plain Python function over collections or over single values; the helpers
here make the closure, and keep *empty* and *unknown* apart so that no function has to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypedDict

from cds_service.errors import EvaluationError
from cds_service.fhirpath.code import NOTHING, Code, Compiling, Run, Scope, Site, Types
from cds_service.fhirpath.collection import UNKNOWN, Incomplete, describe, scalar
from cds_service.fhirpath.evaluation import BUDGET_EXCEEDED, Frame, unknown

Build = Callable[[Compiling, Site], Code]

BOOLEAN: Types = frozenset({"System.Boolean"})
STRING: Types = frozenset({"System.String"})
INTEGER: Types = frozenset({"System.Integer"})


@dataclass(frozen=True, slots=True)
class Function:
    """An entry of the function table; `most` None means any number of arguments."""

    name: str
    least: int
    most: int | None
    section: str
    build: Build


class Table(dict[str, Function]):
    """Functions by name."""

    def declare(
        self, name: str, build: Build, *, arity: tuple[int, int | None], section: str
    ) -> None:
        """Add a function that takes `arity` (least, most) arguments."""
        self[name] = Function(name, arity[0], arity[1], section, build)


class Dependencies(TypedDict):
    """What a part depends on, in the words of `Code`."""

    uses: frozenset[int]
    reads: frozenset[str]


def merged(receiver: Code, *others: Code) -> Dependencies:
    """The dependencies of a call that evaluates all of these."""
    uses, reads = receiver.uses, receiver.reads
    for code in others:
        uses |= code.uses
        reads |= code.reads
    return {"uses": uses, "reads": reads}


def without(uses: frozenset[int], scope: Scope) -> frozenset[int]:
    """What a lambda uses of its surroundings, its own row aside."""
    return uses - {scope.identity}


def same(receiver: Code) -> Types:
    """The result has the type of the input."""
    return receiver.types


def over_collections(
    implementation: Callable[..., list[Any]], types: Types | Callable[[Code], Types] = None
) -> Build:
    """A function of the input collection and of its arguments as collections.

    The implementation sees Incomplete collections and must answer for them.
    """

    def build(compiler: Compiling, site: Site) -> Code:
        arguments = [compiler.operand(node, site.scope) for node in site.call.arguments]
        receiver = site.receiver
        result = types(receiver) if callable(types) else types
        return Code(
            run_over(implementation, receiver.run, [code.run for code in arguments]),
            result,
            **merged(receiver, *arguments),
        )

    return build


def run_over(implementation: Callable[..., list[Any]], source: Run, arguments: list[Run]) -> Run:
    """The closure that evaluates the input and the arguments, then calls the implementation."""
    if not arguments:

        def run_alone(frame: Frame, this: list[Any]) -> list[Any]:
            return implementation(source(frame, this))

        return run_alone
    if len(arguments) == 1:
        only = arguments[0]

        def run_one(frame: Frame, this: list[Any]) -> list[Any]:
            return implementation(source(frame, this), only(frame, this))

        return run_one

    def run_many(frame: Frame, this: list[Any]) -> list[Any]:
        return implementation(
            source(frame, this), *[argument(frame, this) for argument in arguments]
        )

    return run_many


def with_frame(implementation: Callable[..., list[Any]], types: Types = None) -> Build:
    """Like `over_collections`, for implementations that need the frame (clock, references)."""

    def build(compiler: Compiling, site: Site) -> Code:
        arguments = [compiler.operand(node, site.scope) for node in site.call.arguments]
        runs = [code.run for code in arguments]
        source = site.receiver.run

        def run(frame: Frame, this: list[Any]) -> list[Any]:
            return implementation(
                frame, source(frame, this), *[argument(frame, this) for argument in runs]
            )

        return Code(run, types, **merged(site.receiver, *arguments))

    return build


def no_input(implementation: Callable[[Frame], list[Any]], types: Types) -> Build:
    """A function that depends on neither input nor arguments, like `today()`."""

    def build(_compiler: Compiling, _site: Site) -> Code:
        def run(frame: Frame, _this: list[Any]) -> list[Any]:
            return implementation(frame)

        return Code(run, types, uses=NOTHING)

    return build


def over_values(
    implementation: Callable[..., Any],
    *,
    takes: type | tuple[type, ...] | None = None,
    types: Types = None,
    empty_arguments: bool = False,
) -> Build:
    """A function of the single input value and of its arguments as single values.

    Empty input gives empty, unknown input or argument gives unknown. An empty argument gives
    empty too, unless `empty_arguments`: then the implementation sees None. An input that is not
    one of `takes` is an EvaluationError. The implementation answers a value, None for empty, or a
    list.
    """

    def build(compiler: Compiling, site: Site) -> Code:
        arguments = [compiler.operand(node, site.scope) for node in site.call.arguments]
        name = site.call.name

        def apply(collection: list[Any], *others: list[Any]) -> list[Any]:
            value = scalar(collection)
            values = [scalar(other) for other in others]
            if value is UNKNOWN or UNKNOWN in values:
                return unknown()
            if value is None or (not empty_arguments and None in values):
                return []
            if takes is not None:
                require(name, value, takes)
            result = implementation(value, *values)
            if result is None:
                return []
            if isinstance(result, str):
                require_length(len(result))
            return result if isinstance(result, list) else [result]

        runs = [code.run for code in arguments]
        return Code(
            run_over(apply, site.receiver.run, runs), types, **merged(site.receiver, *arguments)
        )

    return build


MAX_TEXT = 1_000_000
"""The longest text in characters that an expression may make."""


def require_length(length: int) -> None:
    """EvaluationError when a text grows beyond what an expression may make."""
    if length > MAX_TEXT:
        raise EvaluationError("a text grows too long", code=BUDGET_EXCEEDED)


_NAMES = {str: "a string", int: "a whole number", Decimal: "a number", bool: "a boolean"}


def require(name: str, value: Any, takes: type | tuple[type, ...]) -> None:
    """EvaluationError unless `value` is of a type that the function works on."""
    wanted = takes if isinstance(takes, tuple) else (takes,)
    if isinstance(value, wanted) and (not isinstance(value, bool) or bool in wanted):
        return
    expected = " or ".join(dict.fromkeys(_NAMES.get(kind, kind.__name__) for kind in wanted))
    raise EvaluationError(
        f"{name}() works on {expected}, not on {describe(value)}", code="type-mismatch"
    )


def keep(result: list[Any], *sources: list[Any]) -> list[Any]:
    """`result`, marked incomplete when any of the collections it came from is."""
    for source in sources:
        if type(source) is not list:
            return Incomplete(result)
    return result
