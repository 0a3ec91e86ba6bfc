"""Which conditions can come out unknown at all: a static rule over the syntax tree.

A condition *cannot* be unknown only where that is proved from its text and its definitions:

- `isTrue()`, `isFalse()`, `isUnknown()`, literals, `%hook`, `%profile`, `today()` and the item of a
  for-each are always there and always whole; the request's own data (`%context`, `%draftOrders`,
  `%selected`, `%userId`, `%unavailable`) are whole, though perhaps empty;
- elements, `where`, `select` and their like are whole where all that they read is; `exists()`,
  `empty()` and `count()` of a whole collection are never empty;
- `and`, `or`, `not()`, `iif()` and calls of definitions are as good as their parts; a `message()`
  is one text for each item that it is called on;
- prefetch data, `resolve()`, comparisons other than with a text, and every function not named here
  count as possibly unknown.

It errs to one side: what it calls two-valued is, and some of the rest may be as well. Those are
exceptions that an author states with a reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cds_service.authoring.expressions import tree_of
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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cds_service.authoring.expressions import Place


@dataclass(frozen=True, slots=True)
class Doubt:
    """What a part's value may lack: it may be `empty`, or not `whole` (something is not known)."""

    empty: bool
    partial: bool

    @property
    def is_any(self) -> bool:
        """Whether a condition with this value may be neither true nor false."""
        return self.empty or self.partial


SURE = Doubt(empty=False, partial=False)
WHOLE = Doubt(empty=True, partial=False)
UNSURE = Doubt(empty=True, partial=True)

_ALWAYS_THERE = frozenset({"hook", "profile", "action"})
_OF_THE_REQUEST = frozenset({"context", "draftOrders", "selected", "userId", "unavailable"})
_DEFINITE = frozenset({"isTrue", "isFalse", "isUnknown", "today", "now"})
_AS_ITS_FOCUS = frozenset({"not", "message"})
_EXISTENCE = frozenset({"exists", "empty", "count"})
_KEEPING = frozenset(
    {
        "where", "select", "ofType", "combine", "union", "distinct", "first", "last", "tail",
        "skip", "take", "repeat", "intersect", "exclude", "children",
    }
)  # fmt: skip
_TEXTUAL = frozenset({"startsWith", "endsWith", "contains", "memberOf"})
_LOGICAL = frozenset({"and", "or", "xor", "implies"})


@dataclass(frozen=True, slots=True)
class _Names:
    """What is in force at one place: `$this`, and parameters or for-each items by name."""

    this: Doubt
    bound: Mapping[str, Doubt]

    def on(self, this: Doubt) -> _Names:
        return _Names(this, self.bound)


class UnknownRule:
    """Judges conditions against the definitions of the guideline; each definition once."""

    def __init__(self, found: Iterable[Place]) -> None:
        self._definitions: dict[str, list[Place]] = {}
        for place in found:
            if place.kind == "definition":
                self._definitions.setdefault(place.name, []).append(place)
        self._named: dict[str, Doubt] = {}
        self._underway: list[str] = []

    def can_be_unknown(self, text: str, items: Iterable[str] = ()) -> bool:
        """Whether the condition may come out unknown; `items` are the for-each names around it."""
        names = _Names(UNSURE, dict.fromkeys(items, SURE))
        return self._doubt(tree_of(text), names).is_any

    def _doubt(self, node: Syntax, names: _Names) -> Doubt:
        return _RULES[type(node)](self, node, names)

    def special(self, node: Any, names: _Names) -> Doubt:
        """`$this` is what it stands for; `$index` is always there; `$total` may be anything."""
        known = {"$this": names.this, "$index": SURE}
        return known.get(node.name, UNSURE)

    def variable(self, node: Any, names: _Names) -> Doubt:
        """A bound item, a definition, the request, or data that may not have been obtained."""
        if node.name in names.bound:
            return names.bound[node.name]
        if node.name in self._definitions:
            return self._definition(node.name)
        if node.name in _ALWAYS_THERE:
            return SURE
        return WHOLE if node.name in _OF_THE_REQUEST else UNSURE

    def _definition(self, name: str) -> Doubt:
        if name not in self._named:
            if name in self._underway:
                return UNSURE
            self._underway.append(name)
            self._named[name] = self._bodies(name, _Names(UNSURE, {}))
            self._underway.pop()
        return self._named[name]

    def _bodies(self, name: str, names: _Names) -> Doubt:
        """The worst of the definitions that have this name."""
        return _either(self._doubt(tree_of(place.text), names) for place in self._definitions[name])

    def member(self, _node: Any, names: _Names) -> Doubt:
        """An element of the focus: it may be missing."""
        return Doubt(empty=True, partial=names.this.partial)

    def path(self, node: Any, names: _Names) -> Doubt:
        """`left.right`: the right side, with the left as its focus."""
        left = self._doubt(node.left, names)
        if isinstance(node.right, Member):
            return Doubt(empty=True, partial=left.partial)
        return self._called(node.right, left, names)

    def call(self, node: Any, names: _Names) -> Doubt:
        """A function of the focus."""
        return self._called(node, names.this, names)

    def _called(self, node: Any, receiver: Doubt, names: _Names) -> Doubt:
        name = node.name
        if name in _DEFINITE:
            return SURE
        if name in _AS_ITS_FOCUS:
            return receiver
        if name in self._definitions:
            return self._expanded(node, receiver, names)
        if name == "iif":
            return self._choice(node, receiver, names)
        rows = [self._doubt(part, names.on(SURE)) for part in node.arguments]
        is_partial = receiver.partial or any(row.partial for row in rows)
        if name in _EXISTENCE:
            return Doubt(empty=False, partial=is_partial)
        if name in _KEEPING:
            return Doubt(empty=True, partial=is_partial)
        if name in _TEXTUAL:
            return Doubt(receiver.empty or any(row.empty for row in rows), is_partial)
        return UNSURE

    def _expanded(self, node: Any, receiver: Doubt, names: _Names) -> Doubt:
        place = self._definitions[node.name][0]
        if node.name in self._underway or len(self._definitions[node.name]) > 1:
            return UNSURE
        given = [self._doubt(part, names) for part in node.arguments]
        bound = dict(zip(place.parameters or (), given, strict=False))
        self._underway.append(node.name)
        found = self._doubt(tree_of(place.text), _Names(receiver, {**names.bound, **bound}))
        self._underway.pop()
        return found

    def _choice(self, node: Any, receiver: Doubt, names: _Names) -> Doubt:
        """`iif`: an empty criterion takes the second branch, an unknown one leaves it open."""
        del receiver  # the branches look at the same focus
        criterion, *branches = (self._doubt(part, names) for part in node.arguments)
        found = _either(branches)
        return Doubt(found.empty or len(branches) == 1, found.partial or criterion.partial)

    def operation(self, node: Any, names: _Names) -> Doubt:
        """Connectives are as good as their parts; comparisons with a text as well."""
        parts = [self._doubt(part, names) for part in node.operands]
        is_partial = any(part.partial for part in parts)
        if node.operator in _LOGICAL:
            return _either(parts)
        if node.operator == "in":
            return Doubt(parts[0].empty, is_partial)
        if node.operator in {"=", "!="} and any(_is_text(part) for part in node.operands):
            return _either(parts)
        return Doubt(empty=node.operator != "&", partial=is_partial)

    def index(self, node: Any, names: _Names) -> Doubt:
        """`left[index]`: there may be no such item."""
        return Doubt(empty=True, partial=self._doubt(node.left, names).partial)

    def operand(self, node: Any, names: _Names) -> Doubt:
        """A sign or a type test: as its operand, but a failed `as` is empty."""
        found = self._doubt(node.operand, names)
        is_cast = isinstance(node, TypeTest) and node.operator == "as"
        return Doubt(found.empty or is_cast, found.partial)


def _either(doubts: Iterable[Doubt]) -> Doubt:
    found = list(doubts)
    return Doubt(any(item.empty for item in found), any(item.partial for item in found))


def _is_text(node: Syntax) -> bool:
    return isinstance(node, Literal) and bool(node.values) and isinstance(node.values[0], str)


_RULES: dict[type[Syntax], Callable[[UnknownRule, Any, _Names], Doubt]] = {
    Literal: lambda _rule, node, _names: SURE if node.values else WHOLE,
    Special: UnknownRule.special,
    Variable: UnknownRule.variable,
    Member: UnknownRule.member,
    Path: UnknownRule.path,
    Call: UnknownRule.call,
    Index: UnknownRule.index,
    Operation: UnknownRule.operation,
    Polarity: UnknownRule.operand,
    TypeTest: UnknownRule.operand,
}
