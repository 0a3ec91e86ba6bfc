"""The syntax tree of an expression: frozen nodes that know where in the text they stand.

Nothing here evaluates; the tree holds text positions and literal values only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

OF_TYPES = frozenset({"is", "as", "ofType"})
"""The functions whose argument is the name of a type."""


@dataclass(frozen=True, slots=True)
class Syntax:
    """A part of an expression: characters `offset` to `end` of its text, `depth` levels high."""

    offset: int
    end: int
    depth: int


@dataclass(frozen=True, slots=True)
class Literal(Syntax):
    """A constant; `values` is empty for `{}` and has one System value otherwise."""

    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Member(Syntax):
    """An element name, relative to the focus or to the left side of a path."""

    name: str


@dataclass(frozen=True, slots=True)
class Call(Syntax):
    """A function call; the receiver is the left side of the path, or the focus."""

    name: str
    arguments: tuple[Syntax, ...]


@dataclass(frozen=True, slots=True)
class Variable(Syntax):
    """An environment variable or definition, `%name`."""

    name: str


@dataclass(frozen=True, slots=True)
class Special(Syntax):
    """One of `$this`, `$index`, `$total`."""

    name: str


@dataclass(frozen=True, slots=True)
class Path(Syntax):
    """`left.right`."""

    left: Syntax
    right: Member | Call | Special


@dataclass(frozen=True, slots=True)
class Index(Syntax):
    """`left[index]`."""

    left: Syntax
    index: Syntax


@dataclass(frozen=True, slots=True)
class Polarity(Syntax):
    """`+operand` or `-operand`; as a key of sort() also `operand asc` or `operand desc`."""

    sign: str
    operand: Syntax


@dataclass(frozen=True, slots=True)
class Operation(Syntax):
    """An infix operator; `and`, `or` and `|` hold all operands of a run of the same operator."""

    operator: str
    operands: tuple[Syntax, ...]


@dataclass(frozen=True, slots=True)
class TypeTest(Syntax):
    """`operand is type` or `operand as type`."""

    operator: str
    operand: Syntax
    type_name: str


def literal_text(value: Any) -> str:
    """The literal that denotes a System value, as it would be written in an expression."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"
    return f"{getattr(value, 'literal_prefix', '')}{value}"


def type_name_of(node: Syntax) -> str | None:
    """The type specifier that a parsed argument spells (`Quantity`, `FHIR.Patient`), else None."""
    if isinstance(node, Member):
        return node.name
    if isinstance(node, Path) and isinstance(node.left, Member) and isinstance(node.right, Member):
        return f"{node.left.name}.{node.right.name}"
    return None


def parts_of(node: Syntax) -> tuple[Syntax, ...]:
    """The parts directly below a node, as they stand in the text."""
    if isinstance(node, Call):
        return node.arguments
    if isinstance(node, Path):
        return (node.left, node.right)
    if isinstance(node, Index):
        return (node.left, node.index)
    if isinstance(node, Operation):
        return node.operands
    if isinstance(node, Polarity | TypeTest):
        return (node.operand,)
    return ()


def walk(node: Syntax) -> Iterator[Syntax]:
    """A node and all parts below it, in the order of the text."""
    pending = [node]
    while pending:  # no recursion: what nests too deeply is for the compiler to refuse
        part = pending.pop()
        yield part
        pending.extend(reversed(parts_of(part)))


def names_in(node: Syntax) -> frozenset[str]:
    """The names of variables and functions in an expression, whatever they mean."""
    return frozenset(part.name for part in walk(node) if isinstance(part, Variable | Call))


def texts_in(node: Syntax) -> frozenset[str]:
    """The texts in quotes in an expression."""
    literals = (part for part in walk(node) if isinstance(part, Literal))
    return frozenset(value for part in literals for value in part.values if isinstance(value, str))
