"""The CDS Hooks request that an author's case describes.

Resources of the chart go to the prefetch key of their type; keys without any are known empty, those
under `unavailable` were not obtained, those under `incomplete` are a page of more than it holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from cds_service.errors import ContentError, Where, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cds_service.engine import DataRequirement, Service

GENERAL_PRACTITIONER: Mapping[str, Any] = {
    "resourceType": "PractitionerRole",
    "id": "gp",
    "specialty": [{"coding": [{"system": "http://snomed.info/sct", "code": "394814009"}]}],
}
"""Who asks when a case does not say: a general practitioner (vignettes, convention)."""

AMBULATORY: Mapping[str, Any] = {
    "resourceType": "Encounter",
    "id": "visit",
    "status": "in-progress",
    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
}
"""The encounter when a case does not say: an ambulatory visit (vignettes, convention)."""


def check_keys(json: Mapping[str, Any], service: Service, file: str) -> None:
    """Refuse a case of `file` whose `unavailable` or `incomplete` could not come about.

    Raises:
        ContentError: a key is none of this service, or cannot be an incomplete page in this case.
    """
    requirements = {item.key: item for item in service.requirements}
    for member in ("unavailable", "incomplete"):
        for key in json.get(member, ()):
            if key not in requirements:
                known = ", ".join(sorted(requirements))
                hint = did_you_mean(key, requirements) or f"known: {known}"
                raise _mistake(f"{service.id} has no prefetch key '{key}'", hint, file, member)
    for key in json.get("incomplete", ()):
        requirement = requirements[key]
        if not _is_search(requirement):
            reason, hint = "is one resource and cannot be an incomplete page", "put it under"
        elif not any(_belongs(item, requirement, "") for item in json.get("data", ())):
            reason, hint = "has no resource in data to show on its page", "add one, or put it under"
        else:
            continue
        raise _mistake(f"'{key}' {reason}", f"{hint} unavailable", file, "incomplete")


def _mistake(message: str, hint: str, file: str, member: str) -> ContentError:
    return ContentError(message, code="case", hint=hint, where=Where(file, member))


def request_of(json: Mapping[str, Any], service: Service) -> dict[str, Any]:
    """The CDS Hooks request that a case describes: its own `request`, or one made of its data."""
    if "request" in json:
        return dict(json["request"])
    chart = list(json.get("data", ()))
    if not any(item.get("resourceType") == "Encounter" for item in chart):
        chart.append(dict(AMBULATORY))
    user = json.get("userId")
    if user is None:
        chart.append(dict(GENERAL_PRACTITIONER))
        user = "PractitionerRole/gp"
    return {
        "hook": service.hook,
        "hookInstance": str(uuid5(NAMESPACE_URL, str(json.get("name")))),
        "context": _context(json, service.hook, chart, user),
        "prefetch": _prefetch(json, chart, service, user),
    }


def _context(
    json: Mapping[str, Any], hook: str, chart: list[Mapping[str, Any]], user: str
) -> dict[str, Any]:
    context: dict[str, Any] = {
        "userId": user,
        "patientId": _first_id(chart, "Patient"),
        "encounterId": _first_id(chart, "Encounter"),
    }
    drafts = list(json.get("draftOrders", ()))
    if drafts or hook in {"order-select", "order-sign"}:
        entries = [{"resource": draft} for draft in drafts]
        context["draftOrders"] = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    if hook == "order-select":
        every = [f"{draft['resourceType']}/{draft['id']}" for draft in drafts]
        context["selections"] = json.get("selections", every)
    return context


def _first_id(chart: list[Mapping[str, Any]], resource_type: str) -> str | None:
    for item in chart:
        if item.get("resourceType") == resource_type:
            return str(item["id"])
    return None


def _prefetch(
    json: Mapping[str, Any], chart: list[Mapping[str, Any]], service: Service, user: str
) -> dict[str, Any]:
    unavailable, incomplete = json.get("unavailable", ()), json.get("incomplete", ())
    values: dict[str, Any] = {}
    for requirement in service.requirements:
        key = requirement.key
        found = [item for item in chart if _belongs(item, requirement, user)]
        if key in unavailable:
            issue = {"severity": "error", "code": "exception"}
            values[key] = {"resourceType": "OperationOutcome", "issue": [issue]}
        elif _is_search(requirement):
            values[key] = _page(found, lacks_more=key in incomplete)
        elif found:
            values[key] = found[0]
    return values


def _is_search(requirement: DataRequirement) -> bool:
    return "?" in requirement.query


def _page(found: list[Mapping[str, Any]], *, lacks_more: bool) -> dict[str, Any]:
    """The answer to a search: all results, or by its `total` one result less than there are."""
    total = len(found) + (1 if lacks_more else 0)
    page: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": total}
    if found:
        page["entry"] = [{"resource": item, "search": {"mode": "match"}} for item in found]
    return page


def _belongs(item: Mapping[str, Any], requirement: DataRequirement, user: str) -> bool:
    if requirement.resource_type is None:
        return f"{item.get('resourceType')}/{item.get('id')}" == user
    return item.get("resourceType") == requirement.resource_type
