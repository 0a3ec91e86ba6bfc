"""Filtering and projection, subsetting, combining (sections 5.2 to 5.4).

The incomplete bit passes through filters and projections. Whatever depends on which item stands
where is unknown over an incomplete collection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_service.errors import EvaluationError
from cds_service.fhirpath import readings
from cds_service.fhirpath.code import Code, Compiling, Site, Types
from cds_service.fhirpath.collection import UNKNOWN, Incomplete, scalar
from cds_service.fhirpath.equality import contains
from cds_service.fhirpath.equality import distinct as distinct_items
from cds_service.fhirpath.evaluation import Frame, unknown
from cds_service.fhirpath.functions.lambdas import Lambda, barren, filtered, projected, set_index
from cds_service.fhirpath.functions.registry import (
    Table,
    keep,
    merged,
    over_collections,
    same,
)
from cds_service.fhirpath.leads import all_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from cds_service.fhirpath.functions.registry import Build

TABLE = Table()


def _build_where(compiler: Compiling, site: Site) -> Code:
    row = Lambda(compiler, site, site.call.arguments[0])
    run = filtered(site.receiver, row)
    path = row.kept_path(site.receiver)
    found = barren(site.receiver, row)
    return Code(run, site.receiver.types, **row.uses(site.receiver), path=path, barren=found)


def _build_select(compiler: Compiling, site: Site) -> Code:
    row = Lambda(compiler, site, site.call.arguments[0])
    run = projected(site.receiver.run, row.code.run, row.index_slot)
    path, inner = site.receiver.path, readings.reading_of(row.code)
    reading = None if path is None or inner is None else readings.selected(path, inner)
    without = site.receiver.barren and site.receiver.barren.answering([], [])
    found = row.uses(site.receiver)
    return Code(run, row.code.types, **found, reading=reading, barren=without)


def _build_repeat(compiler: Compiling, site: Site) -> Code:
    """`repeat` (5.2.3) and `repeatAll`: project again and again until nothing new comes."""
    untyped = Site(site.call, Code(site.receiver.run), site.scope)
    row = Lambda(compiler, untyped, site.call.arguments[0])
    source, projection, slot = site.receiver.run, row.code.run, row.index_slot
    unique = site.call.name == "repeat"

    def run(frame: Frame, this: list[Any]) -> list[Any]:
        layer = source(frame, this)
        complete = type(layer) is list
        out: list[Any] = []
        while layer:
            found: list[Any] = []
            for position, item in enumerate(layer):
                if slot is not None:
                    set_index(frame, slot, position, known=complete)
                result = projection(frame, [item])
                complete = complete and type(result) is list
                found.extend(result)
            layer = distinct_items([*out, *found])[len(out) :] if unique else found
            out.extend(layer)
            frame.evaluation.budget.charge(len(out))
        return out if complete else Incomplete(out)

    return Code(run, None, **row.uses(site.receiver))


def single(items: list[Any]) -> list[Any]:
    """`single()` (5.3.2): the one item; EvaluationError for more."""
    if type(items) is not list:
        return unknown()
    if len(items) > 1:
        raise EvaluationError(
            f"single() found {len(items)} items", code="not-a-singleton", hint="use first()"
        )
    return list(items)


def first(items: list[Any]) -> list[Any]:
    """`first()` (5.3.3)."""
    return items[:1] if type(items) is list else unknown()


def last(items: list[Any]) -> list[Any]:
    """`last()` (5.3.4)."""
    return items[-1:] if type(items) is list else unknown()


def tail(items: list[Any]) -> list[Any]:
    """`tail()` (5.3.5)."""
    return items[1:] if type(items) is list else unknown()


def skip(items: list[Any], number: list[Any]) -> list[Any]:
    """`skip(number)` (5.3.6)."""
    count = _count("skip", number)
    if count is UNKNOWN or type(items) is not list:
        return unknown()
    return [] if count is None else items[max(count, 0) :]


def take(items: list[Any], number: list[Any]) -> list[Any]:
    """`take(number)` (5.3.7)."""
    count = _count("take", number)
    if count is UNKNOWN or type(items) is not list:
        return unknown()
    return [] if count is None else items[: max(count, 0)]


def item_at(items: list[Any], number: list[Any]) -> list[Any]:
    """`[index]` (5.3.1), counted from zero."""
    position = _count("[]", number)
    if position is UNKNOWN or type(items) is not list:
        return unknown()
    return items[position : position + 1] if position is not None and position >= 0 else []


def _count(name: str, number: list[Any]) -> Any:
    value = scalar(number)
    if value is None or value is UNKNOWN:
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise EvaluationError(f"{name} needs a whole number", code="type-mismatch")
    return value


def intersect(items: list[Any], other: list[Any]) -> list[Any]:
    """`intersect(other)` (5.3.8): what is known to be in both.

    Complete when every item of a complete side was found in the other one; the order is that of
    the input, so of an incomplete input at most one item can be told completely.
    """
    distinct = distinct_items(items)
    out = [item for item in distinct if contains(other, item)]
    if type(items) is list and (type(other) is list or len(out) == len(distinct)):
        return out
    if type(other) is list and len(out) < 2 and all(contains(items, item) for item in other):
        return out
    return Incomplete(out)


def exclude(items: list[Any], other: list[Any]) -> list[Any]:
    """`exclude(other)` (5.3.9): what may be in an incomplete `other` is not kept."""
    rest = [item for item in items if not contains(other, item)]
    if type(other) is list:
        return keep(rest, items)
    return [] if not rest and type(items) is list else unknown()


def combine(items: list[Any], other: list[Any]) -> list[Any]:
    """`combine(other)` (5.4.2): all items of both, repetitions kept."""
    return keep([*items, *other], items, other)


def union(items: list[Any], other: list[Any]) -> list[Any]:
    """`union(other)` (5.4.1), the function form of `|`."""
    return keep(distinct_items([*items, *other]), items, other)


def _build_both(implementation: Callable[..., list[Any]], *, repeats: bool) -> Build:
    """Both collections in one; `repeats` says that items that are equal all stay.

    A second argument, `preserveOrder`, changes nothing: the order is preserved in any case.
    """

    def build(compiler: Compiling, site: Site) -> Code:
        other, *_ = [compiler.operand(node, site.scope) for node in site.call.arguments]
        source, argument = site.receiver.run, other.run

        def run(frame: Frame, this: list[Any]) -> list[Any]:
            items, others = source(frame, this), argument(frame, this)
            if items and others:
                frame.evaluation.budget.charge(len(items) + len(others))
            elif repeats and type(items) is list and type(others) is list:
                return items or others
            return implementation(items, others)

        one, second = readings.reading_of(site.receiver), readings.reading_of(other)
        return Code(
            run,
            joint_types(site.receiver, other),
            **merged(site.receiver, other),
            reading=readings.combined(one, second) if repeats else None,
            barren=all_of([site.receiver.barren, other.barren], []),
        )

    return build


def joint_types(*codes: Code) -> Types:
    """The types that items of any of these may have; an empty literal adds none."""
    found: frozenset[str] = frozenset()
    for code in codes:
        if code.constant == ():
            continue
        if code.types is None:
            return None
        found |= code.types
    return found or None


def _build_coalesce(compiler: Compiling, site: Site) -> Code:
    """`coalesce(a, b, ...)`: the first that is not empty; an unknown one before leaves it open."""
    arguments = [compiler.operand(node, site.scope) for node in site.call.arguments]

    def run(frame: Frame, this: list[Any]) -> list[Any]:
        for argument in arguments:
            result = argument.run(frame, this)
            if result or type(result) is not list:
                return result
        return []

    return Code(run, joint_types(*arguments), **merged(*arguments))


TABLE.declare("where", _build_where, arity=(1, 1), section="5.2.1")
TABLE.declare("select", _build_select, arity=(1, 1), section="5.2.2")
TABLE.declare("repeat", _build_repeat, arity=(1, 1), section="5.2.3")
TABLE.declare("repeatAll", _build_repeat, arity=(1, 1), section="3.0 5.2.4")
TABLE.declare("single", over_collections(single, same), arity=(0, 0), section="5.3.2")
TABLE.declare("first", over_collections(first, same), arity=(0, 0), section="5.3.3")
TABLE.declare("last", over_collections(last, same), arity=(0, 0), section="5.3.4")
TABLE.declare("tail", over_collections(tail, same), arity=(0, 0), section="5.3.5")
TABLE.declare("skip", over_collections(skip, same), arity=(1, 1), section="5.3.6")
TABLE.declare("take", over_collections(take, same), arity=(1, 1), section="5.3.7")
TABLE.declare("intersect", over_collections(intersect, same), arity=(1, 1), section="5.3.8")
TABLE.declare("exclude", over_collections(exclude, same), arity=(1, 1), section="5.3.9")
TABLE.declare("combine", _build_both(combine, repeats=True), arity=(1, 2), section="5.4.2")
TABLE.declare("union", _build_both(union, repeats=False), arity=(1, 1), section="5.4.1")
TABLE.declare("coalesce", _build_coalesce, arity=(1, None), section="3.0 5.3.10")
