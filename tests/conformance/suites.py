"""The public FHIRPath suites and their judge: same items, same order, decimals within 1e-8.

The data is not part of this project; where it is absent there are no cases.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from shared_data import ROOT

from cds_service.errors import CdsError
from cds_service.fhirpath import Date, DateTime, Program, Quantity, Temporal, Time
from cds_service.fhirpath import compile as compile_expression
from cds_service.fhirpath.equality import items_equal
from cds_service.fhirpath.quantity import parse_quantity
from cds_service.fhirpath.temporal import parse_literal

NOW = datetime(2024, 6, 1, 12, 30, tzinfo=UTC)
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Suite:
    """One of the two suites: its cases, their input files, and the skip list beside this module."""

    name: str

    @property
    def folder(self) -> Path:
        return ROOT / "fhirpath" / self.name

    @property
    def available(self) -> bool:
        return (self.folder / "cases.json").is_file()

    def cases(self) -> list[dict[str, Any]]:
        return load(self.folder / "cases.json") if self.available else []

    def resource(self, case: dict[str, Any]) -> Any:
        name = case["input"]
        return load(self.folder / "inputs" / name) if name else {}

    def skipped(self) -> dict[int, str]:
        """Case id to reason."""
        raw = json.loads((HERE / f"{self.name}_skipped.json").read_text(encoding="utf-8"))
        return {int(number): reason for number, reason in raw.items()}


@cache
def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)


def failure(suite: Suite, case: dict[str, Any]) -> str | None:
    """Why a case fails, None when it passes."""
    resource = suite.resource(case)
    variables = case.get("variables") or {}
    try:
        program: Program = compile_expression(case["expr"], root_type=root_type(suite, resource))
        answer = program(resource or None, variables=variables, now=NOW)
    except CdsError as error:
        return None if case["invalid"] else f"unexpected error: {error.message}"
    if case["invalid"]:
        return f"expected an error ({case['invalid']}), answered {answer}"
    answer = [item for item in answer if item is not None]
    if case.get("predicate"):
        answer = [bool(answer) if len(answer) != 1 or answer[0] is not False else False]
    return judged(answer, case)


def root_type(suite: Suite, resource: Any) -> str | None:
    """The official suite expects static checks; the other one runs without a known type."""
    return resource.get("resourceType") if suite.name == "official" and resource else None


def judged(answer: list[Any], case: dict[str, Any]) -> str | None:
    expected = [output["value"] for output in case["outputs"]]
    message = f"expected {expected}, answered {answer}"
    if len(answer) != len(expected):
        return message
    if case["ordered"]:
        same = all(agrees(one, other) for one, other in zip(answer, expected, strict=True))
        return None if same else message
    rest = list(expected)
    for item in answer:
        match = next((index for index, other in enumerate(rest) if agrees(item, other)), None)
        if match is None:
            return message
        del rest[match]
    return None


def agrees(item: Any, expected: Any) -> bool:
    """Whether one answered item is what the case expects, in either suite's notation."""
    if isinstance(expected, str) and not isinstance(item, str):
        return spelled(item, expected)
    if isinstance(item, str) and isinstance(expected, str):
        return item == expected or item == expected.removeprefix("@").removeprefix("T")
    if isinstance(item, bool) or isinstance(expected, bool):
        return item is expected
    if isinstance(item, int | Decimal) and isinstance(expected, int | Decimal):
        return abs(Decimal(item) - Decimal(expected)) <= Decimal("1E-8")
    return bool(item == expected)


def spelled(item: Any, expected: str) -> bool:
    if isinstance(item, bool):
        return expected == str(item).lower()
    if isinstance(item, int | Decimal):
        try:
            return abs(Decimal(item) - Decimal(expected)) <= Decimal("1E-8")
        except ArithmeticError:
            return False
    if isinstance(item, Temporal):
        return same_moment(item, expected.removeprefix("@"))
    if isinstance(item, Quantity):
        other = parse_quantity(expected)
        return other is not None and items_equal(item, other) is True
    return False


def same_moment(item: Temporal, text: str) -> bool:
    candidates = [parse_literal(text), parse_literal(f"T{text}")]
    if isinstance(item, DateTime | Date) and "T" not in text:
        candidates.append(DateTime(item.parts) if str(item) == text else None)
    kinds = (Time,) if isinstance(item, Time) else (Date, DateTime)
    return any(
        isinstance(other, kinds) and items_equal(item, other) is True for other in candidates
    )
