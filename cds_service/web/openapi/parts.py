"""The pieces that the paths of the document are put together from: bodies, answers, parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Piece: TypeAlias = dict[str, Any]
"""A JSON object of an OpenAPI document."""

_FAILURES = {
    400: "What was sent cannot be used; the sentence names the member and what is expected.",
    401: "The caller is not known here; always the same body.",
    404: "There is nothing of this name.",
    406: "Only JSON is spoken.",
    412: "Required data could not be had, or data of another patient was sent; nothing was judged.",
    413: "The body is larger than this service accepts.",
    415: "The body is not JSON, or it is compressed.",
    503: "Not now; the header Retry-After says in how many seconds.",
}
_HEADERS = {
    401: {"WWW-Authenticate": {"schema": {"const": "Bearer"}}},
    503: {"Retry-After": {"schema": {"type": "string", "pattern": "^[0-9]+$"}}},
}
OF_EVERY_BODY = (400, 413, 415)
"""The failures that any body can lead to."""


def schema(name: str) -> Piece:
    """A reference to a schema of the components."""
    return {"$ref": f"#/components/schemas/{name}"}


def content(media_type: str, described: Mapping[str, Any], *, example: Any = None) -> Piece:
    """A body of one media type, with an example of it if there is one."""
    shown = {} if example is None else {"example": example}
    return {media_type: {"schema": dict(described), **shown}}


def answer(description: str, body: Piece | None = None) -> Piece:
    """One answer of an operation; without `body` it has none."""
    return {"description": description} | ({"content": body} if body else {})


def failures(statuses: Iterable[int], media_type: str) -> dict[str, Piece]:
    """The answers with these statuses: one OperationOutcome each."""
    return {
        str(status): answer(_FAILURES[status], content(media_type, schema("OperationOutcome")))
        | ({"headers": _HEADERS[status]} if status in _HEADERS else {})
        for status in sorted(statuses)
    }


def in_path(name: str, description: str, **described: Any) -> Piece:
    """A parameter that is a part of the path."""
    return _parameter("path", name, description, described) | {"required": True}


def in_query(name: str, description: str, **described: Any) -> Piece:
    """A parameter of the query."""
    return _parameter("query", name, description, described)


def in_header(name: str, description: str, **described: Any) -> Piece:
    """A header that makes a difference."""
    return _parameter("header", name, description, described)


def _parameter(where: str, name: str, description: str, described: Mapping[str, Any]) -> Piece:
    return {
        "name": name,
        "in": where,
        "description": description,
        "schema": {"type": "string"} | dict(described),
    }
