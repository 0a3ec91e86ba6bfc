"""Mutants: single small changes of what the guideline says, each of which some case should notice.

Changes are made in the text of conditions, repetitions and the definitions that they use, at
places known from the syntax tree; and in the priority of cards.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cds_service.authoring.expressions import mentions, reach, tree_of, uses
from cds_service.fhirpath import Quantity
from cds_service.fhirpath.lexer import tokens
from cds_service.fhirpath.syntax import Call, Literal, Operation, Path, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from cds_service.authoring.expressions import Place
    from cds_service.fhirpath.syntax import Syntax

NO_CODES = "mutation-no-codes"
"""Id of the value set without codes that stands in for another one."""

_COMPARISONS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "=": "!=", "!=": "="}
_CONNECTIVES = {"and": "or", "or": "and", "xor": "or", "implies": "and"}
_FUNCTIONS = {
    "isTrue": "isFalse",
    "isFalse": "isTrue",
    "isUnknown": "isTrue",
    "exists": "empty",
    "empty": "exists",
    "all": "exists",
}
_DROPPED = frozenset({"not", "isTrue"})


@dataclass(frozen=True, slots=True)
class Edit:
    """The characters `start` to `end` of a text, and what takes their place."""

    start: int
    end: int
    new: str
    kind: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: in which expression, of what, into what.

    `nth` tells changes of the same expression apart that read alike, from 1.
    """

    place: Place
    edit: Edit
    nth: int = 1

    @property
    def original(self) -> str:
        """The characters that are changed."""
        return self.place.text[self.edit.start : self.edit.end]

    @property
    def change(self) -> str:
        """`42 → 43`; a part that is taken out reads `.not() → nothing`."""
        return f"{self.original} → {self.edit.new or 'nothing'}"

    @property
    def text(self) -> str:
        """The whole expression after the change."""
        text = self.place.text
        return text[: self.edit.start] + self.edit.new + text[self.edit.end :]

    @property
    def line(self) -> int | None:
        """The line of the file on which the change stands."""
        return self.place.line_at(self.edit.start)


def mutants(found: Sequence[Place], value_sets: Callable[[str], bool]) -> list[Mutant]:
    """All mutants, in file order; `value_sets` says whether a text names a loaded value set.

    A definition is changed only if some condition or repetition uses it: what only a text shows
    is not part of the decision.
    """
    decisive = _decisive(found)
    every: list[Mutant] = []
    for place in found:
        if place.kind != "definition" or place.name in decisive:
            changes = edits(place.text, value_sets)
            if place.kind == "condition":
                idle = _idle_ends(tree_of(place.text))
                changes = (e for e in changes if e.kind != "unknown" or e.end not in idle)
            every.extend(_numbered(place, changes))
    return every


def _idle_ends(tree: Syntax) -> frozenset[int]:
    """Where a condition ends in `isTrue()` by way of nothing but `and` and `or`.

    Without it the verdict is *cannot tell* instead of *not met*, and never *fired*: the answer of
    the service is the same, so that this is no mutant.
    """
    if isinstance(tree, Operation) and tree.operator in {"and", "or"}:
        return frozenset().union(*map(_idle_ends, tree.operands))
    if isinstance(tree, Path) and isinstance(tree.right, Call) and tree.right.name == "isTrue":
        return frozenset({tree.end})
    return frozenset()


def _decisive(found: Iterable[Place]) -> frozenset[str]:
    """The definitions that conditions and repetitions lead to."""
    listed = list(found)
    read: set[str] = set()
    for place in listed:
        if place.kind != "definition":
            read |= mentions(place.text).names
    return reach(read, uses(listed))


def _numbered(place: Place, changes: Iterable[Edit]) -> Iterator[Mutant]:
    seen: dict[tuple[str, str], int] = {}
    for edit in changes:
        key = (place.text[edit.start : edit.end], edit.new)
        seen[key] = seen.get(key, 0) + 1
        yield Mutant(place, edit, seen[key])


def edits(text: str, value_sets: Callable[[str], bool]) -> Iterator[Edit]:
    """Every change of an expression that keeps it an expression, in the order of the text."""
    tree = tree_of(text)
    found = [edit for node in walk(tree) for edit in _edits_of(node, text, value_sets)]
    yield from sorted(found, key=lambda edit: (edit.start, edit.end, edit.new))


def _edits_of(node: Syntax, text: str, value_sets: Callable[[str], bool]) -> Iterator[Edit]:
    if isinstance(node, Literal):
        yield from _of_literal(node, text, value_sets)
    elif isinstance(node, Operation):
        yield from _of_operation(node, text)
    elif isinstance(node, Call) and node.name in _FUNCTIONS:
        end = node.offset + len(node.name)
        new = _FUNCTIONS[node.name]
        if not (node.arguments and new == "empty"):  # empty() takes no criterion
            yield Edit(node.offset, end, new, "function")
    elif isinstance(node, Path) and isinstance(node.right, Call) and node.right.name in _DROPPED:
        start = text.rindex(".", 0, node.right.offset)
        kind = "negation" if node.right.name == "not" else "unknown"
        yield Edit(start, node.end, "", kind)


def _of_operation(node: Operation, text: str) -> Iterator[Edit]:
    other = _COMPARISONS.get(node.operator) or _CONNECTIVES.get(node.operator)
    if other is None:
        return
    kind = "comparison" if node.operator in _COMPARISONS else "connective"
    for left, right in zip(node.operands, node.operands[1:], strict=False):
        gap = text[left.end : right.offset]
        for token in tokens(gap.replace("(", " ").replace(")", " ")):
            if token.value == node.operator:
                yield Edit(left.end + token.offset, left.end + token.end, other, kind)


def _of_literal(node: Literal, text: str, value_sets: Callable[[str], bool]) -> Iterator[Edit]:
    value: Any = node.values[0] if node.values else None
    if isinstance(value, bool):
        yield Edit(node.offset, node.end, "false" if value else "true", "truth")
    elif isinstance(value, str):
        if value_sets(value):
            yield Edit(node.offset, node.end, f"'{NO_CODES}'", "value set")
    elif isinstance(value, int | Decimal | Quantity):
        yield from _of_number(node, text)


def _of_number(node: Literal, text: str) -> Iterator[Edit]:
    """One step up and one down, in the last digit that is written."""
    digits = tokens(text[node.offset : node.end])[0]
    written = text[node.offset : node.offset + digits.end]
    number = Decimal(written)
    step = Decimal(1).scaleb(int(number.as_tuple().exponent))
    for changed in (number - step, number + step):
        if changed >= 0:
            yield Edit(node.offset, node.offset + digits.end, str(changed), "number")


def changed_resource(resource: Any, steps: Sequence[str | int], text: str) -> Any:
    """The resource with the text at the end of `steps` replaced; the rest is shared."""
    if not steps:
        return text
    step, rest = steps[0], steps[1:]
    if isinstance(step, int):
        changed = list(resource)
        changed[step] = changed_resource(resource[step], rest, text)
        return changed
    members: Mapping[str, Any] = resource
    return {**members, step: changed_resource(members[step], rest, text)}
