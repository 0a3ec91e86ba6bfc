"""What every answer must be: the strict schemas, and the rules that JSON Schema cannot say.

`exchange` checks one HTTP answer; the other functions check one body each. They raise
AssertionError with the place and the row of the CDS Hooks requirements.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator, FormatChecker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HERE = Path(__file__).parent
ANSWERS = HERE.parent.parent / "cds_service" / "web" / "openapi" / "answers.json"
MAY_BE_EMPTY = {"cards", "services"}  # GEN-4 names these two
URGENCY = ("critical", "warning", "info")
RAW_HTML = re.compile(r"(?<!\\)<[A-Za-z/!]")
TOKEN = re.compile(r"\{\{(.*?)\}\}")
SERVICES = re.compile(
    r"(?:/(?!cds-services/)[^/]+)?/cds-services(?:/(?P<id>[^/]+)(?P<feedback>/feedback)?)?/?"
)
USER_TOKENS = {
    "userPractitionerId",
    "userPractitionerRoleId",
    "userPatientId",
    "userRelatedPersonId",
}
CONTEXT_TOKENS = {"context.userId", "context.patientId", "context.encounterId"}
REQUESTS = {
    "DeviceRequest",
    "MedicationRequest",
    "NutritionOrder",
    "ServiceRequest",
    "Task",
    "CommunicationRequest",
}


@cache
def validator(name: str) -> Draft202012Validator:
    """What `/openapi.json` publishes under this name; feedback as the specification has it."""
    if name == "feedback":
        schema = json.loads((HERE / "feedback.schema.json").read_text(encoding="utf-8"))
    else:
        schemas = json.loads(ANSWERS.read_text(encoding="utf-8"))
        schema = _put_in(schemas[name], schemas)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FormatChecker())


def _put_in(schema: Any, schemas: Mapping[str, Any]) -> Any:
    """The schema with what it refers to in the place of each reference: half the time to check."""
    if isinstance(schema, list):
        return [_put_in(item, schemas) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        (reference,) = schema.values()
        return _put_in(schemas[reference.removeprefix("#/components/schemas/")], schemas)
    return {name: _put_in(member, schemas) for name, member in schema.items()}


def fits(name: str, body: Any) -> None:
    """The body is valid against the schema of this name."""
    problems = [
        f"{error.json_path}: {error.message[:300]}" for error in validator(name).iter_errors(body)
    ]
    assert not problems, f"{name}: " + "; ".join(problems)


def nothing_empty(body: Any, path: str = "$") -> None:
    """GEN-3, GEN-4: no null, "", [] or {} anywhere, but for the two lists that may be empty.

    The resource of an update is the client's own and is not looked into.
    """
    for place, name, value in walk(_without_updates(body), path, "$"):
        if value is None and place.endswith("]"):
            assert ".resource." in place, f"{place} is null (GEN-3)"
            continue
        assert value is not None, f"{place} is null (GEN-3)"
        if isinstance(value, (str, list, dict)) and not (
            place.count(".") == 1 and name in MAY_BE_EMPTY
        ):
            assert value, f"{place} is empty (GEN-4)"
            assert not isinstance(value, str) or value.strip(), f"{place} is blank (GEN-4)"


def _without_updates(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_updates(item) for item in value]
    if not isinstance(value, dict):
        return value
    is_update = value.get("type") == "update" and "resource" in value
    kept = {**value, "resource": "the client's"} if is_update else value
    return {name: _without_updates(member) for name, member in kept.items()}


def walk(value: Any, path: str, name: str) -> Iterator[tuple[str, str, Any]]:
    yield path, name, value
    if isinstance(value, dict):
        for key, member in value.items():
            yield from walk(member, f"{path}.{key}", key)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from walk(member, f"{path}[{index}]", name)


def discovery(body: Any) -> None:
    """Schema, emptiness, unique ids, and templates that every client can fill (PFT rows)."""
    fits("Discovery", body)
    nothing_empty(body)
    repeated = [
        name for name, count in Counter(s["id"] for s in body["services"]).items() if count > 1
    ]
    assert not repeated, f"{repeated}: one hook per id (DISC-19, DISC-25)"
    for service in body["services"]:
        for key, template in service.get("prefetch", {}).items():
            _template(f"{service['id']}.{key}", template)


def _template(place: str, template: str) -> None:
    for token in TOKEN.findall(template):
        assert token in USER_TOKENS | CONTEXT_TOKENS, f"{place}: token {token} (PFT-4, PFT-6)"
    assert "/{{context.userId}}" not in template, f"{place}: userId holds its type (PFT-8)"
    bare = TOKEN.sub("x", template)
    assert not re.search(r"[{}\s]", bare), f"{place}: half a token or a space (PFT-3)"
    resource_type, _, query = bare.partition("?")
    assert resource_type, f"{place}: a read or a search (PFT-2)"
    for part in filter(None, query.split("&")):
        name, sign, _ = part.partition("=")
        assert sign, f"{place}: {part} has no value (PFT-2)"
        assert re.fullmatch(r"_count|_sort|_maxresults|[a-z-]+(:in)?", name), (
            f"{place}: {name} (PFT-13, PFT-20)"
        )


def response(body: Any) -> None:
    """Schema, emptiness, and the rules between the members of a card."""
    fits("Response", body)
    nothing_empty(body)
    ids = [item["uuid"] for card in body["cards"] for item in (card, *card.get("suggestions", ()))]
    assert len(ids) == len(set(ids)), "a uuid occurs twice (CARD-2, SUG-3)"
    ranks = [URGENCY.index(card["indicator"]) for card in body["cards"]]
    assert ranks == sorted(ranks), "cards are not ordered by urgency (CARD-27)"
    for number, card in enumerate(body["cards"]):
        recommended = [s for s in card.get("suggestions", ()) if s.get("isRecommended")]
        if card.get("selectionBehavior") == "at-most-one":
            assert len(recommended) <= 1, f"cards[{number}]: several recommended (SUG-5)"
        for member in ("summary", "detail"):
            found = RAW_HTML.search(card.get(member, ""))
            assert not found, f"cards[{number}].{member}: raw HTML (CARD-7)"


def answers(request: Mapping[str, Any], body: Any) -> None:
    """What a response owes to the request that it answers, too (ACT-8, ACT-9)."""
    patient = request["context"]["patientId"].removeprefix("Patient/")
    seen = _resources_seen(request)
    for card in body["cards"]:
        for suggestion in card.get("suggestions", ()):
            for action in suggestion.get("actions", ()):
                _action(action, patient, seen)


def _action(action: Mapping[str, Any], patient: str, seen: set[str]) -> None:
    if action["type"] == "delete":
        assert action["resourceId"] in seen, f"deletes the unseen {action['resourceId']} (ACT-9)"
        return
    resource = action["resource"]
    name = f"{resource['resourceType']}/{resource.get('id')}"
    if action["type"] == "update":
        assert name in seen, f"updates the unseen {name} (ACT-9)"
        return
    about = {"Task": "for", "Coverage": "beneficiary"}.get(resource["resourceType"], "subject")
    subject = resource.get(about, resource.get("patient", {})).get("reference")
    assert subject == f"Patient/{patient}", f"creates for {subject} (ACT-8)"
    if resource["resourceType"] in REQUESTS:
        assert resource.get("status") == "draft", (
            f"creates a {resource.get('status')} request (ACT-8)"
        )


def _resources_seen(request: Mapping[str, Any]) -> set[str]:
    values = [request["context"].get("draftOrders"), *(request.get("prefetch") or {}).values()]
    return {
        f"{value['resourceType']}/{value['id']}"
        for root in values
        for _, _, value in walk(root, "", "")
        if isinstance(value, dict) and "resourceType" in value and "id" in value
    }


def operation_outcome(body: Any) -> None:
    """The one shape of our errors; no traceback and no HTML in it (RESP-7, RESP-9)."""
    fits("OperationOutcome", body)
    nothing_empty(body)
    for issue in body["issue"]:
        assert "Traceback" not in issue["diagnostics"], "a traceback (RESP-9)"
        assert not RAW_HTML.search(issue["diagnostics"]), "HTML (RESP-9)"


def feedback(body: Any) -> None:
    """A message that CDS Hooks 2.0.1 allows."""
    fits("feedback", body)


def error(headers: Mapping[str, str], body: bytes) -> None:
    """An answer that refuses, whatever was asked: JSON, or FHIR JSON below `/fhir`."""
    assert "origin" in headers.get("Vary", "").lower(), "Vary: Origin is missing (CORS-4)"
    media = {"application/json", "application/fhir+json"}
    assert headers["Content-Type"] in media, "an error is JSON (RESP-7)"
    operation_outcome(json.loads(body))


def exchange(method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Everything that can be said of one HTTP answer by looking at it."""
    assert "origin" in headers.get("Vary", "").lower(), "Vary: Origin is missing (CORS-4)"
    assert headers.get("Access-Control-Allow-Origin") != "*", "any origin (CORS-4)"
    assert status < 300 or status == 304 or status >= 400, "a redirect (DISC-24)"
    if method in {"HEAD", "OPTIONS"} or status == 304:
        assert not body or method == "OPTIONS", f"{method} {status} with a body"
        return
    if status >= 400 and path != "/ready":
        error(headers, body)
        return
    service = SERVICES.fullmatch(path.partition("?")[0])
    if service and service["feedback"]:
        assert not body, "feedback is answered with an empty body (FB-16)"
    elif service:
        assert headers["Content-Type"] == "application/json", "GEN-11"
        (response if service["id"] else discovery)(json.loads(body))
