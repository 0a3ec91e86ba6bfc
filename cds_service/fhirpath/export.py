"""Guideline FHIRPath → plain FHIRPath: definitions expanded, our own functions in standard ones.

Calls of definitions are put in where they stand, hygienically; definitions that are names become
variables, in the order in which they can be evaluated with the subject as focus. Plain FHIRPath
knows no *unknown*: what is written here answers as our engine does over complete data.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cds_service.errors import ExpressionError
from cds_service.fhirpath.dependence import PER_ROW, WITHOUT_INPUT, free_specials, reads_row
from cds_service.fhirpath.functions import FUNCTIONS
from cds_service.fhirpath.message import in_fhirpath
from cds_service.fhirpath.model import is_fhir_type
from cds_service.fhirpath.parser import parse
from cds_service.fhirpath.plain_form import PlainExpression, PlainVariable
from cds_service.fhirpath.printing import printed
from cds_service.fhirpath.standard_form import IN_STANDARD, NOWHERE, Codes, any_coding, called
from cds_service.fhirpath.syntax import (
    OF_TYPES,
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
    walk,
)
from cds_service.messages import parse as parse_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cds_service.fhirpath.definition import Definition
    from cds_service.fhirpath.library import Library

_WORTH_A_NAME = 200
"""From how many characters on the body of a call is written once, as a variable."""


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
        return replace(self, level=self.level + 1, receiver=None)

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
            for node in walk(tree)
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
            return called(place.receiver, "ofType", node)
        return Path(*NOWHERE, place.receiver, node)

    def _special(self, node: Special, place: _Place) -> Syntax:
        return place.receiver if node.name == "$this" and place.receiver is not None else node

    def _name(self, node: Variable, place: _Place) -> Syntax:
        if node.name in place.locals:
            return Variable(*NOWHERE, place.locals[node.name])
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
        return Variable(*NOWHERE, variable.name)

    def _argument(self, argument: _Argument, place: _Place) -> Syntax:
        """The argument, where it means the same here; else a variable that holds its value."""
        if argument.place.level == place.level or not reads_row(argument.plain):
            return argument.plain
        if argument.variable is None:
            argument.variable = self._free_name("value", place.names)
        return Variable(*NOWHERE, argument.variable)

    def _refuse_cycle(self, definition: Definition, node: Syntax, place: _Place) -> None:
        if definition.name in place.active:
            raise place.error(node, f"the definition '{definition.name}' uses itself")

    def _path(self, node: Path, place: _Place) -> Syntax:
        left = self._expand(node.left, place)
        if isinstance(node.right, Call):
            return self._call_on(left, node.right, place)
        return Path(*NOWHERE, left, node.right)

    def _call(self, node: Call, place: _Place) -> Syntax:
        return self._call_on(None, node, place)

    def _call_on(self, written: Syntax | None, call: Call, place: _Place) -> Syntax:
        """A call; `written` is the left side of its path, if it has one."""
        found = None if call.name in FUNCTIONS else place.names.definition(call.name)
        if found is not None:
            return self._inlined(written or place.receiver, call, place, *found)
        receiver = written
        if written is None and call.name not in WITHOUT_INPUT:
            receiver = place.receiver
        standard = IN_STANDARD.get(call.name)
        if standard is not None:
            return standard(receiver)
        rewrite = _REWRITTEN.get(call.name)
        if rewrite is not None:
            return rewrite(self, receiver, call, place)
        return called(receiver, call.name, *self._arguments(written, call, place))

    def _arguments(self, written: Syntax | None, call: Call, place: _Place) -> list[Syntax]:
        if call.name in OF_TYPES:
            return list(call.arguments)
        rows = PER_ROW.get(call.name, frozenset())
        if call.name == "iif" and written is not None:
            rows = frozenset(range(3))
        out: list[Syntax] = []
        for index, node in enumerate(call.arguments):
            if call.name == "defineVariable" and index == 0 and isinstance(node, Literal):
                out.append(Literal(*NOWHERE, (place.locals[str(node.values[0])],)))
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
            if reads_row(body) and receiver is not None:
                return self._bound(receiver, call, place, arguments, (definition, names))
            if reads_row(body) or len(text) < _WORTH_A_NAME:
                self._needs[-1].update(needs)
                return body
            words = [definition.name, *re.findall(r"[A-Za-z0-9]+", spelled)]
            name = self._free_name("_".join(words), names, own=not arguments)
            self._named[key] = self.variables[name] = PlainVariable(name, text, names, tuple(needs))
        variable = self._named[key].name
        self._needs[-1][variable] = None
        return Variable(*NOWHERE, variable)

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
        if any(part.name == "$index" for part in free_specials(body)):
            raise place.error(call, f"{call.name}() cannot be expanded where $index is used")
        chain: Syntax | None = None
        for item in captured:
            name = Literal(*NOWHERE, (item.variable,))
            chain = called(chain, "defineVariable", name, item.plain)
        return called(chain, "select", body)

    def _operation(self, node: Operation, place: _Place) -> Syntax:
        operands = tuple(self._expand(part, place) for part in node.operands)
        return Operation(*NOWHERE, node.operator, operands)

    def _index(self, node: Index, place: _Place) -> Syntax:
        return Index(*NOWHERE, self._expand(node.left, place), self._expand(node.index, place))

    def _polarity(self, node: Polarity, place: _Place) -> Syntax:
        return Polarity(*NOWHERE, node.sign, self._expand(node.operand, place))

    def _type_test(self, node: TypeTest, place: _Place) -> Syntax:
        operand = self._expand(node.operand, place)
        return TypeTest(*NOWHERE, node.operator, operand, node.type_name)

    # -- our own functions ------------------------------------------------------------------

    def _member_of(self, receiver: Syntax | None, call: Call, place: _Place) -> Syntax:
        reference = self._expand(call.arguments[0], place)
        if not isinstance(reference, Literal) or not reference.values:
            return called(receiver, "memberOf", reference)
        text = str(reference.values[0])
        codes = self._listed(text)
        if codes is None:
            return called(receiver, "memberOf", Literal(*NOWHERE, (self._canonical(text),)))
        return called(receiver, "select", any_coding(codes))

    def _message(self, receiver: Syntax | None, call: Call, place: _Place) -> Syntax:
        """The English text, put together from its facts: plain FHIRPath has no messages."""
        node = call.arguments[0]
        text = place.names.message(str(node.values[0])) if isinstance(node, Literal) else None
        if text is None:
            raise place.error(node, "there is no such message")
        tree = parse(in_fhirpath(parse_text(text.default), place.names))
        if receiver is None:
            return self._expand(tree, place)
        return called(receiver, "select", self._expand(tree, place.row()))


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
    "memberOf": Exporter._member_of,  # noqa: SLF001
    "message": Exporter._message,  # noqa: SLF001
}
