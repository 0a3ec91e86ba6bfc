"""Every failure as one shape: a status and an OperationOutcome, never HTML, never a traceback.

Our own errors bring their status; the table says which FHIR issue code goes with each status
(requirements 5.1, RESP-7, RESP-9). Anything else is a bug: 500, and only its decision id is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import g
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    InternalServerError,
    MethodNotAllowed,
)  # fmt: skip

from cds_service.errors import CdsError, NotTrusted, PrefetchUnavailable
from cds_service.web import logs
from cds_service.web.json_bodies import json_answer

if TYPE_CHECKING:
    from flask import Flask, Response

ERROR_CODES = "https://lbp.example.org/fhir/CodeSystem/error-code"

_ISSUES = {
    400: "invalid",
    401: "login",
    404: "not-found",
    405: "not-supported",
    412: "incomplete",
    413: "too-long",
    415: "not-supported",
    503: "no-store",
}
_SENTENCES = {
    404: "there is nothing at this address; the services are listed at /cds-services",
    405: "this address does not answer this method; the header Allow names those it answers",
    413: "the body is larger than this service accepts (CDS_MAX_BODY_BYTES)",
}
_RETRY_AFTER_S = "5"


def register(app: Flask) -> None:
    """Answer every error of `app` with an OperationOutcome."""
    app.register_error_handler(CdsError, of_ours)
    app.register_error_handler(HTTPException, of_http)
    app.register_error_handler(ParseException, _unreadable)
    app.register_error_handler(InternalServerError, _late_bug)
    app.register_error_handler(Exception, _bug)


def of_ours(error: CdsError) -> Response:
    """The answer for one of our own errors: its status, its sentence, its hint."""
    if error.status >= 500 and error.status != 503:
        return _bug(error)
    logs.note(error=error.code)
    if isinstance(error, PrefetchUnavailable):
        logs.note(unavailable=list(error.keys))
    if isinstance(error, NotTrusted):
        logs.note(refused=error.reason, because=error.message)
        return _not_trusted()
    place = f"{error.where}: " if error.where and str(error.where) else ""
    text = place + error.message
    if error.hint:
        text = f"{text.rstrip('.')}; {error.hint}"
    response = _answer(
        error.status, text, code=error.code, member=error.where.path if error.where else None
    )
    if error.status == 503:
        response.headers["Retry-After"] = _RETRY_AFTER_S
    return response


def of_http(error: HTTPException) -> Response:
    """The answer for an error of HTTP itself."""
    status = error.code or 500
    text = _SENTENCES.get(status) or error.description or error.name
    code = error.name.lower().replace(" ", "-")
    logs.note(error=code)
    response = _answer(status, text, code=code)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _unreadable(_: ParseException) -> Response:
    return of_http(BadRequest("the body did not arrive as HTTP says it should"))


def _bug(error: BaseException) -> Response:
    logs.note(error="bug")
    g.facts["bug"] = logs.bug(error)
    return _answer(500, f"an error on our side; please report decision {g.decision_id}", code="bug")


def _late_bug(error: InternalServerError) -> Response:
    """What failed after the answer was made, for instance while it was counted."""
    return _bug(error.original_exception or error)


def _not_trusted() -> Response:
    """The same bytes whatever the reason (SEC-28, C9): not even the decision id differs."""
    code = NotTrusted.default_code
    response = _answer(401, "the caller is not known here", code=code, outcome_id=code)
    response.headers["WWW-Authenticate"] = "Bearer"
    response.cache_control.no_store = True
    return response


def _answer(
    status: int,
    text: str,
    *,
    code: str,
    member: str | None = None,
    outcome_id: str | None = None,
) -> Response:
    issue: dict[str, Any] = {
        "severity": "error" if status < 500 else "fatal",
        "code": _ISSUES.get(status, "exception" if status >= 500 else "invalid"),
        "details": {"coding": [{"system": ERROR_CODES, "code": code}]},
        "diagnostics": text,
    }
    if member:
        issue["expression"] = [member]
    outcome = {
        "resourceType": "OperationOutcome",
        "id": outcome_id or str(g.decision_id),
        "issue": [issue],
    }
    return json_answer(outcome, status=status)
