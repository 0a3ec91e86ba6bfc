"""Functions that decide what is evaluated, or name it: iif, aggregate, defineVariable, trace, sort.

Sections 5.5.1, 7 and 5.9 of the specification, and their 3.0 additions.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cmp_to_key
from typing import Any

from cds_service.errors import EvaluationError
from cds_service.fhirpath.arithmetic import add
from cds_service.fhirpath.code import Code, Compiling, Run, Site
from cds_service.fhirpath.collection import UNKNOWN, Incomplete, scalar, system_value
from cds_service.fhirpath.equality import collections_equal, order
from cds_service.fhirpath.evaluation import Frame, refuse_to_excuse, unknown
from cds_service.fhirpath.functions.filtering import joint_types
from cds_service.fhirpath.functions.lambdas import Lambda, decide, set_index
from cds_service.fhirpath.functions.registry import Table, merged, over_collections, without
from cds_service.fhirpath.quantity import Quantity
from cds_service.fhirpath.readings import Readings, chosen, constant, reading_of
from cds_service.fhirpath.references import is_taken
from cds_service.fhirpath.syntax import Literal, Polarity, Syntax

TABLE = Table()


def _build_iif(compiler: Compiling, site: Site) -> Code:
    """`iif(criterion, then, otherwise)` (5.5.1): only the chosen branch is evaluated.

    Called on a collection, that must be a single item, which then is `$this`.
    """
    on_item = site.explicit
    row = compiler.row(site.scope, site.receiver.types) if on_item else site.scope
    arguments = [compiler.operand(node, row) for node in site.call.arguments]
    criterion, then = arguments[0].run, arguments[1].run
    otherwise: Run = arguments[2].run if len(arguments) > 2 else lambda _frame, _this: []
    source = site.receiver.run

    def run(frame: Frame, this: list[Any]) -> list[Any]:
        focus = source(frame, this) if on_item else this
        if on_item and len(focus) > 1:
            raise EvaluationError("iif() is called on more than one item", code="not-a-singleton")
        verdict = decide(criterion(frame, focus))
        if verdict is UNKNOWN:
            return _agreed(then, otherwise, frame, focus)
        return (then if verdict is True else otherwise)(frame, focus)

    found = merged(site.receiver, *arguments)
    if on_item:
        found["uses"] = site.receiver.uses | without(found["uses"], row)
    reading = None if on_item else _chosen_reading(arguments)
    return Code(run, joint_types(*arguments[1:]), **found, reading=reading)


def _chosen_reading(arguments: list[Code]) -> Readings | None:
    """How the value is read from a row when that decides the criterion as well."""
    fact, branches = arguments[0].fact, [reading_of(code) for code in arguments[1:]]
    then, otherwise = (*branches, constant(()))[:2]
    if fact is None or then is None or otherwise is None:
        return None
    return chosen(fact, then, otherwise)


def _agreed(then: Run, otherwise: Run, frame: Frame, focus: list[Any]) -> list[Any]:
    """What both branches answer, or unknown when they differ or one of them cannot be evaluated."""
    try:
        one, other = then(frame, focus), otherwise(frame, focus)
    except EvaluationError as error:
        refuse_to_excuse(error)
        return unknown()
    if type(one) is not list or type(other) is not list:
        return unknown()
    if not one and not other:
        return []
    return one if collections_equal(one, other) is True else unknown()


def _build_aggregate(compiler: Compiling, site: Site) -> Code:
    """`aggregate(aggregator, init)` (7.1): unknown over an incomplete collection."""
    initial = (
        compiler.operand(site.call.arguments[1], site.scope)
        if len(site.call.arguments) > 1
        else Code(lambda _frame, _this: [])
    )
    names = frozenset({"$index", "$total"})
    row = Lambda(compiler, site, site.call.arguments[0], names)
    total = row.scope.row_slots.get("$total")
    source, step, start, slot = site.receiver.run, row.code.run, initial.run, row.index_slot

    def run(frame: Frame, this: list[Any]) -> list[Any]:
        items = source(frame, this)
        if type(items) is not list:
            return unknown()
        frame.evaluation.budget.charge(len(items))
        result = start(frame, this)
        for position, item in enumerate(items):
            if slot is not None:
                set_index(frame, slot, position, known=True)
            if total is not None:
                frame.slots[total] = result
            result = step(frame, [item])
            frame.evaluation.budget.charge(len(result))
        return result

    found = row.uses(site.receiver)
    return Code(run, None, uses=found["uses"] | initial.uses, reads=found["reads"] | initial.reads)


def _build_define_variable(compiler: Compiling, site: Site) -> Code:
    """`defineVariable(name, value)` (3.0): `%name` for what follows in the same chain.

    A name that means something already is an error, wherever it got its meaning.
    """
    scope = site.scope
    name_node = site.call.arguments[0]
    name = name_node.values[0] if isinstance(name_node, Literal) and name_node.values else None
    if not isinstance(name, str):
        raise scope.error(name_node, "the name of a variable must be a string literal")
    if is_taken(name, scope):
        raise scope.error(
            name_node, f"the variable '%{name}' is already defined here", "give it another name"
        )
    source = site.receiver.run
    value: Code = site.receiver
    row = None
    if len(site.call.arguments) > 1:
        row = compiler.row(scope, site.receiver.types)
        value = compiler.operand(site.call.arguments[1], row)
    slot = compiler.slot()
    scope.defined[name] = (slot, value.types)
    project = value.run if row is not None else None

    def run(frame: Frame, this: list[Any]) -> list[Any]:
        if frame.evaluation.holds(name):
            raise EvaluationError(f"the variable '%{name}' is already set", code="shadowed")
        items = source(frame, this)
        frame.slots[slot] = items if project is None else project(frame, items)
        return items

    found = merged(site.receiver, value)
    uses = found["uses"] if row is None else site.receiver.uses | without(found["uses"], row)
    return Code(run, site.receiver.types, None, uses | {scope.identity}, found["reads"])


def _build_trace(compiler: Compiling, site: Site) -> Code:
    """`trace(name, projection)` (5.9.1): the input, unchanged; watching is `explain`'s business."""
    codes = [compiler.operand(site.call.arguments[0], site.scope)]
    found = merged(site.receiver, *codes)
    if len(site.call.arguments) > 1:
        row = Lambda(compiler, site, site.call.arguments[1])
        found["uses"] |= without(row.code.uses, row.scope)
    return Code(site.receiver.run, site.receiver.types, **found)


@dataclass(frozen=True, slots=True)
class Direction:
    """How a key of sort() orders: 1 upwards, -1 downwards, for values and for items without one."""

    of_values: int = 1
    of_empty: int = 1


def _build_sort(compiler: Compiling, site: Site) -> Code:
    """`sort(keys...)` (3.0): by the items, or by each key; `desc` or a minus sign turns the order.

    An item without a key is the least, so it comes last after `desc`. A minus sign turns the keys
    themselves: what has none stays the least and comes first.
    """
    keys: list[tuple[Run, Direction]] = []
    uses, reads = site.receiver.uses, site.receiver.reads
    for node in site.call.arguments:
        inner, direction = _sort_key(node)
        row = Lambda(compiler, site, inner, frozenset())
        keys.append((row.code.run, direction))
        uses |= without(row.code.uses, row.scope)
        reads |= row.code.reads
    source = site.receiver.run

    def run(frame: Frame, this: list[Any]) -> list[Any]:
        items = source(frame, this)
        frame.evaluation.budget.charge(len(items))
        if keys:
            rows = [[scalar(key(frame, [item])) for key, _ in keys] for item in items]
        else:
            rows = [[system_value(item)] for item in items]
        directions = [direction for _, direction in keys] or [Direction()]

        def compare(one: tuple[int, list[Any]], other: tuple[int, list[Any]]) -> int:
            return _row_order(one[1], other[1], directions)

        order_of = [position for position, _ in sorted(enumerate(rows), key=cmp_to_key(compare))]
        out = [items[position] for position in order_of]
        certain = all(value is not UNKNOWN for row in rows for value in row)
        return out if certain and type(items) is list else Incomplete(out)

    return Code(run, site.receiver.types, None, uses, reads)


_DIRECTIONS = {"desc": Direction(-1, -1), "-": Direction(-1, 1)}


def _sort_key(node: Syntax) -> tuple[Syntax, Direction]:
    if isinstance(node, Polarity):
        return node.operand, _DIRECTIONS.get(node.sign, Direction())
    return node, Direction()


def _row_order(one: list[Any], other: list[Any], directions: list[Direction]) -> int:
    for first, second, direction in zip(one, other, directions, strict=True):
        if first is UNKNOWN or second is UNKNOWN:
            continue
        if first is None or second is None:
            result = ((first is not None) - (second is not None)) * direction.of_empty
        else:
            result = (order(first, second) or 0) * direction.of_values
        if result:
            return result
    return 0


def _total(items: list[Any]) -> list[Any]:
    """`sum()` (7.2): empty for no items."""
    if type(items) is not list:
        return unknown()
    total = items[:1]
    for item in items[1:]:
        total = add(total, [item])
    return total


def _mean(items: list[Any]) -> list[Any]:
    """`avg()` (7.5), a Decimal or a Quantity."""
    total = _total(items)
    if type(total) is not list or not total:
        return total
    value = scalar(total)
    if isinstance(value, Quantity):
        return [Quantity(value.value / len(items), value.unit, value.kind)]
    return [Decimal(value) / len(items)]


def _extreme(sign: int) -> Any:
    def extreme(items: list[Any]) -> list[Any]:
        if type(items) is not list:
            return unknown()
        best = items[:1]
        for item in items[1:]:
            values = system_value(item), system_value(best[0])
            result = None if None in values else order(*values)
            if result is None:
                return []
            if result == sign:
                best = [item]
        return best

    return extreme


TABLE.declare("iif", _build_iif, arity=(2, 3), section="5.5.1")
TABLE.declare("aggregate", _build_aggregate, arity=(1, 2), section="7.1")
TABLE.declare("defineVariable", _build_define_variable, arity=(1, 2), section="3.0 5.9.2")
TABLE.declare("trace", _build_trace, arity=(1, 2), section="5.9.1")
TABLE.declare("sort", _build_sort, arity=(0, None), section="3.0 5.3.11")
TABLE.declare("sum", over_collections(_total), arity=(0, 0), section="7.2")
TABLE.declare("avg", over_collections(_mean), arity=(0, 0), section="7.5")
TABLE.declare("min", over_collections(_extreme(-1)), arity=(0, 0), section="7.3")
TABLE.declare("max", over_collections(_extreme(1)), arity=(0, 0), section="7.4")
