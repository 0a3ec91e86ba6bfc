"""Short forms for the property tests: an expression in, plain values out."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from hypothesis import settings

from cds_service.fhirpath import Program
from cds_service.fhirpath import compile as compile_expression

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
bounded = settings(max_examples=60)
"""A property test of the default run, in a second or so."""


@lru_cache(maxsize=1024)
def _program(expression: str) -> Program:
    return compile_expression(expression)


def answer(expression: str, *, now: datetime = NOW, **variables: Any) -> list[Any]:
    """What an expression answers."""
    return _program(expression)({}, variables=variables, now=now)


def text(expression: str, *, now: datetime = NOW, **variables: Any) -> str:
    """What an expression answers, as it would be written; the empty string for nothing."""
    return ", ".join(str(item) for item in answer(expression, now=now, **variables))
