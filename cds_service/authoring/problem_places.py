"""Where a problem of a case stands: the file as the folder names it, line and column."""

from __future__ import annotations

from cds_service import fhir_json
from cds_service.engine.source import steps_of
from cds_service.errors import ContentError, Where


def placed_in_case(error: ContentError, file: str, text: str) -> ContentError:
    """The same problem of a case, with the file as it is named in the folder, line and column."""
    where = error.where or Where()
    line, column = where.line, where.column
    if line is None:
        steps = steps_of(f".{where.path}") if where.path else ()
        line, column = next(
            place
            for end in range(len(steps), -1, -1)
            if (place := fhir_json.position(text, steps[:end])) is not None
        )
    error.where = Where(file, where.path, line, column)
    return error
