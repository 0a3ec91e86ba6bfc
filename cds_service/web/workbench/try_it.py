"""Try it: the small EHR. It asks for the request, sends it itself, and has the answer explained.

The call goes from the browser to the CDS Hooks routes, as an EHR's does. Below
`/workbench/at/<day>` the same routes judge on another day, for charts of the past.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from flask import Blueprint, Response, abort, g, render_template

from cds_service import fhir_json
from cds_service.authoring import cases
from cds_service.errors import RequestError
from cds_service.hooks.service import PROFILES
from cds_service.web.cds_hooks import Endpoints
from cds_service.web.json_bodies import json_answer, json_body
from cds_service.web.workbench import card_view, chart, fhir_patients, hook_request, orders, why
from cds_service.web.workbench.condition_words import ConditionWords

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cds_service.engine import Service
    from cds_service.web.workbench.bench import Bench
    from cds_service.web.workbench.chart import Chart

HOOKS = ("patient-view", "encounter-start", "order-select", "order-sign")
"""The hooks in the order of a visit; others follow."""

FIRST_PATIENT, FIRST_HOOK = "acute-back-pain", "order-sign"


def routes(bench: Bench) -> Blueprint:
    """The page, and what its script asks for."""
    pages = Blueprint("try_it", __name__)

    @pages.get("")
    def page() -> str:
        """The small EHR, with the first example chosen."""
        services = sorted(bench.hooks.library.services.values(), key=_place_in_care)
        base = bench.settings.workbench_fhir
        return bench.page(
            "try.html",
            here="try",
            patients=bench.patients.every(),
            first_patient=FIRST_PATIENT,
            fhir=fhir_patients.choice(bench.hooks, base) if base else None,
            services=services,
            first_hook=FIRST_HOOK,
            keys=_keys(services),
            profiles=PROFILES,
            profile=bench.hooks.profile,
            user=hook_request.CLINICIAN,
            orders=orders.grouped(),
            offered={order.id: order.resource for order in orders.offered()},
        )

    @pages.post("/request")
    def built() -> Response:
        """The chart as HTML, and the hook request for what the page has set."""
        body = _object(json_body())
        service = bench.hooks.library.service(str(body.get("service")))
        found = _chart(body, bench)
        message = hook_request.build(_asked(body, found), service)
        found = found or _read_chart(message, service, bench)
        day = _day(body.get("day")) or datetime.now(bench.settings.zone).date()
        return json_answer(
            {
                "chart": render_template("workbench/chart.html", t=g.words, chart=found, day=day),
                "name": found.name if found else body.get("patientId"),
                "asOf": found.as_of if found else None,
                "request": fhir_json.pretty(message),
                "resources": {
                    entry.reference: entry.resource
                    for section in (found.sections() if found else ())
                    for entry in section.entries
                },
            }
        )

    @pages.post("/cards")
    def cards() -> Response:
        """The cards of a response as HTML, and the response to read, with every digit of it."""
        body = _object(json_body())
        response = _object(_decoded(body, "response"))
        found = [card for card in response.get("cards", ()) if isinstance(card, dict)]
        html = render_template(
            "workbench/cards.html",
            t=g.words,
            cards=card_view.views(found),
            language=body.get("language") or g.words.language,
        )
        return json_answer({"html": html, "response": fhir_json.pretty(response)})

    @pages.post("/why")
    def explained() -> Response:
        """The explanation of a call as HTML, the rules that are quiet, the resources named.

        The first one after the guidelines changed waits until they are compiled for it.
        """
        body = _object(json_body())
        service = bench.hooks.library.service(str(body.get("service")))
        told = _explained(body, service, bench)
        html = render_template("workbench/why.html", t=g.words, told=told)
        quiet = sorted({row.rule for row in told.rows if row.verdict == "quiet"})
        return json_answer({"why": html, "quiet": quiet, "resources": told.resources})

    return pages


def on_another_day(bench: Bench) -> Blueprint:
    """The CDS Hooks routes once more, judged at noon of the day in the address."""
    pages = Blueprint("another_day", __name__)
    endpoints = Endpoints(bench.hooks, bench.store, bench.settings.zone)

    def on(day: str) -> Endpoints:
        if _day(day) is None:
            abort(404)
        return replace(endpoints, moment=cases.moment(day, bench.settings.zone))

    @pages.get("/<day>/cds-services")
    @pages.get("/<day>/<profile>/cds-services")
    def discovery(day: str, profile: str | None = None) -> Response:
        return on(day).discovery(profile)

    @pages.post("/<day>/cds-services/<service_id>")
    @pages.post("/<day>/<profile>/cds-services/<service_id>")
    def call(day: str, service_id: str, profile: str | None = None) -> Response:
        return on(day).call(service_id, profile)

    @pages.post("/<day>/cds-services/<service_id>/feedback")
    @pages.post("/<day>/<profile>/cds-services/<service_id>/feedback")
    def feedback(day: str, service_id: str, profile: str | None = None) -> Response:
        return on(day).feedback(service_id, profile)

    return pages


def _explained(body: Mapping[str, Any], service: Service, bench: Bench) -> why.Explained:
    zone = bench.settings.zone
    day = _day(body.get("day"))
    answer = bench.traced.service().call(
        service.id,
        _decoded(body, "request"),
        now=cases.moment(day.isoformat(), zone) if day else datetime.now(zone),
        decision_id=_decision(body.get("decision")),
        profile=body.get("profile"),
        accept_language=body.get("language"),
    )
    said = ConditionWords.of(bench.hooks.library, g.words.language)
    return why.explained(answer, said=said, keys=service.prefetch)


def _chart(body: Mapping[str, Any], bench: Bench) -> Chart | None:
    """The chart that the page names or holds; None for a patient of a FHIR server."""
    if body.get("source") == "server":
        return None
    if body.get("source") == "paste":
        return chart.read(_decoded(body, "bundle"))
    return bench.patients.chart(str(body.get("patient")))


def _read_chart(message: Mapping[str, Any], service: Service, bench: Bench) -> Chart | None:
    """The chart on the FHIR server, on the day of the example patient of the same id, if any."""
    found = fhir_patients.chart(bench.hooks, service, message)
    if found is None or found.id not in bench.patients.names():
        return found
    return replace(found, as_of=bench.patients.chart(found.id).as_of)


def _asked(body: Mapping[str, Any], found: Chart | None) -> hook_request.Asked:
    selected = body.get("selected")
    return hook_request.Asked(
        chart=found.resources if found else None,
        user=str(body.get("user") or hook_request.CLINICIAN),
        drafts=[item for item in _list(body.get("drafts")) if isinstance(item, dict)],
        selected=[str(item) for item in selected] if isinstance(selected, list) else None,
        unavailable=[str(item) for item in _list(body.get("unavailable"))],
        fhir_server=body.get("fhirServer"),
        patient_id=body.get("patientId"),
    )


def _place_in_care(service: Service) -> int:
    return HOOKS.index(service.hook) if service.hook in HOOKS else len(HOOKS)


def _keys(services: list[Service]) -> dict[str, list[str]]:
    """Each prefetch key with the services that read it."""
    keys: dict[str, list[str]] = {}
    for service in services:
        for requirement in service.requirements:
            keys.setdefault(requirement.key, []).append(service.id)
    return keys


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(str(value)) if value else None
    except ValueError:
        return None


def _decision(value: object) -> UUID:
    try:
        return UUID(str(value))
    except ValueError:
        return uuid4()


def _decoded(body: Mapping[str, Any], member: str) -> Any:
    """The JSON that a member holds as text, so that every digit of it arrives."""
    text = body.get(member)
    if not isinstance(text, str):
        raise RequestError(f"'{member}' must be a text that holds JSON")
    return fhir_json.decode(text.encode())


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RequestError("the body must be a JSON object")
    return value


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
