"""The forms in which a result can be had: as text, or as a file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from cds_service import fhir_json
from cds_service.simulation import result as results
from cds_service.simulation import text_report

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from cds_service.simulation.result import Result


def _table(result: Result) -> str:
    return "\n".join(text_report.lines(result)) + "\n"


def _csv(result: Result) -> str:
    text = io.StringIO()
    text_report.write_csv(result, text)
    return text.getvalue()


def _json(result: Result) -> str:
    return fhir_json.pretty(results.as_json(result)) + "\n"


def _html(result: Result) -> str:
    from cds_service.simulation import page_report  # noqa: PLC0415 - only this form needs pygal

    return page_report.html(result)


TEXTS: Mapping[str, Callable[[Result], str]] = {
    "table": _table, "csv": _csv, "json": _json, "html": _html,
}  # fmt: skip
"""The forms that are text."""

PARQUET = "parquet"
FORMATS = (*TEXTS, PARQUET)


def write(result: Result, form: str, path: Path) -> None:
    """Write a result to a file in one of the `FORMATS`."""
    if form == PARQUET:
        from cds_service.simulation import parquet  # noqa: PLC0415 - only this form needs it

        parquet.write(result, path)
    else:
        path.write_text(TEXTS[form](result), encoding="utf-8")
