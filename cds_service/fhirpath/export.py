"""Guideline FHIRPath → plain FHIRPath: definitions expanded, our own functions in standard ones.

Calls of definitions are put in where they stand, hygienically; definitions that are names become
variables, in the order in which they can be evaluated with the subject as focus. Plain FHIRPath
knows no *unknown*: what is written here answers as our engine does over complete data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from cds_service.errors import ExpressionError
from cds_service.fhirpath.functions import FUNCTIONS
from cds_service.fhirpath.message import in_fhirpath
from cds_service.fhirpath.model import is_fhir_type
from cds_service.fhirpath.parser import parse
from cds_service.fhirpath.quantity import Quantity
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
    type_name_of,
)
from cds_service.fhirpath.values import DateTime, Long, Temporal
from cds_service.messages import parse as parse_text

if TYPE_CHECKING:
    from cds_service.fhirpath.definition import Definition
    from cds_service.fhirpath.library import Library

Codes: TypeAlias = Sequence[tuple[str, Sequence[str]]]
"""Codes by system: what a value set holds, listed."""

_NOWHERE = (0, 0, 1)
"""Offset, end and depth of syntax that was not read from a text."""

_THIS = Special(*_NOWHERE, "$this")
_ROWS: Mapping[str, frozenset[int]] = {
    **dict.fromkeys(
        ("where", "select", "all", "exists", "repeat", "repeatAll", "aggregate"), frozenset({0})
    ),
    "trace": frozenset({1}),
    "defineVariable": frozenset({1}),
    "sort": frozenset(range(100)),
}
"""The arguments that run once per item, by function."""

_WORTH_A_NAME = 200
"""From how many characters on the body of a call is written once, as a variable."""

_WITHOUT_INPUT = frozenset({"today", "now", "timeOfDay", "iif", "coalesce", "message"})
_OF_TYPES = frozenset({"is", "as", "ofType"})


@dataclass(frozen=True, slots=True)
class PlainVariable:
    """A definition that is a name, as a variable: to be set before what reads it.

    `owner` is the library in which the definition stands, `needs` the variables it reads itself.
    """

    name: str
    expression: str
    owner: Library
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlainExpression:
    """An expression without definitions, and the variables it reads, in order of evaluation."""

    expression: str
    variables: tuple[PlainVariable, ...]

    @property
    def self_contained(self) -> str:
        """One expression that sets its variables itself, with `defineVariable` (FHIRPath 3.0)."""
        if not self.variables:
            return self.expression
        links = [
            f"defineVariable({_string(variable.name)}, {variable.expression})"
            for variable in self.variables
        ]
        return ".".join([*links, f"select({self.expression})"])


@dataclass(slots=True)
class _Argument:
    """What stands for a parameter: the expanded argument, its place, its own variable if any."""

    plain: Syntax
    place: _Place
    variable: str | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """What names and the focus mean at one place of a text that is being expanded.

    `level` counts the lambdas around it in the output; `receiver` stands for `$this` when the
    text is the body of a definition that was called on something.
    """

    source: str
    names: Library
    level: int = 0
    receiver: Syntax | None = None
    arguments: Mapping[str, _Argument] = field(default_factory=dict)
    locals: Mapping[str, str] = field(default_factory=dict)
    active: tuple[str, ...] = ()

    def row(self) -> _Place:
        """Inside a lambda: `$this` is the row, the names are the same."""
        return _Place(
            self.source,
            self.names,
            self.level + 1,
            None,
            self.arguments,
            self.locals,
            self.active,
        )

    def error(self, node: Syntax, message: str, hint: str | None = None) -> ExpressionError:
        """A failure at `node` of this text."""
        return ExpressionError(message, expression=self.source, offset=node.offset, hint=hint)


class Exporter:
    """Writes expressions of one content as plain FHIRPath, with variables shared between them.

    Args:
        canonical: the canonical URL of a value set that is named by its id.
        listed: the codes of a value set, when membership is to be written as code comparisons;
            None for a set that cannot be listed, which stays a `memberOf`.
    """

    def __init__(
        self,
        canonical: Callable[[str], str] = lambda reference: reference,
        listed: Callable[[str], Codes | None] = lambda _reference: None,
    ) -> None:
        self.variables: dict[str, PlainVariable] = {}
        self._canonical = canonical
        self._listed = listed
        self._named: dict[tuple[int, str], PlainVariable] = {}
        self._needs: list[dict[str, None]] = []
        self._taken: set[str] = set()

    def expression(self, text: str, names: Library) -> PlainExpression:
        """The expression in plain FHIRPath; ExpressionError for what has no plain form."""
        plain, needs = self._written(text, parse(text), names)
        return PlainExpression(plain, tuple(self._in_order(needs)))

    def variable(self, name: str, names: Library) -> PlainVariable | None:
        """The variable of the definition `%name`, also of a constant; None when there is none."""
        found = names.definition(name)
        return None if found is None else self._variable(*found)

    def _in_order(self, needs: Sequence[str]) -> Iterator[PlainVariable]:
        wanted: set[str] = set()
        pending = list(needs)
        while pending:
            name = pending.pop()
            if name not in wanted:
                wanted.add(name)
                pending.extend(self.variables[name].needs)
        return (variable for name, variable in self.variables.items() if name in wanted)

    def _written(
        self, source: str, tree: Syntax, names: Library, active: tuple[str, ...] = ()
    ) -> tuple[str, tuple[str, ...]]:
        self._needs.append({})
        place = _Place(source, names, locals=self._locals(tree, names), active=active)
        plain = self._expand(tree, place)
        return printed(plain), tuple(self._needs.pop())

    def _variable(self, definition: Definition, names: Any, active: Any = ()) -> PlainVariable:
        key = (id(names), definition.name)
        if key not in self._named:
            name = self._free_name(definition.name, names, own=True)
            inside = (*active, definition.name)
            text, needs = self._written(
                definition.expression, names.tree(definition), names, inside
            )
            self._named[key] = self.variables[name] = PlainVariable(name, text, names, needs)
        return self._named[key]

    def _free_name(self, wanted: str, names: Library, *, own: bool = False) -> str:
        """A name that nothing has in the output or among `names`; `own` is that of a definition."""
        name, number = wanted, 1
        known = set(names.known_names()) - ({wanted} if own else set())
        while name in self._taken | known:
            number += 1
            name = f"{wanted}_{number}"
        self._taken.add(name)
        return name

    def _locals(self, tree: Syntax, names: Library) -> dict[str, str]:
        """The variables that a text defines itself, each under a name of its own."""
        found = (
            str(node.arguments[0].values[0])
            for node in _parts(tree)
            if isinstance(node, Call)
            and node.name == "defineVariable"
            and isinstance(node.arguments[0], Literal)
        )
        return {name: self._free_name(name, names) for name in dict.fromkeys(found)}

    # -- expansion --------------------------------------------------------------------------

    def _expand(self, node: Syntax, place: _Place) -> Syntax:
        expand = _EXPANSIONS[type(node)]
        return expand(self, node, place)

    def _literal(self, node: Literal, _place: _Place) -> Syntax:
        return node

    def _member(self, node: Member, place: _Place) -> Syntax:
        if place.receiver is None:
            return node
        if node.name[:1].isupper() and is_fhir_type(node.name):
            return _called(place.receiver, "ofType", node)
        return Path(*_NOWHERE, place.receiver, node)

    def _special(self, node: Special, place: _Place) -> Syntax:
        return place.receiver if node.name == "$this" and place.receiver is not None else node

    def _name(self, node: Variable, place: _Place) -> Syntax:
        if node.name in place.locals:
            return Variable(*_NOWHERE, place.locals[node.name])
        if node.name in place.arguments:
            return self._argument(place.arguments[node.name], place)
        found = place.names.definition(node.name)
        if found is None:
            return node
        definition, names = found
        self._refuse_cycle(definition, node, place)
        tree = names.tree(definition)
        if isinstance(tree, Literal):
            return tree
        variable = self._variable(definition, names, place.active)
        self._needs[-1][variable.name] = None
        return Variable(*_NOWHERE, variable.name)

    def _argument(self, argument: _Argument, place: _Place) -> Syntax:
        """The argument, where it means the same here; else a variable that holds its value."""
        if argument.place.level == place.level or not _reads_row(argument.plain):
            return argument.plain
        if argument.variable is None:
            argument.variable = self._free_name("value", place.names)
        return Variable(*_NOWHERE, argument.variable)

    def _refuse_cycle(self, definition: Definition, node: Syntax, place: _Place) -> None:
        if definition.name in place.active:
            raise place.error(node, f"the definition '{definition.name}' uses itself")

    def _path(self, node: Path, place: _Place) -> Syntax:
        left = self._expand(node.left, place)
        if isinstance(node.right, Call):
            return self._call_on(left, node.right, place)
        return Path(*_NOWHERE, left, node.right)

    def _call(self, node: Call, place: _Place) -> Syntax:
        return self._call_on(None, node, place)

    def _call_on(self, written: Syntax | None, call: Call, place: _Place) -> Syntax:
        """A call; `written` is the left side of its path, if it has one."""
        found = None if call.name in FUNCTIONS else place.names.definition(call.name)
        if found is not None:
            return self._inlined(written or place.receiver, call, place, *found)
        receiver = written
        if written is None and call.name not in _WITHOUT_INPUT:
            receiver = place.receiver
        rewrite = _REWRITTEN.get(call.name)
        if rewrite is not None:
            return rewrite(self, receiver, call, place)
        return _called(receiver, call.name, *self._arguments(written, call, place))

    def _arguments(self, written: Syntax | None, call: Call, place: _Place) -> list[Syntax]:
        if call.name in _OF_TYPES:
            return list(call.arguments)
        rows = _ROWS.get(call.name, frozenset())
        if call.name == "iif" and written is not None:
            rows = frozenset(range(3))
        out: list[Syntax] = []
        for index, node in enumerate(call.arguments):
            if call.name == "defineVariable" and index == 0 and isinstance(node, Literal):
                out.append(Literal(*_NOWHERE, (place.locals[str(node.values[0])],)))
            else:
                out.append(self._expand(node, place.row() if index in rows else place))
        return out

    def _inlined(
        self,
        receiver: Syntax | None,
        call: Call,
        place: _Place,
        definition: Definition,
        names: Any,
    ) -> Syntax:
        """The body of a definition with its receiver and arguments put in.

        A long body that does not depend on where the call stands becomes a variable.
        """
        self._refuse_cycle(definition, call, place)
        arguments = [_Argument(self._expand(node, place), place) for node in call.arguments]
        if not all(isinstance(argument.plain, Literal) for argument in arguments):
            return self._bound(receiver, call, place, arguments, (definition, names))
        spelled = ", ".join(printed(argument.plain) for argument in arguments)
        key = (id(names), f"{definition.name}({spelled})")
        if key not in self._named:
            self._needs.append({})
            body = self._bound(None, call, place, arguments, (definition, names))
            needs = self._needs.pop()
            text = printed(body)
            if _reads_row(body) and receiver is not None:
                return self._bound(receiver, call, place, arguments, (definition, names))
            if _reads_row(body) or len(text) < _WORTH_A_NAME:
                self._needs[-1].update(needs)
                return body
            words = [definition.name, *re.findall(r"[A-Za-z0-9]+", spelled)]
            name = self._free_name("_".join(words), names, own=not arguments)
            self._named[key] = self.variables[name] = PlainVariable(name, text, names, tuple(needs))
        variable = self._named[key].name
        self._needs[-1][variable] = None
        return Variable(*_NOWHERE, variable)

    def _bound(
        self,
        receiver: Syntax | None,
        call: Call,
        place: _Place,
        arguments: list[_Argument],
        found: tuple[Definition, Any],
    ) -> Syntax:
        """The body; an argument that means something else inside it is set as a variable before."""
        definition, names = found
        tree = names.tree(definition)
        parameters = dict(zip(definition.parameters or (), arguments, strict=True))
        body = self._expand(
            tree,
            _Place(
                definition.expression,
                names,
                place.level,
                receiver,
                parameters,
                self._locals(tree, names),
                (*place.active, definition.name),
            ),
        )
        captured = [item for item in arguments if item.variable is not None]
        if not captured:
            return body
        if any(part.name == "$index" for part in _free_specials(body)):
            raise place.error(call, f"{call.name}() cannot be expanded where $index is used")
        chain: Syntax | None = None
        for item in captured:
            name = Literal(*_NOWHERE, (item.variable,))
            chain = _called(chain, "defineVariable", name, item.plain)
        return _called(chain, "select", body)

    def _operation(self, node: Operation, place: _Place) -> Syntax:
        operands = tuple(self._expand(part, place) for part in node.operands)
        return Operation(*_NOWHERE, node.operator, operands)

    def _index(self, node: Index, place: _Place) -> Syntax:
        return Index(*_NOWHERE, self._expand(node.left, place), self._expand(node.index, place))

    def _polarity(self, node: Polarity, place: _Place) -> Syntax:
        return Polarity(*_NOWHERE, node.sign, self._expand(node.operand, place))

    def _type_test(self, node: TypeTest, place: _Place) -> Syntax:
        operand = self._expand(node.operand, place)
        return TypeTest(*_NOWHERE, node.operator, operand, node.type_name)

    # -- our own functions ------------------------------------------------------------------

    def _is_true(self, receiver: Syntax | None, _call: Call, _place: _Place) -> Syntax:
        return _called(_called(receiver, "where", _THIS), "exists")

    def _is_false(self, receiver: Syntax | None, _call: Call, _place: _Place) -> Syntax:
        return _called(_called(receiver, "where", _called(_THIS, "not")), "exists")

    def _is_unknown(self, receiver: Syntax | None, _call: Call, _place: _Place) -> Syntax:
        return _called(receiver, "empty")

    def _local_date(self, receiver: Syntax | None, _call: Call, _place: _Place) -> Syntax:
        """The day as it was written: plain FHIRPath has no time zone of the site."""
        return _called(receiver, "toDate")

    def _member_of(self, receiver: Syntax | None, call: Call, place: _Place) -> Syntax:
        reference = self._expand(call.arguments[0], place)
        if not isinstance(reference, Literal) or not reference.values:
            return _called(receiver, "memberOf", reference)
        text = str(reference.values[0])
        codes = self._listed(text)
        if codes is None:
            return _called(receiver, "memberOf", Literal(*_NOWHERE, (self._canonical(text),)))
        return _called(receiver, "select", _any_coding(codes))

    def _message(self, receiver: Syntax | None, call: Call, place: _Place) -> Syntax:
        """The English text, put together from its facts: plain FHIRPath has no messages."""
        node = call.arguments[0]
        text = place.names.message(str(node.values[0])) if isinstance(node, Literal) else None
        if text is None:
            raise place.error(node, "there is no such message")
        tree = parse(in_fhirpath(parse_text(text.default), place.names))
        if receiver is None:
            return self._expand(tree, place)
        return _called(receiver, "select", self._expand(tree, place.row()))


_EXPANSIONS: Mapping[type[Syntax], Callable[[Exporter, Any, _Place], Syntax]] = {
    Literal: Exporter._literal,  # noqa: SLF001 - the class's own table
    Member: Exporter._member,  # noqa: SLF001
    Special: Exporter._special,  # noqa: SLF001
    Variable: Exporter._name,  # noqa: SLF001
    Path: Exporter._path,  # noqa: SLF001
    Call: Exporter._call,  # noqa: SLF001
    Operation: Exporter._operation,  # noqa: SLF001
    Index: Exporter._index,  # noqa: SLF001
    Polarity: Exporter._polarity,  # noqa: SLF001
    TypeTest: Exporter._type_test,  # noqa: SLF001
}
_REWRITTEN: Mapping[str, Callable[[Exporter, Syntax | None, Call, _Place], Syntax]] = {
    "isTrue": Exporter._is_true,  # noqa: SLF001
    "isFalse": Exporter._is_false,  # noqa: SLF001
    "isUnknown": Exporter._is_unknown,  # noqa: SLF001
    "localDate": Exporter._local_date,  # noqa: SLF001
    "memberOf": Exporter._member_of,  # noqa: SLF001
    "message": Exporter._message,  # noqa: SLF001
}


def _called(receiver: Syntax | None, name: str, *arguments: Syntax) -> Syntax:
    call = Call(*_NOWHERE, name, arguments)
    return call if receiver is None else Path(*_NOWHERE, receiver, call)


def _any_coding(codes: Codes) -> Syntax:
    """On a Coding or CodeableConcept: one of its codings is one of these."""
    tests = " or ".join(
        f"system = {_string(system)} and code in ({' | '.join(map(_string, listed))})"
        for system, listed in codes
    )
    return parse(f"ofType(CodeableConcept).coding.combine(ofType(Coding)).exists({tests})")


def _children(node: Syntax) -> tuple[Syntax, ...]:
    match node:
        case Call():
            return node.arguments
        case Path():
            return node.left, node.right
        case Index():
            return node.left, node.index
        case Polarity() | TypeTest():
            return (node.operand,)
        case Operation():
            return node.operands
    return ()


def _parts(node: Syntax) -> Iterator[Syntax]:
    yield node
    for child in _children(node):
        yield from _parts(child)


def _reads_row(node: Syntax) -> bool:
    """Whether the value of a plain part depends on the item that it is evaluated for."""
    match node:
        case Member() | Special():
            return True
        case Path(right=Call() as call):
            return _reads_row(node.left) or _reads_arguments(call)
        case Path():
            return _reads_row(node.left)
        case Call():
            return node.name not in _WITHOUT_INPUT or _reads_arguments(node)
    return any(_reads_row(child) for child in _children(node))


def _reads_arguments(call: Call) -> bool:
    if call.name in _OF_TYPES:
        return False
    rows = _ROWS.get(call.name, frozenset())
    for index, node in enumerate(call.arguments):
        if index not in rows and _reads_row(node):
            return True
        if index in rows and any(part.name == "$total" for part in _free_specials(node)):
            return True
    return False


def _free_specials(node: Syntax) -> Iterator[Special]:
    """`$index` and `$total` that are not given by a lambda inside this part."""
    if isinstance(node, Special):
        yield node
    if not isinstance(node, Call):
        for child in _children(node):
            yield from _free_specials(child)
        return
    rows = _ROWS.get(node.name, frozenset())
    for index, argument in enumerate(node.arguments):
        given = {"$this", "$index"} if index in rows else set()
        if node.name == "aggregate" and index in rows:
            given.add("$total")
        yield from (part for part in _free_specials(argument) if part.name not in given)


# -- printing -------------------------------------------------------------------------------

_RANKS = {
    **dict.fromkeys(("implies",), 1),
    **dict.fromkeys(("or", "xor"), 2),
    **dict.fromkeys(("and",), 3),
    **dict.fromkeys(("in", "contains"), 4),
    **dict.fromkeys(("=", "~", "!=", "!~"), 5),
    **dict.fromkeys(("<", "<=", ">", ">="), 6),
    **dict.fromkeys(("|",), 7),
    **dict.fromkeys(("is", "as"), 8),
    **dict.fromkeys(("+", "-", "&"), 9),
    **dict.fromkeys(("*", "/", "div", "mod"), 10),
}
"""How tightly an operator binds (section 6.8)."""

_SIGNED, _TERM = 11, 12
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEYWORDS = frozenset(
    {
        "and", "as", "asc", "contains", "desc", "div", "false", "implies", "in", "is", "mod", "or",
        "true", "xor",
    }
)  # fmt: skip
_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f"}


def printed(node: Syntax) -> str:
    """The text of an expression, with the parentheses that it needs and no others."""
    return _PRINTERS[type(node)](node)


def _rank(node: Syntax) -> int:
    match node:
        case Operation() | TypeTest():
            return _RANKS[node.operator]
        case Polarity():
            return _SIGNED
        case Literal(values=(Quantity(),)):
            return _SIGNED
    return _TERM


def _within(node: Syntax, rank: int) -> str:
    """The text, in parentheses when it binds less tightly than what stands around it."""
    text = printed(node)
    return text if _rank(node) >= rank else f"({text})"


def _string(text: str) -> str:
    return "'" + "".join(_ESCAPES.get(character, character) for character in text) + "'"


def _identifier(name: str) -> str:
    if _NAME.fullmatch(name) and name not in _KEYWORDS:
        return name
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _print_literal(node: Literal) -> str:
    if not node.values:
        return "{}"
    value = node.values[0]
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _string(value)
        case Long():
            return f"{int(value)}L"
        case Decimal():
            return f"{value:f}"
        case DateTime() if len(value.parts) <= 3:
            return f"@{value}T"
        case Temporal():
            return f"{value.literal_prefix}{value}"
    return str(value)


def _print_call(node: Call) -> str:
    if node.name in _OF_TYPES:
        return f"{node.name}({type_name_of(node.arguments[0])})"
    name = node.name if _NAME.fullmatch(node.name) else _identifier(node.name)
    return f"{name}({', '.join(map(printed, node.arguments))})"


def _print_operation(node: Operation) -> str:
    rank = _RANKS[node.operator]
    first, *others = node.operands
    texts = [_within(first, rank), *(_within(other, rank + 1) for other in others)]
    return f" {node.operator} ".join(texts)


_PRINTERS: Mapping[type[Syntax], Callable[[Any], str]] = {
    Literal: _print_literal,
    Member: lambda node: _identifier(node.name),
    Special: lambda node: str(node.name),
    Variable: lambda node: f"%{_identifier(node.name)}",
    Call: _print_call,
    Path: lambda node: f"{_within(node.left, _TERM)}.{printed(node.right)}",
    Index: lambda node: f"{_within(node.left, _TERM)}[{printed(node.index)}]",
    Polarity: lambda node: f"{node.sign}{_within(node.operand, _TERM)}",
    Operation: _print_operation,
    TypeTest: lambda node: (
        f"{_within(node.operand, _RANKS['is'])} {node.operator} {node.type_name}"
    ),
}
