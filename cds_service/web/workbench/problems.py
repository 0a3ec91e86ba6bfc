"""What people read when a page cannot be shown; scripts get the OperationOutcome of every route."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import request
from werkzeug.exceptions import HTTPException

from cds_service.errors import CdsError
from cds_service.web import errors

if TYPE_CHECKING:
    from flask import Blueprint, Response

    from cds_service.web.workbench.bench import Bench


def register(pages: Blueprint, bench: Bench) -> None:
    """Answer the problems of these pages with a page, and those of their scripts with JSON."""

    def refused(error: HTTPException) -> Response | tuple[str, int]:
        if request.method != "GET" or error.code == 403:
            return errors.of_http(error)
        return _page(bench, error.code or 500, error.description or error.name, None)

    def ours(error: CdsError) -> Response | tuple[str, int]:
        if request.method != "GET" or error.status >= 500:
            return errors.of_ours(error)
        return _page(bench, error.status, error.message, error.hint)

    pages.register_error_handler(HTTPException, refused)
    pages.register_error_handler(CdsError, ours)


def _page(bench: Bench, status: int, message: str, hint: str | None) -> tuple[str, int]:
    return bench.page("problem.html", here="", status=status, message=message, hint=hint), status
