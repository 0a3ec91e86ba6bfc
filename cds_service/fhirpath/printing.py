"""Syntax tree → text: an expression written out, with the parentheses that it needs and no others.

Nothing here knows definitions or evaluates; `parse(printed(tree))` is the same tree.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cds_service.fhirpath.parser import RESERVED
from cds_service.fhirpath.quantity import Quantity
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
    type_name_of,
)
from cds_service.fhirpath.values import DateTime, Long, Temporal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
_KEYWORDS = RESERVED | {"as", "asc", "contains", "desc", "in", "is"}
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


def string_literal(text: str) -> str:
    """The text as a FHIRPath string, with quotes and escapes."""
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
            return string_literal(value)
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
    if node.name in OF_TYPES:
        return f"{node.name}({type_name_of(node.arguments[0])})"
    name = node.name if _NAME.fullmatch(node.name) else _identifier(node.name)
    return f"{name}({', '.join(map(printed, node.arguments))})"


def _print_operation(node: Operation) -> str:
    rank = _RANKS[node.operator]
    first, *others = node.operands
    texts = [_within(first, rank), *(_within(other, rank + 1) for other in others)]
    return f" {node.operator} ".join(texts)


def _print_polarity(node: Polarity) -> str:
    if node.sign in {"asc", "desc"}:
        return f"{printed(node.operand)} {node.sign}"
    return f"{node.sign}{_within(node.operand, _TERM)}"


_PRINTERS: Mapping[type[Syntax], Callable[[Any], str]] = {
    Literal: _print_literal,
    Member: lambda node: _identifier(node.name),
    Special: lambda node: str(node.name),
    Variable: lambda node: f"%{_identifier(node.name)}",
    Call: _print_call,
    Path: lambda node: f"{_within(node.left, _TERM)}.{printed(node.right)}",
    Index: lambda node: f"{_within(node.left, _TERM)}[{printed(node.index)}]",
    Polarity: _print_polarity,
    Operation: _print_operation,
    TypeTest: lambda node: (
        f"{_within(node.operand, _RANKS['is'])} {node.operator} {node.type_name}"
    ),
}
