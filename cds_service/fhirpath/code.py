"""What the compiler makes of a part of an expression, and the names that are visible to it.

A `Code` is a closure with what is known about it before it runs. A `Scope` is what `$this`, a
`%name` or a row's `$index` means at one place of the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from cds_service.errors import ExpressionError, Where
from cds_service.fhirpath.evaluation import Frame

if TYPE_CHECKING:
    from cds_service.fhirpath.bounds import Bounds
    from cds_service.fhirpath.definition import Definition, Membership
    from cds_service.fhirpath.evaluation import Evaluation
    from cds_service.fhirpath.leads import Barren, Variable
    from cds_service.fhirpath.readings import Readings
    from cds_service.fhirpath.rows import Fact, Leading, Path
    from cds_service.fhirpath.syntax import Call, Syntax
    from cds_service.messages import Text

Run = Callable[[Frame, list[Any]], list[Any]]
"""A compiled part: the frame and `$this` in, a collection out. It changes neither."""


def itself(_frame: Frame, this: list[Any]) -> list[Any]:
    """The closure of `$this`; who knows it by name can do without the call."""
    return this


Types = frozenset[str] | None
"""The FHIR types that items can have, None when nothing is known."""

NOTHING: frozenset[Any] = frozenset()


class SharedPart(Protocol):
    """A part that is compiled once and evaluated once per request, wherever it is used."""

    @property
    def types(self) -> Types:
        """What is known of the types of its items."""

    @property
    def reads(self) -> frozenset[str]:
        """The environment variables that it reads."""

    @property
    def constant(self) -> tuple[Any, ...] | None:
        """Its value, if that is written in its text."""

    @property
    def barren(self) -> Barren | None:
        """What it answers of a chart that has none of its codes."""

    @property
    def is_name(self) -> bool:
        """Whether it is written as the name of the definition alone."""

    def closure(self, *, observe: bool) -> Run:
        """Its value in a scope; `observe` puts its trace under the current part."""


class RowPart(Protocol):
    """The body of a definition: compiled once, evaluated once per request and resource."""

    @property
    def code(self) -> Code:
        """What is known about it."""

    def called_on(self, source: Run, *, stable: bool) -> Run:
        """The closure of a call; `stable` says that the focus is one list for all of a request."""

    def known(self, evaluation: Evaluation) -> Mapping[Any, list[Any]]:
        """What is remembered in this evaluation, by row."""


class Names(Protocol):
    """The definitions, variables and value sets that a text can refer to."""

    strict_variables: bool

    def definition(self, name: str) -> tuple[Definition, Names] | None:
        """The definition of this name, and the names that its own text can refer to."""

    def variable_type(self, name: str) -> tuple[bool, str | None]:
        """Whether a variable is declared, and the FHIR type of its items if known."""

    def known_names(self) -> list[str]:
        """All names of variables and definitions."""

    def membership(self, reference: str) -> Membership | None:
        """The membership test of a value set."""

    def value_set_names(self) -> list[str] | None:
        """The ids of all value sets, for hints; None where none can be looked up at all."""

    def message(self, code: str) -> Text | None:
        """The text of a message, None when there is no such message."""

    def message_codes(self) -> Iterable[str]:
        """The codes of all messages."""

    def tree(self, definition: Definition) -> Syntax:
        """The syntax tree of a definition's expression."""

    def shared(
        self, definition: Definition, active: tuple[str, ...], *, traced: bool
    ) -> SharedPart:
        """The shared part of a definition that is a name; `active` are those around it."""

    def shared_call(
        self, key: str, name: str, build: Callable[[Compiling], Code], *, traced: bool
    ) -> SharedPart | None:
        """The shared part of a call of `name`, made by `build` once; None if it is not closed."""

    def row_call(
        self,
        name: str,
        key: tuple[str, Types],
        build: Callable[[Compiling], tuple[Code, int]],
    ) -> RowPart | None:
        """The part that a call is for each focus, made by `build` once; None if it needs more."""


@dataclass(frozen=True, slots=True)
class Code:
    """A compiled part of an expression.

    `uses` holds the scopes whose `$this`, `$index` or own variables it reads; without any it is
    closed: it has the same value wherever it stands. `reads` are environment variables.

    The rest is for speed. `path`, `fact` and `reading` say the same as `run` in the terms of the
    JSON of a single `$this`. A `guard` that is False says that `run` answers false; where it is
    True, `rest` answers the same with less; `bounds` are what `rest`, or `run`, starts with.
    `leading` is the value set that the criterion starts with. `stable` means that one evaluation
    gets one list; `remembered` is the part that it is of its row, kept for each resource.
    `variable` is the one that it is, `barren` what it answers of a chart that has none of its
    codes.
    """

    run: Run
    types: Types = None
    constant: tuple[Any, ...] | None = None
    uses: frozenset[int] = NOTHING
    reads: frozenset[str] = NOTHING
    observed: bool = False
    path: Path | None = None
    fact: Fact | None = None
    guard: Fact | None = None
    rest: Run | None = None
    leading: Leading | None = None
    stable: bool = False
    reading: Readings | None = None
    remembered: RowPart | None = None
    variable: Variable | None = None
    barren: Barren | None = None
    bounds: Bounds | None = None

    def running(self, run: Run, *, observed: bool = False) -> Code:
        """The same code with another closure for the same value."""
        return Code(
            run,
            self.types,
            self.constant,
            self.uses,
            self.reads,
            observed or self.observed,
            self.path,
            self.fact,
            self.guard,
            self.rest,
            self.leading,
            self.stable,
            self.reading,
            self.remembered,
            self.variable,
            self.barren,
            self.bounds,
        )

    @property
    def closed(self) -> bool:
        """Whether its value does not depend on where it stands."""
        return not self.uses


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument of a definition, in the caller's scope, and where the caller's `$this` is."""

    syntax: Syntax
    scope: Scope
    slot: int


@dataclass(frozen=True, slots=True)
class Scope:
    """The names at one place: a program, a row of a lambda, or the body of a definition."""

    identity: int
    source: str
    names: Names
    types: Types = None
    outer: Scope | None = None
    definition: Definition | None = None
    active: tuple[str, ...] = ()
    parameters: dict[str, Parameter] = field(default_factory=dict)
    defined: dict[str, tuple[int, Types]] = field(default_factory=dict)
    row_names: frozenset[str] = NOTHING
    row_slots: dict[str, int] = field(default_factory=dict)
    traced: bool = False
    repeated: bool = False
    """Whether it is evaluated many times in one frame: per item, or per call of a definition."""

    def fork(self) -> Scope:
        """The same scope for one operand: variables defined in it stay in it."""
        if "defineVariable" not in self.source and "\\" not in self.source:
            return self  # nothing can be defined: a name may only be hidden behind escapes
        return replace(self, defined=dict(self.defined))

    def binding(self, name: str) -> Scope | None:
        """The innermost scope here or around in which `%name` is a variable or a parameter."""
        place: Scope | None = self
        while place is not None and name not in place.defined and name not in place.parameters:
            place = place.outer
        return place

    def untraced(self) -> Scope:
        """The same scope with observation off."""
        return replace(self, traced=False) if self.traced else self

    def error(
        self, node: Syntax, message: str, hint: str | None = None, code: str | None = None
    ) -> ExpressionError:
        """A failure at `node`; it names the definition whose body this is."""
        where = None
        if self.definition is not None:
            message = f"in definition '{self.definition.name}': {message}"
            where = Where(file=self.definition.where) if self.definition.where else None
        return ExpressionError(
            message,
            expression=self.source,
            offset=node.offset,
            hint=hint,
            code=code,
            where=where,
        )


@dataclass(frozen=True, slots=True)
class Site:
    """One call of a function: the call, what it is called on, and the scope of its arguments.

    `explicit` says that the receiver was written, and is not just the focus.
    """

    call: Call
    receiver: Code
    scope: Scope
    explicit: bool = True


class Compiling(Protocol):
    """What functions, calls and references need of the compiler to build their code."""

    traced: bool

    def compile(self, node: Syntax, scope: Scope) -> Code:
        """The code of a part, in a scope."""

    def operand(self, node: Syntax, scope: Scope) -> Code:
        """The same for one of several parts: variables that it defines stay in it."""

    def observe(self, node: Syntax, scope: Scope) -> Code:
        """The same, watched when the program is traced."""

    def row(self, scope: Scope, types: Types, names: frozenset[str] = NOTHING) -> Scope:
        """A scope whose `$this` is of these types; `names` are the `$` names that it gives."""

    def slot(self) -> int:
        """A place for one value in the frame."""

    def identity(self) -> int:
        """A number for a new scope."""

    def watched(self, code: Code, text: str, scope: Scope) -> Code:
        """The same code, observed where the scope is traced."""

    def noting(self, run: Run, scope: Scope) -> Run:
        """The same closure; when traced it notes the resources that its result came from."""
