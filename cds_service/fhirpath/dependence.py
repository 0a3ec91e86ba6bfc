"""What the parts of an expression depend on: the row they are evaluated for, or nothing of it.

Reads syntax trees only. The export decides with it what may stand outside a lambda.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cds_service.fhirpath.syntax import (
    OF_TYPES,
    Call,
    Member,
    Path,
    Special,
    Syntax,
    parts_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PER_ROW: Mapping[str, frozenset[int]] = {
    **dict.fromkeys(
        ("where", "select", "all", "exists", "repeat", "repeatAll", "aggregate"), frozenset({0})
    ),
    "trace": frozenset({1}),
    "defineVariable": frozenset({1}),
    "sort": frozenset(range(100)),
}
"""The arguments that run once per item, by function."""

WITHOUT_INPUT = frozenset({"today", "now", "timeOfDay", "iif", "coalesce", "message"})
"""Functions that do not start from what they are called on."""


def reads_row(node: Syntax) -> bool:
    """Whether the value of a plain part depends on the item that it is evaluated for."""
    match node:
        case Member() | Special():
            return True
        case Path(right=Call() as call):
            return reads_row(node.left) or _reads_arguments(call)
        case Path():
            return reads_row(node.left)
        case Call():
            return node.name not in WITHOUT_INPUT or _reads_arguments(node)
    return any(reads_row(child) for child in parts_of(node))


def _reads_arguments(call: Call) -> bool:
    if call.name in OF_TYPES:
        return False
    rows = PER_ROW.get(call.name, frozenset())
    for index, node in enumerate(call.arguments):
        if index not in rows and reads_row(node):
            return True
        if index in rows and any(part.name == "$total" for part in free_specials(node)):
            return True
    return False


def free_specials(node: Syntax) -> Iterator[Special]:
    """`$index` and `$total` that are not given by a lambda inside this part."""
    if isinstance(node, Special):
        yield node
    if not isinstance(node, Call):
        for child in parts_of(node):
            yield from free_specials(child)
        return
    rows = PER_ROW.get(node.name, frozenset())
    for index, argument in enumerate(node.arguments):
        given = {"$this", "$index"} if index in rows else set()
        if node.name == "aggregate" and index in rows:
            given.add("$total")
        yield from (part for part in free_specials(argument) if part.name not in given)
