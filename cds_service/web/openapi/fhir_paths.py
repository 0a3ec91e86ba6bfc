"""The FHIR part of the document: reading, searching and the operations of the FHIR face."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_service.data import search
from cds_service.web.capability import FHIR_JSON, OPERATIONS
from cds_service.web.fhir_operations import PARAMETERS
from cds_service.web.json_bodies import FORM
from cds_service.web.openapi import parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TAG = "FHIR"
PATH = "/fhir"
_FORMAT = parts.in_query(
    "_format", "JSON in any of its names.", enum=[FHIR_JSON, "application/json", "json"]
)
_PRETTY = parts.in_query("_pretty", "`true` has the answer indented.")
_PREFER = parts.in_header(
    "Prefer", "`handling=lenient` has unknown parameters ignored, not refused."
)
_CONTROLS = {
    "_count": parts.in_query(
        "_count",
        f"Resources per page, at most {search.MOST}; 0 counts only.",
        type="integer",
        minimum=0,
        maximum=999_999_999,
    ),
    "_offset": parts.in_query(
        "_offset", "Resources before the page.", type="integer", minimum=0, maximum=999_999_999
    ),
    "_summary": parts.in_query("_summary", "How much to show.", enum=["true", "count", "false"]),
    "_format": _FORMAT,
    "_pretty": _PRETTY,
}


_EXAMPLES = {
    "url": ("valueUri", ""),
    "subject": ("valueString", "Patient/example"),
    "code": ("valueCode", "279039007"),
    "system": ("valueUri", "http://snomed.info/sct"),
}
"""The arguments that operations answer to, together: their type, and a value; a url is its own."""


def paths(
    examples: Mapping[str, str], *, may_be_refused: tuple[int, ...]
) -> Iterator[tuple[str, parts.Piece]]:
    """Each address with its operations.

    `examples` has a canonical URL for each type; `may_be_refused` is as for discovery.
    """
    ids = {name: _id(name, url.rpartition("/")[2]) for name, url in examples.items()}
    yield f"{PATH}/metadata", {"get": _read("metadata", "What this face can do", may_be_refused)}
    for resource_type in OPERATIONS:
        yield f"{PATH}/{resource_type}", {"get": _search(resource_type, may_be_refused)}
        found = _search_by_post(resource_type, may_be_refused)
        yield f"{PATH}/{resource_type}/_search", {"post": found}
        read = _read(f"read-{resource_type}", f"One {resource_type}", (404, *may_be_refused))
        yield f"{PATH}/{resource_type}/{{id}}", {"parameters": [ids[resource_type]], "get": read}
    for address, names in PARAMETERS.items():
        resource_type = address.split("/")[1]
        item: parts.Piece = {"parameters": [ids[resource_type]]} if "{id}" in address else {}
        yield PATH + address, item | _operation(address, names, examples[resource_type])


def _id(resource_type: str, example: str) -> parts.Piece:
    named = parts.in_path(
        "id", f"The id of the {resource_type}.", pattern=r"^[A-Za-z0-9.\-]{1,64}$"
    )
    return named | {"example": example}


def _answers(description: str, failures: tuple[int, ...]) -> parts.Piece:
    found = parts.answer(description, parts.content(FHIR_JSON, parts.schema("Resource")))
    return {"200": found} | parts.failures(failures, FHIR_JSON)


def _cached(description: str, failures: tuple[int, ...]) -> parts.Piece:
    unchanged = parts.answer("Nothing has changed since the ETag that was sent.")
    return _answers(description, failures) | {"304": unchanged}


def _read(name: str, summary: str, failures: tuple[int, ...]) -> parts.Piece:
    return {
        "operationId": name,
        "tags": [TAG],
        "summary": summary,
        "parameters": [_FORMAT, _PRETTY],
        "responses": _cached("The resource.", (406, 503, *failures)),
    }


def _search(resource_type: str, failures: tuple[int, ...]) -> parts.Piece:
    return {
        "operationId": f"search-{resource_type}",
        "tags": [TAG],
        "summary": f"{resource_type} resources that fit",
        "parameters": [*_criteria(), *_CONTROLS.values(), _PREFER],
        "responses": _cached("A searchset Bundle.", (400, 406, 503, *failures)),
    }


def _search_by_post(resource_type: str, failures: tuple[int, ...]) -> parts.Piece:
    names = [piece["name"] for piece in (*_criteria(), *_CONTROLS.values())]
    form = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in names},
        "additionalProperties": False,
    }
    statuses = tuple({406, 503, *failures, *parts.OF_EVERY_BODY})
    return {
        "operationId": f"search-{resource_type}-by-post",
        "tags": [TAG],
        "summary": f"{resource_type} resources that fit, asked for by a form",
        "parameters": [_PREFER],
        "requestBody": {"content": parts.content(FORM, form, example={"_count": "5"})},
        "responses": _answers("A searchset Bundle.", statuses),
    }


def _criteria() -> Iterator[parts.Piece]:
    for name, parameter in search.PARAMETERS.items():
        note = parameter.note or f"As FHIR has it, a {parameter.kind}."
        yield parts.in_query(name, note)
        for modifier in parameter.modifiers:
            words: dict[str, Any] = {"enum": ["true", "false"]} if modifier == "missing" else {}
            yield parts.in_query(f"{name}:{modifier}", f"With the modifier {modifier}.", **words)


def _operation(address: str, names: tuple[str, ...], url: str) -> parts.Piece:
    """An operation: by GET with a query, by POST with a Parameters resource."""
    told: parts.Piece = {"tags": [TAG], "summary": address.rpartition("/")[2]}
    _, resource_type, *middle, operation = address.split("/")
    name = "-".join([operation.removeprefix("$"), resource_type, *(["by-id"] if middle else [])])
    failures = (400, 401, 404, 406, 503)
    item: parts.Piece = {}
    item["get"] = told | {
        "operationId": name,
        "parameters": [*(_argument(each, address, url) for each in names), _FORMAT],
        "responses": _answers("What the operation comes to.", failures),
    }
    item["post"] = told | {
        "operationId": f"{name}-by-post",
        "parameters": [_FORMAT],
        "requestBody": {
            "required": True,
            "content": parts.content(FHIR_JSON, _parameters(names), example=_asking(names, url)),
        },
        "responses": _answers(
            "What the operation comes to.", tuple({*failures, *parts.OF_EVERY_BODY})
        ),
    }
    return item


def _argument(name: str, address: str, url: str) -> parts.Piece:
    needed = "subject" if address.endswith("$apply") else "url"
    described = parts.in_query(name, "As FHIR has it.")
    if name in _EXAMPLES:
        described["example"] = _example(name, url)
    return described | ({"required": True} if name == needed else {})


def _asking(names: tuple[str, ...], url: str) -> parts.Piece:
    """Parameters with which the operation answers."""
    given = [
        {"name": name, _EXAMPLES[name][0]: _example(name, url)}
        for name in names
        if name in _EXAMPLES
    ]
    return {"resourceType": "Parameters", "parameter": given}


def _example(name: str, url: str) -> str:
    return url if name == "url" else _EXAMPLES[name][1]


def _parameters(names: tuple[str, ...]) -> parts.Piece:
    entry = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"enum": list(names)}},
    }
    return {
        "type": "object",
        "required": ["resourceType"],
        "properties": {
            "resourceType": {"const": "Parameters"},
            "parameter": {"type": "array", "items": entry},
        },
    }
