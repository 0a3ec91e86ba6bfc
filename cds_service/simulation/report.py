"""The forms in which a result can be had: as text, or as a file."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from cds_service import fhir_json
from cds_service.simulation import result as results
from cds_service.simulation import text_report

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cds_service.simulation.result import Result


def _table(result: Result) -> str:
    return "\n".join(text_report.lines(result)) + "\n"


def _csv(result: Result) -> str:
    text = io.StringIO()
    text_report.write_csv(result, text)
    return text.getvalue()


def _json(result: Result) -> str:
    return fhir_json.pretty(results.as_json(result)) + "\n"


TEXTS: Mapping[str, Callable[[Result], str]] = {"table": _table, "csv": _csv, "json": _json}
"""The forms that are text."""

FORMATS = tuple(TEXTS)
