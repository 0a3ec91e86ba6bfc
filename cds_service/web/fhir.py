"""The FHIR face: what it can do, and the guideline content to read and to search.

    GET  /fhir/metadata        GET /fhir/<type>        GET /fhir/<type>/<id>
    POST /fhir/<type>/_search

and the operations of `fhir_operations`. Source: FHIR R4 RESTful API, Search.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request
from werkzeug.exceptions import NotAcceptable
from werkzeug.routing import BaseConverter

from cds_service.data.catalogue import Catalogue, summary
from cds_service.data.search import parse
from cds_service.errors import UnknownService, did_you_mean, short
from cds_service.web.capability import FHIR_JSON, OPERATIONS, statement
from cds_service.web.cds_hooks import DISCOVERY_MAX_AGE_S
from cds_service.web.fhir_operations import Operations, fhir_response
from cds_service.web.json_bodies import JSON, form_body
from cds_service.web.logs import note

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cds_service.config import Settings
    from cds_service.data.plan_library import PlanLibrary
    from cds_service.data.search import Query, Resource

PATH = "/fhir"


@dataclass(frozen=True, slots=True)
class Face:
    """What answers the routes: the resources, our address, and since when."""

    catalogue: Catalogue
    public_url: str | None
    started: datetime

    def metadata(self) -> Response:
        """The CapabilityStatement."""
        return _cacheable(statement(self._base(), self.started))

    def search(self, resource_type: str) -> Response:
        """A searchset Bundle with one page of the resources that the query finds."""
        return _cacheable(self._found(resource_type, request.args.items(multi=True)))

    def search_by_post(self, resource_type: str) -> Response:
        """The same for parameters that are in a form, besides those of the address."""
        form = form_body()
        _require_json(dict(form).get("_format", FHIR_JSON))
        return fhir_response(self._found(resource_type, [*request.args.items(multi=True), *form]))

    def _found(self, resource_type: str, pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
        resources = self.catalogue.of_type(resource_type)
        is_lenient = "handling=lenient" in request.headers.get("Prefer", "").lower()
        query = parse(list(pairs), lenient=is_lenient)
        found = query.run(resources)
        note(resource_type=resource_type, found=len(found))
        return self._bundle(f"{self._base()}/{resource_type}", query, found)

    def read(self, resource_type: str, resource_id: str) -> Response:
        """One resource, as its author wrote it."""
        if resource_id.startswith("$") and resource_type in OPERATIONS:
            names = [f"${name}" for name in OPERATIONS[resource_type]]
            raise UnknownService(
                f"{resource_type} has no operation '{short(resource_id)}' at this address",
                code="not-found",
                hint=did_you_mean(resource_id, names) or f"see {PATH}/metadata",
            )
        resource = self.catalogue.read(resource_type, resource_id)
        note(resource_type=resource_type)
        return _cacheable(resource)

    def _base(self) -> str:
        return (self.public_url or request.host_url.rstrip("/")) + PATH

    def _bundle(self, address: str, query: Query, found: list[Resource]) -> dict[str, Any]:
        bundle: dict[str, Any] = {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": len(found),
            "link": [{"relation": "self", "url": _with_query(address, query.pairs)}],
        }
        if query.summary == "count":
            return bundle
        bundle["link"] += _other_pages(address, query, len(found))
        page = found[query.offset : query.offset + query.count]
        entries = [
            {
                "fullUrl": f"{address}/{resource['id']}",
                "resource": summary(resource) if query.summary == "true" else resource,
                "search": {"mode": "match"},
            }
            for resource in page
        ]
        return bundle | {"entry": entries} if entries else bundle


def blueprint(library: PlanLibrary, settings: Settings) -> Blueprint:
    """The routes below `/fhir`; every answer there, errors as well, is FHIR JSON."""
    catalogue = Catalogue(library.content.sources, OPERATIONS)
    face = Face(catalogue, settings.public_url, datetime.now(settings.zone))
    routes = Blueprint("fhir", __name__, url_prefix=PATH)
    routes.before_request(_refuse_other_formats)
    routes.after_app_request(_as_fhir)
    routes.record_once(lambda made: made.app.url_map.converters.update(read=_Readable))
    routes.add_url_rule("/metadata", view_func=face.metadata)
    routes.add_url_rule("/<resource_type>", view_func=face.search)
    routes.add_url_rule("/<resource_type>/<read:resource_id>", view_func=face.read)
    routes.add_url_rule("/<resource_type>/_search", view_func=face.search_by_post, methods=["POST"])
    operations = Operations.of(library, catalogue, settings)
    for rule, view in operations.routes():
        routes.add_url_rule(rule, view_func=view, methods=["GET", "POST"])
    return routes


class _Readable(BaseConverter):
    """What may be the id in an address that is read: all but the name of the search."""

    regex = "(?!_search$)[^/]+"
    part_isolating = True


def _refuse_other_formats() -> None:
    """`_format` must be JSON; the header Accept is not insisted on, as elsewhere."""
    _require_json(request.args.get("_format", FHIR_JSON))


def _require_json(media_type: str) -> None:
    asked = media_type.replace(" ", "+").partition(";")[0]
    if asked not in {FHIR_JSON, JSON, "text/json", "json"}:
        raise NotAcceptable(f"only JSON is spoken here; ask for _format={FHIR_JSON}")


def _as_fhir(response: Response) -> Response:
    if (request.path + "/").startswith(f"{PATH}/") and response.mimetype == JSON:
        response.content_type = FHIR_JSON
    return response


def _cacheable(value: Mapping[str, Any]) -> Response:
    """An answer in which nothing but the address counts."""
    response = fhir_response(value)
    response.cache_control.max_age = DISCOVERY_MAX_AGE_S
    response.vary.add("Prefer")
    response.add_etag()
    response.make_conditional(request)
    return response


def _other_pages(address: str, query: Query, total: int) -> list[dict[str, str]]:
    """Links to the page before this one and to the one behind it, where there are such."""
    starts = {}
    if query.offset > 0:
        starts["previous"] = max(0, min(query.offset, total) - query.count)
    if query.offset + query.count < total:
        starts["next"] = query.offset + query.count
    kept = [pair for pair in query.pairs if pair[0] not in {"_offset", "_count"}]
    size = ("_count", str(query.count))
    return [
        {
            "relation": relation,
            "url": _with_query(address, [*kept, size, ("_offset", str(start))]),
        }
        for relation, start in starts.items()
    ]


def _with_query(address: str, pairs: Any) -> str:
    query = urlencode(list(pairs), safe="/:|,")
    return f"{address}?{query}" if query else address
