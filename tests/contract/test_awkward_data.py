"""Clinical data in every wrong shape: an answer or a reason, never our fault (risk E3, E7)."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import shared_data

from cds_service import fhir_json
from cds_service.authoring import case_request, cases
from cds_service.data import plan_library

if TYPE_CHECKING:
    from collections.abc import Iterator

PLANS = Path(__file__).parents[2] / "plan_definitions"
VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
ODD: list[Any] = [None, 5, "odd", [None], {"coding": [5], "reference": 5}]


@pytest.fixture(scope="module")
def requests():
    """For each hook the case with the most data, as a request."""
    library = plan_library.load(PLANS)
    services = {service.hook: service for service in library.services.values()}
    richest: dict[str, bytes] = {}
    for file in cases.case_files(PLANS):
        case = cases.read(file)
        hook = case.json.get("hook") or case.json["request"]["hook"]
        body = fhir_json.encode(case_request.request_of(case.json, services[hook]))
        richest[hook] = max(richest.get(hook, b""), body, key=len)
    return {hook: json.loads(body) for hook, body in richest.items()}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every member and item below `value`."""
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for key, member in members:
        yield (*path, key)
        if isinstance(member, (dict, list)):
            yield from places(member, (*path, key))


def with_odd(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(body)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


@pytest.mark.slow
@pytest.mark.requirement("REQ-12", "RESP-9")
@pytest.mark.parametrize("hook", ["patient-view", "order-sign", "order-select", "encounter-start"])
@pytest.mark.requirement("E7", "E3")
def test_whatever_stands_in_the_wrong_place_there_is_an_answer_or_a_reason(
    client, address, requests, hook
):
    body = requests[hook]
    wrong = {}
    for path in places({name: body[name] for name in ("context", "prefetch")}):
        for value in ODD:
            client.log.seek(0)
            client.log.truncate()
            try:
                answer = client.open("POST", address(hook), json=with_odd(body, path, value))
            except AssertionError as broken:
                wrong[str(broken)] = (path, value)
                continue
            if answer.status not in {200, 400, 412}:
                frames = client.events[-1]["bug"]["frames"][-2:]
                wrong[" in ".join(frame.rpartition("/")[2] for frame in frames)] = (path, value)
    told = [f"{what} for {value} at {path}" for what, (path, value) in wrong.items()]
    assert not told, "\n".join(told)


KEYS = {"Patient": "patient", "Condition": "conditions", "Observation": "obs"}


@pytest.mark.requirement("E7")
@pytest.mark.parametrize("hook", ["patient-view", "order-sign"])
def test_published_resources_with_gaps_get_an_answer_or_a_reason(client, address, message, hook):
    """Suppressed birth dates, missing codes and values, data-absent reasons, cancelled results."""
    for file in sorted(shared_data.folder("awkward").glob("*.json")):
        resource = json.loads(file.read_text(encoding="utf-8"))
        body = message(hook)
        if resource["resourceType"] == "Patient":
            body["context"]["patientId"] = resource["id"]
            value = resource
        else:
            resource["subject"] = {"reference": "Patient/p"}
            value = {"resourceType": "Bundle", "entry": [{"resource": resource}]}
        body["prefetch"][KEYS[resource["resourceType"]]] = value
        assert client.post(address(hook), body).status == 200, file.name


@pytest.mark.requirement("E7")
@pytest.mark.parametrize("code", ["entered-in-error", "refuted"])
def test_a_finding_that_was_withdrawn_or_refuted_is_not_there(client, address, code):
    example = PLANS.parent / "examples" / "requests" / "patient-view-cauda-equina.json"
    body = json.loads(example.read_text(encoding="utf-8"))
    assert client.post(address(), body).json["cards"]
    for resource in fhir_json.resources(body["prefetch"]["conditions"]):
        coding = {"system": VERIFICATION, "code": code}
        resource["verificationStatus"] = {"coding": [coding]}
    for key, value in body["prefetch"].items():
        if key not in {"patient", "conditions", "user"} and value:
            body["prefetch"][key] = None
    assert client.post(address(), body).json["cards"] == []
