"""A real request made into a case: the patient replaced, the verdict left to the author."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from cds_service import fhir_json
from cds_service.authoring.deidentify import Deidentifier, resources_in
from cds_service.data import prefetch
from cds_service.data.deadline import Deadline
from cds_service.hooks import schemas

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from cds_service.engine import Service

DAY = date(2024, 6, 1)
"""The day on which a case made of a request is judged; all dates move with it."""


def case_of(
    request: Mapping[str, Any], service: Service, *, now: datetime, name: str, profile: str | None
) -> dict[str, Any]:
    """The case: its chart, drafts and what was not obtained; `expect` is for the author to state.

    Raises RequestError for a message that does not fit the hook.
    """
    message = schemas.load_request(request, service.hook)
    data = _obtained(service, message)
    hide = Deidentifier(today=now.date(), shift=DAY - now.date())
    context = message["context"]
    hide.name("Patient", prefetch.patient_id(context))
    chart = _chart(hide, request)
    case: dict[str, Any] = {
        "name": name,
        "now": now.replace(year=DAY.year, month=DAY.month, day=DAY.day).isoformat(
            timespec="seconds"
        ),
        "service": service.id,
        "hook": service.hook,
    }
    if profile is not None:
        case["profile"] = profile
    case["userId"] = hide.reference(str(context.get("userId", ""))) or "PractitionerRole/user"
    case["data"] = chart
    case |= _drafts(hide, context)
    case |= _not_obtained(data, {str(item["resourceType"]) for item in chart})
    case["expect"] = None
    return case


def _obtained(service: Service, message: Mapping[str, Any]) -> prefetch.Prefetched:
    """What the request itself brings for each key; nothing is read from its FHIR server."""
    templates = [
        prefetch.Template(item.key, item.query, item.resource_type, "may")
        for item in service.requirements
    ]
    return prefetch.resolve(templates, message, reader=None, deadline=Deadline(0.0))


def _chart(hide: Deidentifier, request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The resources, each once; the patient first, also where the request did not bring one."""
    found = {(item["resourceType"], item.get("id")): item for item in resources_in(request)}
    for kind, identity in found:  # names before references, so that the chart's order counts
        if isinstance(identity, str):
            hide.name(str(kind), identity)
    chart = [hide.resource(item) for item in found.values()]
    patients = [item for item in chart if item["resourceType"] == "Patient"]
    others = [item for item in chart if item["resourceType"] != "Patient"]
    return [*(patients or [{"resourceType": "Patient", "id": "patient"}]), *others]


def _drafts(hide: Deidentifier, context: Mapping[str, Any]) -> dict[str, Any]:
    orders = list(fhir_json.resources(context.get("draftOrders") or {}))
    if not orders:
        return {}
    drafts: dict[str, Any] = {"draftOrders": [hide.resource(order) for order in orders]}
    selections = context.get("selections")
    if isinstance(selections, list):
        new = (hide.reference(item) for item in selections if isinstance(item, str))
        drafts["selections"] = [item for item in new if item]
    return drafts


def _not_obtained(data: prefetch.Prefetched, kinds: Iterable[str]) -> dict[str, list[str]]:
    """The keys that are unknown, and those of which the request brings a part only."""
    lacking = {key: data.keys[key].resources for key in data.unavailable}
    unavailable = [key for key, resources in lacking.items() if not resources]
    incomplete = [
        key
        for key, resources in lacking.items()
        if resources and {str(item["resourceType"]) for item in resources} & set(kinds)
    ]
    told = {"unavailable": unavailable, "incomplete": incomplete}
    return {member: keys for member, keys in told.items() if keys}
