"""The CDS Hooks part of the document: discovery, and for each service its calls and feedback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_service.hooks.example_request import example_request
from cds_service.hooks.schemas import feedback_json_schema, request_json_schema
from cds_service.locales import LANGUAGES
from cds_service.web.json_bodies import JSON
from cds_service.web.openapi import parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cds_service.engine import Service

TAG = "CDS Hooks"
_NEEDS = {
    "must": "without it the call is answered with 412",
    "should": "without it some cards say what was not available, or do not appear",
    "may": "it makes some cards more exact",
}


def schemas(services: Sequence[Service]) -> dict[str, parts.Piece]:
    """The request body of each service, and that of feedback."""
    return {_request_name(service): _request(service) for service in services} | {
        "Feedback": feedback_json_schema()
    }


def paths(
    services: Sequence[Service], profiles: Sequence[str], *, may_be_refused: tuple[int, ...]
) -> Iterator[tuple[str, parts.Piece]]:
    """Each address with its operations, plain and below a profile.

    `may_be_refused` is what discovery may be refused with besides; calls always may be.
    """
    profile = parts.in_path(
        "profile", "The guideline profile that the cards rest on.", enum=list(profiles)
    )
    for start, parameters in (("", []), ("/{profile}", [profile])):
        root = f"{start}/cds-services"
        yield root, _item(parameters, get=_discovery(start, may_be_refused))
        for service in services:
            address = f"{root}/{service.id}"
            yield address, _item(parameters, post=_call(service, start))
            yield f"{address}/feedback", _item(parameters, post=_feedback(service, start))


def _item(parameters: list[parts.Piece], **operations: parts.Piece) -> parts.Piece:
    return ({"parameters": parameters} if parameters else {}) | operations


def _operation(name: str, start: str) -> parts.Piece:
    return {"operationId": name + ("-of-profile" if start else ""), "tags": [TAG]}


def _not_there(start: str) -> tuple[int, ...]:
    return (404,) if start else ()


def _discovery(start: str, may_be_refused: tuple[int, ...]) -> parts.Piece:
    responses = {
        "200": parts.answer(
            "The services and the prefetch templates of each.",
            parts.content(JSON, parts.schema("Discovery")),
        ),
        "304": parts.answer("Nothing has changed since the ETag that was sent."),
    }
    return _operation("discovery", start) | {
        "summary": "Discovery",
        "responses": responses | parts.failures((*_not_there(start), *may_be_refused, 503), JSON),
    }


def _call(service: Service, start: str) -> parts.Piece:
    language = parts.in_header(
        "Accept-Language", f"The language of the cards: {', '.join(sorted(LANGUAGES))}."
    )
    cards = parts.answer(
        "The cards, the most urgent first; none when nothing applies.",
        parts.content(JSON, parts.schema("Response")),
    )
    body = {
        "schema": parts.schema(_request_name(service)),
        "example": example_request(service.hook, service.prefetch),
    }
    return _operation(f"call-{service.id}", start) | {
        "summary": service.title.default,
        "parameters": [language],
        "requestBody": {"required": True, "content": {JSON: body}},
        "responses": {"200": cards}
        | parts.failures((*parts.OF_EVERY_BODY, *_not_there(start), 401, 412, 503), JSON),
    }


def _feedback(service: Service, start: str) -> parts.Piece:
    return _operation(f"feedback-{service.id}", start) | {
        "summary": f"Feedback on the cards of {service.id}",
        "requestBody": {
            "required": True,
            "content": parts.content(JSON, parts.schema("Feedback")),
        },
        "responses": {"200": parts.answer("All of it is stored durably.")}
        | parts.failures((*parts.OF_EVERY_BODY, *_not_there(start), 401, 503), JSON),
    }


def _request_name(service: Service) -> str:
    words = service.hook.split("-")
    return "".join(word.capitalize() for word in words) + "Request"


def _request(service: Service) -> parts.Piece:
    """What the service checks, and the prefetch keys that it reads."""
    described = request_json_schema(service.hook)
    keys: dict[str, Any] = {
        item.key: {"description": f"`{item.query}`; {item.need}: {_NEEDS[item.need]}."}
        for item in service.requirements
    }
    described["properties"]["prefetch"]["properties"] = keys
    return described
