"""JSON as the body of requests and answers."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app, request
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from cds_service import fhir_json
from cds_service.errors import short

JSON = "application/json"
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
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise UnsupportedMediaType(
            "the body is compressed (Content-Encoding), and nothing is unpacked here; "
            "send it as it is, without that header"
        )
    body = request.get_data(cache=False)
    if len(body) > current_app.config["MAX_BODY_BYTES"]:
        raise RequestEntityTooLarge
    return fhir_json.decode(body)


def json_answer(value: Any, *, status: int = 200) -> Response:
    """The value as the body of an answer."""
    return Response(fhir_json.encode(value), status=status, content_type=JSON)
