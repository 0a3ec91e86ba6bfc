"""The function table: every function of FHIRPath, FHIR and this project, by name."""

from __future__ import annotations

from cds_service.fhirpath.functions import (
    boundaries,
    clock,
    control,
    conversion,
    existence,
    fhir,
    filtering,
    mathematics,
    messages,
    strings,
    truths,
    types,
)
from cds_service.fhirpath.functions.registry import Function, Table

__all__ = ["FUNCTIONS", "Function"]

FUNCTIONS: Table = Table()
for _chapter in (
    existence.TABLE,
    filtering.TABLE,
    conversion.TABLE,
    strings.TABLE,
    mathematics.TABLE,
    clock.TABLE,
    boundaries.TABLE,
    control.TABLE,
    types.TABLE,
    fhir.TABLE,
    truths.TABLE,
    messages.TABLE,
):
    FUNCTIONS.update(_chapter)
