"""The whole document: who we are, what can be asked where, and how callers are known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, cast

from cds_service import fhir_json
from cds_service.web.json_bodies import JSON
from cds_service.web.openapi import cds_hooks_paths, fhir_paths, parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cds_service.engine import Service

OPENAPI = "3.1.0"
_SCHEME = "cdsClient"
_PAGES = "Pages and probes"


@dataclass(frozen=True, slots=True)
class Surface:
    """What the document depends on: the services, and how this site is set up.

    `resources` is the canonical URL of one resource of each type, to show as an example.
    """

    services: tuple[Service, ...]
    profiles: tuple[str, ...]
    resources: Mapping[str, str]
    public_url: str | None = None
    verifies_callers: bool = False
    protects_discovery: bool = False


def document(surface: Surface) -> parts.Piece:
    """The OpenAPI 3.1 document of this surface."""
    schemas = _answers() | cds_hooks_paths.schemas(surface.services)
    components: parts.Piece = {"schemas": schemas}
    if surface.verifies_callers:
        components["securitySchemes"] = {_SCHEME: _scheme()}
    return {
        "openapi": OPENAPI,
        "info": {
            "title": "Clinical decision support for low back pain",
            "description": "CDS Hooks 2.0.1 in, cards from FHIR PlanDefinitions out.",
            "version": version("cds-service"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": surface.public_url or "/"}],
        "tags": [{"name": name} for name in (cds_hooks_paths.TAG, fhir_paths.TAG, _PAGES)],
        "paths": dict(_paths(surface)),
        "components": components,
    }


def _paths(surface: Surface) -> Iterator[tuple[str, parts.Piece]]:
    refused = (401,) if surface.verifies_callers else ()
    discovery = cds_hooks_paths.paths(surface.services, surface.profiles, may_be_refused=refused)
    fhir = fhir_paths.paths(surface.resources, may_be_refused=refused)
    for address, item in (*discovery, *fhir, *_about_us(refused)):
        yield address, _secured(item, surface)
    yield from _pages()


def _secured(item: parts.Piece, surface: Surface) -> parts.Piece:
    """The same with the token that each operation needs, or takes, where callers are verified.

    What takes a POST is about a patient; the rest is discovery, which a site may leave open.
    """
    if not surface.verifies_callers:
        return item
    needed: parts.Piece = {_SCHEME: []}
    secured = dict(item)
    is_open = "post" not in item and not surface.protects_discovery
    for method in {"get", "post"} & item.keys():
        secured[method] = item[method] | {"security": [{}, needed] if is_open else [needed]}
    return secured


def _about_us(refused: tuple[int, ...]) -> Iterator[tuple[str, parts.Piece]]:
    sheet = parts.content("text/html", {"type": "string"})
    itself = parts.content(JSON, {"type": "object"})
    for address, summary, body in (
        ("/integration", "What connects an EHR, to print", sheet),
        ("/openapi.json", "This document", itself),
    ):
        item = _page(address.strip("/").removesuffix(".json"), summary, body)
        item["get"]["responses"]["304"] = parts.answer("Nothing has changed.")
        item["get"]["responses"] |= parts.failures((*refused, 503), JSON)
        yield address, item


def _pages() -> Iterator[tuple[str, parts.Piece]]:
    said = parts.content
    yield "/", _page("page", "The services in plain words", said("text/html", {"type": "string"}))
    yield "/health", _page("health", "The process answers", said(JSON, parts.schema("Health")))
    state = said(JSON, parts.schema("Readiness"))
    ready = _page("ready", "Whether calls and feedback can be answered", state)
    ready["get"]["responses"]["503"] = parts.answer("Not now; `problems` says why.", state)
    yield "/ready", ready
    counts = said("text/plain", {"type": "string"})
    yield "/metrics", _page("metrics", "Counts in Prometheus' text format", counts)


def _page(name: str, summary: str, body: parts.Piece) -> parts.Piece:
    responses: parts.Piece = {"200": parts.answer(summary, body)}
    return {
        "get": {
            "operationId": name,
            "tags": [_PAGES],
            "summary": summary,
            "responses": responses,
        }
    }


def _scheme() -> parts.Piece:
    return {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A JWT of the CDS client as CDS Hooks describes it, new for every request.",
    }


@cache
def _answers() -> parts.Piece:
    text = files("cds_service.web.openapi").joinpath("answers.json").read_bytes()
    return cast("parts.Piece", fhir_json.decode(text))
