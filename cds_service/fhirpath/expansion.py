"""Definitions in use: names evaluated once per request, and calls expanded into their bodies.

A call whose body does not look at its focus and whose arguments are closed becomes a *shared*
part: it is compiled once and evaluated once per request, whatever number of expressions hold it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cds_service.errors import EvaluationError
from cds_service.fhirpath.code import Code, Parameter, Run, Scope, SharedPart, Types, itself
from cds_service.fhirpath.collection import Node
from cds_service.fhirpath.evaluation import Evaluation, Frame
from cds_service.fhirpath.printing import printed
from cds_service.fhirpath.readings import constant
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
from cds_service.fhirpath.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cds_service.fhirpath.leads import Barren


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """A compiled part with a frame of its own and one value per evaluation scope.

    A failure names `definition`, the one that the part is of.
    """

    text: str
    definition: str
    run: Run
    size: int
    reads: frozenset[str]
    types: Types
    traced: bool
    constant: tuple[Any, ...] | None = None
    barren: Barren | None = None

    @property
    def is_name(self) -> bool:
        """Whether it is written as the name of the definition alone."""
        return self.text == f"%{self.definition}"

    def closure(self, *, observe: bool) -> Run:
        """Its value in a scope, evaluated at most once; `observe` puts its trace there as well."""
        if self.traced and observe:
            return self._part_value if self.is_name else self._traced_value
        if self.traced:
            return self._value
        reads, evaluated = self.reads, self._evaluated

        def value(frame: Frame, _this: list[Any]) -> list[Any]:
            home = frame.evaluation
            if home.parent is not None:
                home = home.home(reads)
            found: list[Any] | None = home.memo.get(self)
            if found is None:
                found = home.memo[self] = evaluated(home, frame, None)
            return found

        return value

    def _value(self, frame: Frame, _this: list[Any]) -> list[Any]:
        home = frame.evaluation
        if home.parent is not None:
            home = home.home(self.reads)
        entry: tuple[list[Any], Trace] = home.memo.get(self) or self._entry(home, frame)
        return entry[0]

    def _traced_value(self, frame: Frame, _this: list[Any]) -> list[Any]:
        """Its value; what was traced when it was evaluated goes under the current part."""
        evaluation = frame.evaluation
        home = evaluation if evaluation.parent is None else evaluation.home(self.reads)
        value, trace = home.memo.get(self) or self._entry(home, frame)
        if frame.trace is not None:
            frame.trace.become(trace)
        return value

    def _part_value(self, frame: Frame, _this: list[Any]) -> list[Any]:
        """The value of a name; what was traced is the part that a trace has for it."""
        evaluation = frame.evaluation
        home = evaluation if evaluation.parent is None else evaluation.home(self.reads)
        value, trace = home.memo.get(self) or self._entry(home, frame)
        if frame.trace is not None:
            frame.trace.children.append(trace)
        return value

    def _entry(self, home: Evaluation, around: Frame) -> tuple[list[Any], Trace]:
        trace = Trace(self.text)
        trace.items = value = self._evaluated(home, around, trace)
        home.memo[self] = entry = (value, trace)
        return entry

    def _evaluated(self, home: Evaluation, around: Frame, trace: Trace | None) -> list[Any]:
        if trace is None and self.barren is not None and self.barren.holds(home.coded):
            return self.barren.answer
        frame = around  # does for a part without slots
        if self.size or trace is not None or around.evaluation is not home:
            frame = Frame(home, self.size, trace)
        try:
            return self.run(frame, home.focus)
        except EvaluationError as error:
            raise named(error, self.definition) from error


@dataclass(frozen=True, slots=True, eq=False)
class RowShared:
    """The compiled body of a definition that depends on nothing but what it is called on.

    It is compiled once for all its calls, and evaluated once per request for each resource.
    """

    name: str
    code: Code
    size: int

    def called_on(self, source: Run, *, stable: bool) -> Run:
        """The closure of a call; `stable` says that the focus is one list for all of a request."""
        return self._called_on_one_list(source) if stable else self._called_on_rows(source)

    def _called_on_one_list(self, source: Run) -> Run:
        reads = self.code.reads

        def run(frame: Frame, this: list[Any]) -> list[Any]:
            focus, home = source(frame, this), frame.evaluation
            if home.parent is not None:
                home = home.home(reads)
            own, memo = home.memo.get(self) or self._opened(home)
            found: tuple[list[Any], list[Any]] | None = memo.get(id(focus))
            if found is None:
                # The focus as well: its id is not given away.
                found = memo[id(focus)] = (self._value(own, focus), focus)
            return found[0]

        return run

    def _called_on_rows(self, source: Run) -> Run:
        reads, is_bare, value = self.code.reads, source is itself, self._value

        def run(frame: Frame, this: list[Any]) -> list[Any]:
            focus = this if is_bare else source(frame, this)
            home = frame.evaluation
            if home.parent is not None:
                home = home.home(reads)
            own, memo = home.memo.get(self) or self._opened(home)
            row = focus[0] if type(focus) is list and len(focus) == 1 else None
            if type(row) is not Node:
                return value(own, focus)
            found: list[Any] | None = memo.get(row)
            if found is None:
                found = value(own, focus)
                if row.root is row.value:  # of a resource, the value is kept
                    memo[row] = found
            return found

        return run

    def known(self, evaluation: Evaluation) -> Mapping[Any, list[Any]]:
        """What is remembered in this evaluation, by row."""
        home = evaluation if evaluation.parent is None else evaluation.home(self.code.reads)
        known: dict[Any, list[Any]] = (home.memo.get(self) or self._opened(home))[1]
        return known

    def _opened(self, home: Evaluation) -> tuple[Frame, dict[Any, Any]]:
        """The frame for all rows of an evaluation, and what is known of them.

        One frame serves all: what stays in its slots from row to row is hoisted, and a definition
        is never evaluated inside itself.
        """
        entry: tuple[Frame, dict[Any, Any]] = (Frame(home, self.size), {})
        home.memo[self] = entry
        return entry

    def _value(self, own: Frame, focus: list[Any]) -> list[Any]:
        try:
            return self.code.run(own, focus)
        except EvaluationError as error:
            raise named(error, self.name) from error


def shared_code(shared: SharedPart, *, observe: bool) -> Code:
    """The code that stands where a shared part is used; `observe` puts its trace there as well."""
    if shared.constant is not None and not observe:
        values = list(shared.constant)  # a number with a name costs no more than the number
        return Code(lambda _frame, _this: values, shared.types, reading=constant(shared.constant))
    return Code(
        shared.closure(observe=observe),
        shared.types,
        reads=shared.reads,
        observed=observe and shared.is_name,
        stable=True,
        barren=shared.barren,
    )


def refuse_cycle(name: str, node: Syntax, scope: Scope) -> None:
    """ExpressionError when a definition is used, directly or not, in its own expression."""
    if name in scope.active:
        chain = " → ".join([*scope.active[scope.active.index(name) :], name])
        raise scope.error(node, f"a definition cannot use itself: {chain}", code="recursion")


def named(error: EvaluationError, name: str) -> EvaluationError:
    """The same failure; it says in which definition."""
    return EvaluationError(
        f"in definition '{name}': {error.message}",
        code=error.code,
        hint=error.hint,
        where=error.where,
    )


def expanded_text(node: Syntax, scope: Scope) -> str:
    """The text of a part with the parameters of the surrounding definition put in."""
    return _TEXT[type(node)](node, scope)


def _variable(node: Any, scope: Scope) -> str:
    parameter = parameter_of(node.name, scope)
    if parameter is not None:
        return f"({expanded_text(parameter.syntax, parameter.scope)})"
    return f"%`{node.name}`"


def parameter_of(name: str, scope: Scope) -> Parameter | None:
    """The parameter that `%name` means here, None when it is not one."""
    place = scope.binding(name)
    return None if place is None or name in place.defined else place.parameters[name]


def origin(node: Syntax, scope: Scope) -> tuple[Syntax, Scope]:
    """Where an argument was written, when `node` is a parameter that stands for it."""
    parameter = parameter_of(node.name, scope) if isinstance(node, Variable) else None
    while parameter is not None:
        node, scope = parameter.syntax, parameter.scope
        parameter = parameter_of(node.name, scope) if isinstance(node, Variable) else None
    return node, scope


def _call(node: Any, scope: Scope) -> str:
    return f"{node.name}({', '.join(expanded_text(part, scope) for part in node.arguments)})"


def _operation(node: Any, scope: Scope) -> str:
    parts = (expanded_text(part, scope) for part in node.operands)
    return f"({f' {node.operator} '.join(parts)})"


def _path(node: Any, scope: Scope) -> str:
    return f"{expanded_text(node.left, scope)}.{expanded_text(node.right, scope)}"


_TEXT: dict[type[Syntax], Callable[[Any, Scope], str]] = {
    Literal: lambda node, _: printed(node),
    Member: lambda node, _: f"`{node.name}`",
    Special: lambda node, _: str(node.name),
    Variable: _variable,
    Call: _call,
    Path: _path,
    Operation: _operation,
    Index: lambda node, scope: (
        f"{expanded_text(node.left, scope)}[{expanded_text(node.index, scope)}]"
    ),
    Polarity: lambda node, scope: f"{node.sign}({expanded_text(node.operand, scope)})",
    TypeTest: lambda node, scope: (
        f"({expanded_text(node.operand, scope)} {node.operator} {node.type_name})"
    ),
}
