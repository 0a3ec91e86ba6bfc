"""Calling a service: what is answered, and with which status what cannot be (status map, 5.1)."""

from __future__ import annotations

import pytest
from contract.clients import HOOKS

METHODS = ("GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE")


@pytest.mark.requirement("REQ-1", "RESP-1", "RESP-2", "RESP-3", "GEN-11")
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("profile", ["", "/core", "/nl", "/de", "/no"])
@pytest.mark.requirement("GEN-6")
def test_every_service_answers_about_someone_without_back_pain(
    client, message, address, hook, profile
):
    answer = client.post(profile + address(hook), message(hook))
    assert (answer.status, answer.json) == (200, {"cards": []})
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.requirement("DISC-24")
def test_a_slash_at_the_end_makes_no_difference(client, message, address):
    assert client.post(f"{address()}/", message()).status == 200


@pytest.mark.requirement("GEN-11", "REQ-14")
@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "application/fhir+json",
        "application/json+fhir;charset=UTF-8",
        "application/vnd.example+json; version=2",
        "text/json",
    ],
)
def test_any_json_media_type_is_taken(client, message, address, content_type):
    assert client.post(address(), message(), content_type=content_type).status == 200


@pytest.mark.requirement("REQ-14")
@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/xml", "multipart/form-data; boundary=x", "application/jsonx", None],
)
@pytest.mark.requirement("E4")
def test_other_media_types_are_refused(client, message, address, content_type):
    answer = client.post(address(), message(), content_type=content_type)
    assert (answer.status, answer.issue["code"]) == (415, "not-supported")
    assert "Content-Type: application/json" in answer.text


@pytest.mark.requirement("REQ-14")
@pytest.mark.requirement("E4")
def test_a_compressed_body_is_refused(client, message, address):
    answer = client.post(address(), message(), headers={"Content-Encoding": "gzip"})
    assert answer.status == 415
    assert "Content-Encoding" in answer.text


@pytest.mark.requirement("GEN-11")
@pytest.mark.parametrize("accept", ["text/html", "application/fhir+json", "nonsense", ""])
def test_accept_is_not_insisted_on(client, message, address, accept):
    assert client.post(address(), message(), headers={"Accept": accept}).status == 200


@pytest.mark.requirement("REQ-12", "GEN-12")
@pytest.mark.parametrize("body", [b"", b"{", b"{} x", b"[1,]", b"nul", b"\xff", b'{"a": NaN}'])
def test_what_is_not_json_is_told_so(client, address, body):
    answer = client.post(address(), body)
    assert (answer.status, answer.code) == (400, "invalid-json")


@pytest.mark.requirement("GEN-12")
@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize("depth", [65, 100_000])
@pytest.mark.requirement("E2")
def test_over_deep_json_is_refused(client, address, opening, depth):
    answer = client.post(address(), opening.encode() * depth)
    assert answer.status == 400


@pytest.mark.requirement("REQ-12")
@pytest.mark.parametrize("body", [[], "text", 5, None, True])
def test_a_message_is_an_object(client, address, body):
    answer = client.post(address(), body)
    assert (answer.status, answer.code) == (400, "bad-request")
    assert "object" in answer.text


@pytest.mark.requirement("REQ-12", "HK-1", "RESP-7")
def test_a_missing_member_is_named(client, message, address):
    answer = client.post(address(), message(context={"patientId": 5}))
    assert answer.status == 400
    assert answer.text == (
        "context.userId: required, a string; "
        "context.patientId: must be a string, the FHIR id of the Patient"
    )
    assert answer.issue["expression"] == ["context.userId"]


@pytest.mark.requirement("REQ-13")
def test_an_unknown_service_names_the_closest(client, message, services):
    known = services["patient-view"]["id"]
    answer = client.post(f"/cds-services/{known}s", message())
    assert (answer.status, answer.code) == (404, "unknown-service")
    assert f"did you mean '{known}'" in answer.text


@pytest.mark.requirement("REQ-13")
@pytest.mark.parametrize("body", [b"", b"not json"])
def test_an_unknown_service_is_told_before_the_body_is_read(client, body):
    answer = client.post("/cds-services/nothing", body, content_type=None)
    assert answer.status == 404


@pytest.mark.requirement("REQ-13")
def test_a_known_service_with_another_hook_is_told(client, message, address):
    answer = client.post(address("order-sign"), message("patient-view"))
    assert (answer.status, answer.issue["expression"]) == (400, ["hook"])
    assert "'order-sign', not 'patient-view'" in answer.text


@pytest.mark.requirement("REQ-13", "DISC-24")
@pytest.mark.parametrize(
    "path",
    [
        "/cds-service",
        "/cds-services/a/b",
        "/cds-services/a/feedback/b",
        "/a/b/cds-services",
        "/cds-services//feedback",
        "/favicon.ico",
        "/static/nothing.css",
        "/static/../__init__.py",
        "/cds-services/%2e%2e%2fetc",
        "/cds-services/..%00",
        "/CDS-SERVICES",
    ],
)
@pytest.mark.requirement("E5")
def test_other_addresses_hold_nothing(client, path):
    for method in ("GET", "POST"):
        assert client.open(method, path).status in {404, 405}
    assert client.get(path).status == 404 or "services" in path


@pytest.mark.requirement("REQ-14")
@pytest.mark.parametrize("method", METHODS)
def test_a_service_is_only_posted_to(client, address, method):
    answer = client.open(method, address())
    assert answer.status == 405
    assert set(answer.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}


@pytest.mark.requirement("REQ-14")
def test_discovery_is_only_read(client):
    answer = client.open("POST", "/cds-services", data=b"{}", content_type="application/json")
    assert answer.status == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


@pytest.mark.requirement("RESP-5", "PF-4", "PF-6", "PF-18")
def test_required_data_that_cannot_be_had_is_named(client, message, address):
    answer = client.post(address(), message(prefetch=None))
    assert (answer.status, answer.code) == (412, "prefetch-unavailable")
    assert "patient" in answer.text


@pytest.mark.requirement("PF-4", "PF-5", "VER-2")
def test_data_that_the_client_failed_to_get_is_not_empty(client, message, address):
    body = message()
    failure = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "x"}]}
    body["prefetch"]["conditions"] = failure
    assert client.post(address(), body).status == 412


@pytest.mark.requirement("REQ-21")
def test_another_patient_in_prefetch_is_refused(client, message, address):
    body = message()
    body["prefetch"]["patient"] = {"resourceType": "Patient", "id": "someone-else"}
    assert client.post(address(), body).status in {400, 412}


@pytest.mark.requirement("REQ-16", "STALE-4")
def test_the_same_message_twice_is_two_calls(client, message, address):
    for _ in range(2):
        assert client.post(address(), message()).status == 200
    ids = [event["decision_id"] for event in client.events]
    assert len(set(ids)) == 2


@pytest.mark.requirement("GEN-13", "GEN-10")
def test_unknown_extensions_change_nothing(client, message, address):
    body = message(extension={"com.example.odd": {"a": [1, None]}}, item2={"resource": None})
    assert client.post(address(), body).status == 200
