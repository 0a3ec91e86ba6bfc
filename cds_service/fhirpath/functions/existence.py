"""Existence (section 5.1): whether there is something, and how much.

Over an incomplete collection an answer is given only when the missing items cannot change it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_service.errors import EvaluationError
from cds_service.fhirpath import facts, readings
from cds_service.fhirpath.code import Code, Compiling, Run, Site
from cds_service.fhirpath.collection import UNKNOWN, describe, system_value
from cds_service.fhirpath.equality import contains
from cds_service.fhirpath.equality import distinct as distinct_items
from cds_service.fhirpath.evaluation import Frame, unknown
from cds_service.fhirpath.functions.lambdas import Lambda, barren, every, filtered
from cds_service.fhirpath.functions.registry import (
    BOOLEAN,
    INTEGER,
    Table,
    keep,
    merged,
    over_collections,
    run_over,
    same,
)
from cds_service.fhirpath.operators import boolean

if TYPE_CHECKING:
    from cds_service.fhirpath.rows import Fact

TABLE = Table()


def empty(items: list[Any]) -> list[Any]:
    """`empty()` (5.1.1): false as soon as one item is known."""
    if items:
        return [False]
    return [True] if type(items) is list else unknown()


def _build_exists(compiler: Compiling, site: Site) -> Code:
    """`exists(criterion)` (5.1.2): true as soon as one item is known."""
    path = site.receiver.path
    if not site.call.arguments:
        fact = _existing(site.receiver, None) if path is None else facts.exists(path)
        run = _existence(site.receiver.run)
        without = site.receiver.barren and site.receiver.barren.answering([], [False])
        return Code(run, BOOLEAN, **merged(site.receiver), fact=fact, barren=without)
    row = Lambda(compiler, site, site.call.arguments[0])
    path = row.kept_path(site.receiver)
    kept = compiler.noting(filtered(site.receiver, row), site.scope)
    fact = _existing(site.receiver, row.code.fact) if path is None else facts.exists(path)
    if row.code.fact is None:
        fact = None
    without = barren(site.receiver, row)
    return Code(
        _existence(kept),
        BOOLEAN,
        **row.uses(site.receiver),
        fact=fact,
        barren=without and without.answering([], [False]),
    )


def _existing(receiver: Code, criterion: Fact | None) -> Fact | None:
    """The fact that a value is there, and that a criterion is true of it."""
    return None if receiver.reading is None else readings.exists(receiver.reading, criterion)


def _existence(source: Run) -> Run:
    def run(frame: Frame, this: list[Any]) -> list[Any]:
        items = source(frame, this)
        if items:
            return [True]
        return [False] if type(items) is list else unknown()

    return run


def _build_all(compiler: Compiling, site: Site) -> Code:
    row = Lambda(compiler, site, site.call.arguments[0])
    run = every(site.receiver.run, row.code.run, row.index_slot)
    return Code(run, BOOLEAN, **row.uses(site.receiver))


def _quantifier(name: str, *, looked_for: bool, found: bool) -> None:
    """Declare allTrue and its kin: one item equal to `looked_for` makes the answer `found`."""

    def quantify(items: list[Any]) -> list[Any]:
        for item in items:
            value = system_value(item)
            if not isinstance(value, bool):
                raise EvaluationError(
                    f"{name}() works on booleans, not on {describe(value)}", code="type-mismatch"
                )
            if value is looked_for:
                return [found]
        return [not found] if type(items) is list else unknown()

    TABLE.declare(name, over_collections(quantify, BOOLEAN), arity=(0, 0), section="5.1")


_quantifier("allTrue", looked_for=False, found=False)
_quantifier("anyTrue", looked_for=True, found=True)
_quantifier("allFalse", looked_for=True, found=False)
_quantifier("anyFalse", looked_for=False, found=True)


def subset_of(items: list[Any], other: list[Any]) -> list[Any]:
    """`subsetOf(other)` (5.1.8): a known item missing from a complete `other` decides."""
    missing = any(not contains(other, item) for item in items)
    if missing:
        return [False] if type(other) is list else unknown()
    return [True] if type(items) is list else unknown()


def superset_of(items: list[Any], other: list[Any]) -> list[Any]:
    """`supersetOf(other)` (5.1.9)."""
    return subset_of(other, items)


def count(items: list[Any]) -> list[Any]:
    """`count()` (5.1.10)."""
    return [len(items)] if type(items) is list else unknown()


def distinct(items: list[Any]) -> list[Any]:
    """`distinct()` (5.1.11)."""
    return keep(distinct_items(items), items)


def is_distinct(items: list[Any]) -> list[Any]:
    """`isDistinct()` (5.1.12): a known repetition decides."""
    if len(distinct_items(items)) != len(items):
        return [False]
    return [True] if type(items) is list else unknown()


def negation(items: list[Any]) -> list[Any]:
    """`not()` (6.5.3)."""
    value = boolean(items)
    if value is UNKNOWN:
        return unknown()
    return [] if value is None else [not value]


def _build_empty(_compiler: Compiling, site: Site) -> Code:
    path = site.receiver.path
    fact = None if path is None else facts.exists(path, negated=True)
    run = run_over(empty, site.receiver.run, [])
    return Code(run, BOOLEAN, **merged(site.receiver), fact=fact)


def _build_not(_compiler: Compiling, site: Site) -> Code:
    fact = None if site.receiver.fact is None else facts.negation(site.receiver.fact)
    run = run_over(negation, site.receiver.run, [])
    without = site.receiver.barren and site.receiver.barren.answering([False], [True])
    return Code(run, BOOLEAN, **merged(site.receiver), fact=fact, barren=without)


TABLE.declare("empty", _build_empty, arity=(0, 0), section="5.1.1")
TABLE.declare("exists", _build_exists, arity=(0, 1), section="5.1.2")
TABLE.declare("all", _build_all, arity=(1, 1), section="5.1.3")
TABLE.declare("subsetOf", over_collections(subset_of, BOOLEAN), arity=(1, 1), section="5.1.8")
TABLE.declare("supersetOf", over_collections(superset_of, BOOLEAN), arity=(1, 1), section="5.1.9")
TABLE.declare("count", over_collections(count, INTEGER), arity=(0, 0), section="5.1.10")
TABLE.declare("distinct", over_collections(distinct, same), arity=(0, 0), section="5.1.11")
TABLE.declare("isDistinct", over_collections(is_distinct, BOOLEAN), arity=(0, 0), section="5.1.12")
TABLE.declare("not", _build_not, arity=(0, 0), section="6.5.3")
