"""The bodies of requests and answers: JSON, and the form of a search."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from flask import Response, current_app, request
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from cds_service import fhir_json
from cds_service.errors import short

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
_JSON_TYPES = frozenset({JSON, "text/json", "application/json+fhir"})


def json_body() -> Any:
    """The JSON value of the request's body (GEN-11, GEN-12); raises RequestError, 413 and 415."""
    media_type = request.mimetype
    is_json = media_type in _JSON_TYPES or (
        media_type.startswith("application/") and media_type.endswith("+json")
    )
    if not is_json:
        sent = f"not {short(media_type)}" if media_type else "and the request names none"
        raise UnsupportedMediaType(
            f"the body must be JSON, {sent}; send the header Content-Type: {JSON}"
        )
    return fhir_json.decode(_body())


def form_body() -> list[tuple[str, str]]:
    """The names and values of a form; raises 413 and 415. No body at all is an empty form."""
    media_type = request.mimetype
    if media_type not in {FORM, ""}:
        raise UnsupportedMediaType(
            f"the body must be a form, not {short(media_type)}; "
            f"send the header Content-Type: {FORM}"
        )
    body = _body()
    if body and not media_type:
        raise UnsupportedMediaType(f"the body has no type; send the header Content-Type: {FORM}")
    return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)


def _body() -> bytes:
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise UnsupportedMediaType(
            "the body is compressed (Content-Encoding), and nothing is unpacked here; "
            "send it as it is, without that header"
        )
    body = request.get_data(cache=False)
    if len(body) > current_app.config["MAX_BODY_BYTES"]:
        raise RequestEntityTooLarge
    return body


def json_answer(value: Any, *, status: int = 200) -> Response:
    """The value as the body of an answer."""
    return Response(fhir_json.encode(value), status=status, content_type=JSON)
