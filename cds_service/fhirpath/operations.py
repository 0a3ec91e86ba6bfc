"""Infix operators compiled: the closure, and what JSON or a look-up tells in its place."""

from __future__ import annotations

from dataclasses import replace
from itertools import dropwhile
from typing import TYPE_CHECKING, Any

from cds_service.fhirpath import facts, readings
from cds_service.fhirpath.bounds import Bound, Bounds
from cds_service.fhirpath.code import Code, Compiling, Run, Scope
from cds_service.fhirpath.functions.filtering import joint_types
from cds_service.fhirpath.functions.registry import BOOLEAN, merged
from cds_service.fhirpath.leads import all_of
from cds_service.fhirpath.operators import (
    BINARY,
    BOOLEAN_RESULT,
    ORDER,
    conjunction,
    disjunction,
    equals_text,
    implication,
    ordering,
    union,
)
from cds_service.fhirpath.rows import leading_to_any

if TYPE_CHECKING:
    from cds_service.fhirpath.evaluation import Frame
    from cds_service.fhirpath.readings import Readings
    from cds_service.fhirpath.rows import Fact, Leading
    from cds_service.fhirpath.syntax import Operation

_CALCULATIONS = frozenset({"+", "-", "*", "/"})


def compile_operation(compiler: Compiling, node: Operation, scope: Scope) -> Code:
    """The code of an operation, its operands watched where it is traced and a truth value."""
    operator = node.operator
    visible = operator in BOOLEAN_RESULT
    build = compiler.observe if visible else compiler.operand
    operands = [build(part, scope) for part in node.operands]
    runs = [operand.run for operand in operands]
    run = _operator_run(operator, runs)
    fact = guard = rest = reading = bounds = None
    if operator == "=" and operands[1].constant:
        constant, path = operands[1].constant[0], operands[0].path
        fact = None if path is None else facts.equals(path, constant)
        if isinstance(constant, str):
            run = equals_text(runs[0], constant)
    elif operator in {"and", "or"}:
        fact, guard, rest = _settled_facts(operator, operands)
        bounds = _bounds_of_all(operands) if operator == "and" else None
    else:
        fact, reading = _read(operator, operands)
        bounds = _bounded(operator, operands) if fact is None else None
    leading = _leading(operator, operands)
    types = BOOLEAN if visible else (joint_types(*operands) if operator == "|" else None)
    leads = [operand.barren for operand in (operands[:1] if operator == "and" else operands)]
    return Code(
        run,
        types,
        **merged(*operands),
        fact=fact,
        guard=guard,
        rest=rest,
        leading=leading,
        reading=reading,
        bounds=bounds,
        barren=all_of(leads, [False]) if operator in {"and", "or"} else None,
    )


def _leading(operator: str, operands: list[Code]) -> Leading | None:
    """The value sets that `and` starts with, or that `or` is between."""
    if operator == "or":
        return leading_to_any([operand.leading for operand in operands])
    first = operands[0].leading if operator == "and" else None
    return None if first is None else replace(first, whole=False)


def _read(operator: str, operands: list[Code]) -> tuple[Fact | None, Readings | None]:
    """What an order or a calculation of numbers is, if the row's JSON tells both of them."""
    if len(operands) != 2 or not (operator in ORDER or operator in _CALCULATIONS):
        return None, None
    left, right = (readings.reading_of(operand) for operand in operands)
    if left is None or right is None:
        return None, None
    if operator in ORDER:
        return readings.compared(left, right, ORDER[operator]), None
    return None, readings.calculated(left, right, BINARY[operator])


def _bounded(operator: str, operands: list[Code]) -> Bounds | None:
    """What is remembered of the row, compared with what is the same for all rows."""
    left, right = operands[0], operands[-1]
    if operator not in ORDER or left.remembered is None or not right.closed:
        return None
    bound = Bound(left.run, left.remembered.known, ORDER[operator], right.run)
    return Bounds((bound,), None)


def _bounds_of_all(operands: list[Code]) -> Bounds | None:
    """The bounds that `and` starts with, after its facts."""
    left = list(dropwhile(lambda operand: operand.fact is not None, operands))
    found: tuple[Bound, ...] = ()
    while left and (bounds := left[0].bounds) is not None and bounds.rest is None:
        found += bounds.bounds
        left.pop(0)
    if not found:
        return None
    return Bounds(found, _all_of(left) if left else None)


def _all_of(operands: list[Code]) -> Run:
    """`and` between what is left of its operands; one truth value alone is that."""
    if len(operands) == 1 and operands[0].types == BOOLEAN:
        return operands[0].run
    return conjunction([operand.run for operand in operands])


def _settled_facts(
    operator: str, operands: list[Code]
) -> tuple[Fact | None, Fact | None, Run | None]:
    """The fact that `and` or `or` is; of `and`, the guard at its start and the rest behind that."""
    told: list[Fact] = []
    for operand in operands:
        if operand.fact is None:
            break
        told.append(operand.fact)
    if len(told) == len(operands):
        return facts.settled(told, decisive=operator == "or"), None, None
    if operator == "or":
        return None, None, None
    left = operands[len(told) :]
    rest = _all_of(left)
    if left[0].guard is not None:
        told.append(left[0].guard)
    return None, facts.settled(told, decisive=False) if told else None, rest


def _operator_run(operator: str, runs: list[Run]) -> Run:
    if operator == "and":
        return conjunction(runs)
    if operator == "or":
        return disjunction(runs)
    if operator == "|":
        return union(runs)
    if operator == "implies":
        return implication(runs[0], runs[1])
    if operator in ORDER:
        return ordering(runs[0], runs[1], operator)
    apply = BINARY[operator]
    left, right = runs

    def run(frame: Frame, this: list[Any]) -> list[Any]:
        return apply(left(frame, this), right(frame, this))

    return run
