"""The infix operators on collections, with empty and unknown kept apart (section 6).

An unknown operand gives unknown, unless the other one decides.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import ge, gt, le, lt
from typing import TYPE_CHECKING, Any

from cds_service.errors import EvaluationError
from cds_service.fhirpath.arithmetic import (
    add,
    concatenate,
    divide,
    integer_divide,
    modulo,
    multiply,
    subtract,
)
from cds_service.fhirpath.collection import (
    TEMPORAL_TYPES,
    UNKNOWN,
    Incomplete,
    Node,
    scalar,
    system_value,
)
from cds_service.fhirpath.equality import (
    collections_equal,
    collections_equivalent,
    contains,
    distinct,
    order,
)
from cds_service.fhirpath.evaluation import Frame, refuse_to_excuse, unknown
from cds_service.fhirpath.temporal import Date

if TYPE_CHECKING:
    from cds_service.fhirpath.code import Run

Binary = Callable[[list[Any], list[Any]], list[Any]]


def boolean(collection: list[Any]) -> Any:
    """True, False, None (empty) or UNKNOWN of an operand of a boolean operator.

    A single item that is not a boolean counts as true (section 4.5).
    """
    if type(collection) is list and len(collection) == 1:
        value = collection[0]
        if value is True or value is False:
            return value
    value = scalar(collection)
    return value if value is None or value is UNKNOWN or isinstance(value, bool) else True


def conjunction(operands: list[Run]) -> Run:
    """`and`: false wins, then unknown, then empty (6.5.1). Evaluated from left to right."""
    return _settled(operands, decisive=False)


def disjunction(operands: list[Run]) -> Run:
    """`or`: true wins, then unknown, then empty (6.5.2)."""
    return _settled(operands, decisive=True)


def _settled(operands: list[Run], *, decisive: bool) -> Run:
    opposite = not decisive

    def run(frame: Frame, this: list[Any]) -> list[Any]:
        open_: list[Any] | None = None
        for operand in operands:
            try:
                found = operand(frame, this)
                # The plain case, one boolean, without a call; `boolean` knows all others.
                value = found[0] if type(found) is list and len(found) == 1 else None
                if value is opposite:
                    continue
                if value is decisive:
                    return found
                value = boolean(found)
            except EvaluationError as error:
                if type(open_) is not Incomplete:
                    raise
                refuse_to_excuse(error)
                continue
            if value is decisive:
                return [decisive]
            open_ = _left_open(open_, value)
        return [opposite] if open_ is None else open_

    return run


def _left_open(before: list[Any] | None, value: Any) -> list[Any] | None:
    """What is known after an operand that decides nothing: unknown is weaker than empty."""
    if value is UNKNOWN:
        return unknown()
    return [] if before is None and value is None else before


def exclusive_or(left: list[Any], right: list[Any]) -> list[Any]:
    """`xor`: needs both sides (6.5.4)."""
    one, other = boolean(left), boolean(right)
    if one is UNKNOWN or other is UNKNOWN:
        return unknown()
    return [] if one is None or other is None else [one is not other]


def implication(left: Run, right: Run) -> Run:
    """`implies`: a false left or a true right side decides (6.5.5)."""

    def run(frame: Frame, this: list[Any]) -> list[Any]:
        condition = boolean(left(frame, this))
        if condition is False:
            return [True]
        try:
            conclusion = boolean(right(frame, this))
        except EvaluationError as error:
            if condition is not UNKNOWN:
                raise
            refuse_to_excuse(error)
            return unknown()
        if conclusion is True:
            return [True]
        if condition is UNKNOWN or conclusion is UNKNOWN:
            return unknown()
        return [] if condition is None or conclusion is None else [False]

    return run


def equal(left: list[Any], right: list[Any]) -> list[Any]:
    """`=` (6.1.1)."""
    return _equality(left, right, negated=False)


def not_equal(left: list[Any], right: list[Any]) -> list[Any]:
    """`!=` (6.1.2)."""
    return _equality(left, right, negated=True)


def _equality(left: list[Any], right: list[Any], *, negated: bool) -> list[Any]:
    if type(left) is not list or type(right) is not list:
        return unknown()
    result = collections_equal(left, right)
    if result is None:
        return unknown() if _holds_unknown(left) or _holds_unknown(right) else []
    return [result is not negated]


def equals_text(source: Run, text: str) -> Run:
    """`source = 'text'`: the common shape of a criterion, without a detour over collections."""
    other: list[Any] = [text]

    def run(frame: Frame, this: list[Any]) -> list[Any]:
        items = source(frame, this)
        if type(items) is list and len(items) == 1:
            item = items[0]
            if type(item) is str:
                return [item == text]
            if type(item) is Node and type(item.value) is str and item.type not in TEMPORAL_TYPES:
                return [item.value == text]
        return equal(items, other)

    return run


def _holds_unknown(collection: list[Any]) -> bool:
    return any(type(item) is Node and system_value(item) is UNKNOWN for item in collection)


def equivalent(left: list[Any], right: list[Any]) -> list[Any]:
    """`~` (6.1.3)."""
    if type(left) is not list or type(right) is not list:
        return unknown()
    return [collections_equivalent(left, right)]


def not_equivalent(left: list[Any], right: list[Any]) -> list[Any]:
    """`!~` (6.1.4)."""
    if type(left) is not list or type(right) is not list:
        return unknown()
    return [not collections_equivalent(left, right)]


_UNREAD = frozenset({list, Incomplete, Node})
"""What `scalar` has to look at: a collection that is not one item, and elements."""


def _ordered(accept: Callable[[Any, Any], bool]) -> Binary:
    def compare(left: list[Any], right: list[Any]) -> list[Any]:
        if not left or not right:
            return [] if type(left) is list is type(right) else unknown()
        one = left[0] if type(left) is list and len(left) == 1 else left
        other = right[0] if type(right) is list and len(right) == 1 else right
        if type(one) in _UNREAD:
            one = scalar(left)
        if type(other) in _UNREAD:
            other = scalar(right)
        if one is UNKNOWN or other is UNKNOWN:
            return unknown()
        if one is None or other is None:
            return []
        result = order(one, other)
        return [] if result is None else [accept(result, 0)]

    return compare


def ordering(left: Run, right: Run, operator: str) -> Run:
    """`left < right` and its kin; two days of one precision, as most of them compare, at once."""
    accept, compare = ORDER[operator], BINARY[operator]

    def run(frame: Frame, this: list[Any]) -> list[Any]:
        one, other = left(frame, this), right(frame, this)
        if type(one) is list is type(other) and len(one) == 1 == len(other):
            day, bound = one[0], other[0]
            if type(day) is Date is type(bound):
                first, second = day.parts, bound.parts
                if len(first) == len(second):
                    return [accept(first, second)]
        return compare(one, other)

    return run


def member_of(left: list[Any], right: list[Any]) -> list[Any]:
    """`in` (6.4.2): found among known items is true, not found in an incomplete one is unknown."""
    if type(left) is not list:
        return unknown()
    if not left:
        return []
    if len(left) > 1:
        raise EvaluationError("'in' and 'contains' look for a single item", code="not-a-singleton")
    if contains(right, left[0]):
        return [True]
    return [False] if type(right) is list else unknown()


def holds(left: list[Any], right: list[Any]) -> list[Any]:
    """`contains` (6.4.3)."""
    return member_of(right, left)


def union(operands: list[Run]) -> Run:
    """`|`: all items of all operands, each once (6.4.1)."""

    def run(frame: Frame, this: list[Any]) -> list[Any]:
        complete = True
        together: list[Any] = []
        for operand in operands:
            items = operand(frame, this)
            together.extend(items)
            complete = complete and type(items) is list
        frame.evaluation.budget.charge(len(together))
        out = distinct(together)
        return out if complete else Incomplete(out)

    return run


BINARY: dict[str, Binary] = {
    "xor": exclusive_or,
    "=": equal,
    "!=": not_equal,
    "~": equivalent,
    "!~": not_equivalent,
    "<": _ordered(lt),
    "<=": _ordered(le),
    ">": _ordered(gt),
    ">=": _ordered(ge),
    "in": member_of,
    "contains": holds,
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": divide,
    "div": integer_divide,
    "mod": modulo,
    "&": concatenate,
}
"""The operators that evaluate both sides, then answer."""

ORDER: dict[str, Callable[[Any, Any], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}
"""What the operators of order accept of two numbers."""

BOOLEAN_RESULT = frozenset(
    {"xor", "=", "!=", "~", "!~", "<", "<=", ">", ">=", "in", "contains", "and", "or", "implies"}
)
