"""The FHIR face: metadata, read and search, `$apply`, and the terminology operations."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from click.testing import CliRunner
from contract.clients import Answer, client_with
from fhir.resources.R4B import get_fhir_model_class
from schemas import checker

from cds_service.cli import answer_commands, main
from cds_service.data import search

REPOSITORY = Path(__file__).parents[2]
PATIENTS = REPOSITORY / "examples" / "patients"
BASE = "https://lbp.example.org/fhir"
TYPES = ("PlanDefinition", "ActivityDefinition", "Library", "ValueSet", "CodeSystem")
SNOMED = "http://snomed.info/sct"
LOW_BACK_PAIN = {"system": SNOMED, "code": "279039007"}
SERVED = "application/fhir+json"


def valid(resource: dict[str, Any]) -> dict[str, Any]:
    """The resource, which FHIR has nothing to say against."""
    get_fhir_model_class(resource["resourceType"]).model_validate_json(json.dumps(resource))
    return resource


@dataclass
class Face:
    """Talks to `/fhir` in process; every answer is FHIR JSON, valid and closed to other origins."""

    client: Any

    def open(self, method: str, path: str, **options: Any) -> Answer:
        got = self.client.app.test_client().open(f"/fhir{path}", method=method, **options)
        answer = Answer(got.status_code, dict(got.headers), got.get_data())
        got.close()
        assert "origin" in answer.headers["Vary"].lower()
        assert answer.headers.get("Access-Control-Allow-Origin") != "*"
        if answer.status == 304 or method in {"HEAD", "OPTIONS"}:
            return answer
        assert answer.headers["Content-Type"] == SERVED
        valid(answer.json)
        if answer.status >= 400:
            checker.operation_outcome(answer.json)
        return answer

    def get(self, path: str, **options: Any) -> Answer:
        return self.open("GET", path, **options)

    def found(self, path: str, **options: Any) -> list[str]:
        """The ids on the page that a search answers."""
        answer = self.get(path, **options)
        assert answer.status == 200, answer.body
        return [entry["resource"]["id"] for entry in answer.json.get("entry", [])]

    def ask(self, path: str, **arguments: Any) -> Answer:
        """POST a Parameters resource."""
        return self.open("POST", path, json=parameters(**arguments))


def parameters(**arguments: Any) -> dict[str, Any]:
    """A Parameters resource: strings, numbers, booleans, resources, Codings, CodeableConcepts."""
    entries = []
    for name, value in arguments.items():
        kind = {bool: "valueBoolean", int: "valueInteger"}.get(type(value), "valueString")
        if isinstance(value, dict):
            kind = "valueCodeableConcept" if "coding" in value else "valueCoding"
            kind = "resource" if "resourceType" in value else kind
        entries.append({"name": name, kind: value})
    return valid({"resourceType": "Parameters", "parameter": entries})


@pytest.fixture
def face(client) -> Face:
    return Face(client)


@pytest.fixture
def chart() -> dict[str, Any]:
    return json.loads((PATIENTS / "cauda-equina.json").read_text())


SUBJECT = "Patient/cauda-equina"


# --- metadata ---


def test_the_capability_statement_says_what_is_served(face):
    statement = face.get("/metadata").json
    assert statement["fhirVersion"] == "4.0.1"
    assert statement["kind"] == "instance"
    assert statement["implementation"]["url"] == "http://localhost/fhir"
    (rest,) = statement["rest"]
    assert [item["type"] for item in rest["resource"]] == list(TYPES)
    for item in rest["resource"]:
        assert {each["code"] for each in item["interaction"]} == {"read", "search-type"}
        assert {each["name"] for each in item["searchParam"]} == set(search.PARAMETERS)


def test_every_operation_of_the_statement_answers(face):
    (rest,) = face.get("/metadata").json["rest"]
    operations = {
        operation["definition"]
        for item in rest["resource"]
        for operation in item.get("operation", [])
    }
    start = "http://hl7.org/fhir/OperationDefinition/"
    assert operations == {
        f"{start}PlanDefinition-apply",
        f"{start}ActivityDefinition-apply",
        f"{start}ValueSet-expand",
        f"{start}ValueSet-validate-code",
    }
    for operation in operations:
        resource_type, _, name = operation.removeprefix(start).partition("-")
        assert face.get(f"/{resource_type}/nothing/${name}").status == 404


def test_addresses_are_those_that_clients_use():
    face = Face(client_with(PUBLIC_URL="https://cds.example.org/x"))
    assert face.get("/metadata").json["implementation"]["url"] == "https://cds.example.org/x/fhir"
    (entry,) = face.get("/PlanDefinition?_id=lbpR01").json["entry"]
    assert entry["fullUrl"] == "https://cds.example.org/x/fhir/PlanDefinition/lbpR01"


# --- read ---


@pytest.mark.parametrize("resource_type", TYPES)
def test_everything_that_is_listed_can_be_read(face, resource_type):
    bundle = face.get(f"/{resource_type}?_count=200").json
    assert bundle["total"] == len(bundle["entry"]) > 0
    for entry in bundle["entry"]:
        path = urlsplit(entry["fullUrl"]).path.removeprefix("/fhir")
        assert face.get(path).json == entry["resource"]


def test_what_is_read_is_the_file_of_the_author(face):
    file = REPOSITORY / "plan_definitions" / "shared" / "ValueSet-VS-LBP.json"
    assert face.get("/ValueSet/VS-LBP").json == json.loads(file.read_text())


def test_what_has_not_changed_is_not_sent_again(face):
    answer = face.get("/PlanDefinition/lbpR01")
    assert answer.headers["Cache-Control"] == "max-age=300"
    again = face.get("/PlanDefinition/lbpR01", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/PlanDefinition/lbp-R01", "did you mean 'lbpR01'"),
        ("/ValueSet/zzzzzzzz", "all are listed at /fhir/ValueSet"),
        ("/Plandefinition/lbpR01", "did you mean 'PlanDefinition'"),
        ("/Patient", "the types are: PlanDefinition, "),
        ("/PlanDefinition/$aply", "did you mean '$apply'"),
        ("/Library/$apply", "see /fhir/metadata"),
        ("", ""),
        ("/a/b/c/d", ""),
    ],
)
def test_what_is_not_there_is_told_with_what_is(face, path, hint):
    answer = face.get(path)
    assert (answer.status, answer.code) == (404, "not-found")
    assert hint in answer.text


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/PlanDefinition", "/PlanDefinition/lbpR01", "/metadata"])
def test_nothing_can_be_written(face, method, path):
    answer = face.open(method, path)
    assert (answer.status, answer.issue["code"]) == (405, "not-supported")
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


# --- search ---


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        (f"url={BASE}/PlanDefinition/lbpR01", {"lbpR01"}),
        (f"url={BASE}/PlanDefinition/lbpR0", set()),
        ("name=lbpr0&name=LBPR01", {"lbpR01"}),
        ("name:exact=LbpR01", {"lbpR01"}),
        ("name:exact=lbpr01", set()),
        ("_id=lbpR01,lbpR02", {"lbpR01", "lbpR02"}),
        ("_id=lbpR01&status=draft", {"lbpR01"}),
        ("_id=lbpR01&status=active", set()),
        ("_id=lbpR01&status:not=active", {"lbpR01"}),
        ("_id=lbpR01&status=http://hl7.org/fhir/publication-status%7Cdraft", {"lbpR01"}),
        ("_id=lbpR01&status=%7Cdraft", set()),
        ("_id=lbpR01&version=1.0.0&name=", {"lbpR01"}),
        ("_id=lbpR01&version:missing=true", set()),
        ("_id=lbpR01&version:missing=false", {"lbpR01"}),
        ("context=http://elsewhere.example.org%7CNO", set()),
    ],
)
def test_search_finds(face, query, ids):
    assert set(face.found(f"/PlanDefinition?{query}")) == ids


FORM = "application/x-www-form-urlencoded"


def test_search_by_post_finds_what_search_by_get_finds(face):
    """FHIR R4, Search: parameters in a form and in the address count alike."""
    asked = face.get("/PlanDefinition?name:contains=R0&_count=2")
    posted = face.open(
        "POST", "/PlanDefinition/_search?_count=2", data="name:contains=R0", content_type=FORM
    )
    assert posted.json["entry"] == asked.json["entry"]
    assert posted.json["total"] == asked.json["total"]
    (self_link, *_) = posted.json["link"]
    assert face.get(self_link["url"].partition("/fhir")[2]).json["entry"] == asked.json["entry"]


@pytest.mark.parametrize(
    ("body", "content_type", "status", "told"),
    [
        ("nam=x", FORM, 400, "did you mean 'name'"),
        ("_format=xml", FORM, 406, "only JSON"),
        ("{}", "application/fhir+json", 415, "Content-Type: application/x-www-form-urlencoded"),
        ("name=x", None, 415, "Content-Type: application/x-www-form-urlencoded"),
    ],
)
def test_a_form_that_cannot_be_searched_with_is_refused(face, body, content_type, status, told):
    answer = face.open("POST", "/PlanDefinition/_search", data=body, content_type=content_type)
    assert answer.status == status
    assert told in answer.text


def test_a_search_by_post_may_ask_for_nothing(face):
    assert face.open("POST", "/ValueSet/_search").json["total"] > 1


def test_the_address_of_a_search_by_post_cannot_be_read(face):
    answer = face.get("/ValueSet/_search")
    assert answer.status == 405
    assert set(answer.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}


def test_titles_are_found_by_their_start_or_by_any_part(face):
    title = face.get("/PlanDefinition/lbpR01").json["title"]
    assert "lbpR01" in face.found(f"/PlanDefinition?title={title[:9].upper()}")
    assert "lbpR01" in face.found(f"/PlanDefinition?title:contains={title[3:12]}")
    assert "lbpR01" not in face.found(f"/PlanDefinition?title={title[3:12]}")
    assert "lbpR01" not in face.found(f"/PlanDefinition?title:exact={title[:9]}")


def test_plans_of_a_country_are_found(face):
    every = [entry["resource"] for entry in face.get("/PlanDefinition?_count=200").json["entry"]]
    german = [plan["id"] for plan in every if '"DE"' in json.dumps(plan.get("jurisdiction"))]
    assert german
    for query in ("context=DE", "jurisdiction=DE", "context=urn:iso:std:iso:3166%7CDE"):
        assert face.found(f"/PlanDefinition?{query}") == german
    assert not set(german) & set(face.found("/PlanDefinition?jurisdiction:not=DE&_count=200"))


def test_use_context_counts_as_context():
    topic = {"coding": [{"system": SNOMED, "code": "279039007"}]}
    resource = {"useContext": [{"valueCodeableConcept": topic}, {"valueQuantity": {"value": 1}}]}
    for text, is_found in (("279039007", True), (f"{SNOMED}|", True), ("1", False)):
        assert bool(search.parse([("context", text)]).run([resource])) is is_found


def test_search_strings_forget_case_and_accents_and_escapes_are_read():
    resource = {"title": "Rückenschmerz, chronisch"}
    for text in ("RUCKENSCHMERZ", "rückenschmerz\\, chron"):
        assert search.parse([("title", text)]).run([resource]) == [resource]


def test_pages_follow_each_other_and_lose_nothing(face):
    everything = face.found("/ValueSet?_count=200&status=draft")
    path, seen, pages = "/ValueSet?_count=50&status=draft", [], 0
    while path:
        bundle = face.get(path).json
        assert bundle["total"] == len(everything)
        seen += [entry["resource"]["id"] for entry in bundle["entry"]]
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        assert links["self"] == f"http://localhost/fhir{path}"
        assert ("previous" in links) is (pages > 0)
        path = links.get("next", "").removeprefix("http://localhost/fhir")
        pages += 1
    assert (seen, pages) == (everything, -(-len(everything) // 50))


def test_a_page_behind_the_end_is_empty_and_leads_back(face):
    bundle = face.get("/Library?_count=1&_offset=99").json
    assert "entry" not in bundle
    (previous,) = [item["url"] for item in bundle["link"] if item["relation"] == "previous"]
    assert len(face.found(previous.removeprefix("http://localhost/fhir"))) == 1


@pytest.mark.parametrize("query", ["_summary=count", "_count=0"])
def test_only_the_number_can_be_asked_for(face, query):
    bundle = face.get(f"/PlanDefinition?_id=lbpR01&{query}").json
    assert bundle["total"] == 1
    assert "entry" not in bundle


def test_a_summary_is_a_tagged_part(face):
    for resource_type in TYPES:
        for entry in face.get(f"/{resource_type}?_summary=true&_count=3").json["entry"]:
            resource = entry["resource"]
            assert resource["meta"]["tag"][-1]["code"] == "SUBSETTED"
            assert not {"action", "compose", "concept", "dynamicValue"} & set(resource)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("nmae=x", "did you mean 'name'"),
        ("nmae=x", "known: _id, context, jurisdiction, name, status, title, url, version"),
        ("_sort=name", "there is no search parameter '_sort'"),
        ("url:below=x", "known: url:missing"),
        ("name:missing=maybe", "must be true or false"),
        ("_count=-1", "must be a whole number from 0"),
        ("_offset=x", "must be a whole number from 0"),
        ("_summary=text", "must be one of true, count, false"),
    ],
)
def test_what_cannot_be_searched_for_is_told(face, query, told):
    answer = face.get(f"/PlanDefinition?{query}")
    assert answer.status == 400
    assert told.lower() in answer.text.lower()
    assert answer.issue["expression"] == [query.partition("=")[0]]


def test_a_client_may_ask_for_leniency(face):
    lenient = {"Prefer": "return=minimal, handling=lenient"}
    answer = face.get("/PlanDefinition?_id=lbpR01&_sort=name", headers=lenient)
    assert answer.json["total"] == 1
    (link,) = answer.json["link"]
    assert link["url"] == "http://localhost/fhir/PlanDefinition?_id=lbpR01"


def test_json_in_every_spelling_and_nothing_else(face):
    for name in ("json", "application/json", "application/fhir+json", "application/fhir%2Bjson"):
        assert face.get(f"/metadata?_format={name}").status == 200
    answer = face.get("/metadata?_format=xml")
    assert (answer.status, answer.code) == (406, "not-acceptable")
    assert face.get("/metadata?_pretty=true").body.startswith(b'{\n  "resourceType"')


# --- $apply ---


def applied_by_command(monkeypatch, plan: str, decision: str) -> dict[str, Any]:
    """What `cds-service apply` prints for the same chart now, under the same decision id."""
    monkeypatch.setattr(answer_commands, "uuid4", lambda: UUID(decision))
    file = str(PATIENTS / "cauda-equina.json")
    now = datetime.now(UTC).isoformat()
    command = ["apply", plan, "--subject", SUBJECT, "--data", file, "--now", now]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("plan", ["lbpR01", "low-back-pain-patient-view"])
def test_apply_gives_what_the_command_gives(face, chart, monkeypatch, plan):
    bundle = face.ask(f"/PlanDefinition/{plan}/$apply", subject=SUBJECT, data=chart).json
    types = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
    assert types[0] == "RequestGroup"
    assert "ServiceRequest" in types
    assert bundle == applied_by_command(monkeypatch, plan, bundle["id"])


@pytest.mark.parametrize("name", ["url", "canonical"])
@pytest.mark.parametrize("version", ["", "|1.0.0"])
def test_a_plan_can_be_named_by_its_url(face, chart, name, version):
    url = {name: f"{BASE}/PlanDefinition/lbpR01{version}"}
    bundle = face.ask("/PlanDefinition/$apply", subject=SUBJECT, data=chart, **url).json
    group = bundle["entry"][0]["resource"]
    assert group["instantiatesCanonical"] == [f"{BASE}/PlanDefinition/lbpR01|1.0.0"]
    assert group["action"]


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        (f"{BASE}/PlanDefinition/lbpR1", "did you mean"),
        (f"{BASE}/PlanDefinition/lbpR01|2.0.0", "lbpR01|1.0.0"),
    ],
)
def test_an_unknown_plan_is_not_found(face, url, hint):
    answer = face.ask("/PlanDefinition/$apply", subject=SUBJECT, url=url)
    assert (answer.status, answer.code) == (404, "not-found")
    assert hint in answer.text


def test_without_data_everything_is_unknown(face, client):
    path = "/PlanDefinition/low-back-pain-patient-view/$apply?subject=Patient/1"
    answer = face.get(path)
    for entry in answer.json["entry"]:
        assert entry["resource"]["resourceType"] == "RequestGroup"
        assert entry["resource"]["subject"] == {"reference": "Patient/1"}
    rule = face.get("/PlanDefinition/lbpR01/$apply?subject=Patient/1")
    assert "action" not in rule.json["entry"][0]["resource"]
    verdicts = client.events[-1]["verdicts"]
    assert {name: count for name, count in verdicts.items() if count} == {"cannot tell": 1}


def test_a_chart_without_resources_of_a_type_knows_that_there_are_none(face, client):
    chart = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": {"resourceType": "Patient", "id": "1", "birthDate": "1980-01-01"}}],
    }
    face.ask("/PlanDefinition/lbpR01/$apply", subject="Patient/1", data=chart)
    assert client.events[-1]["verdicts"]["not met"] == 1


@pytest.mark.parametrize(
    ("profile", "is_met"), [("core", False), ("nl", False), ("de", True), ("no", False)]
)
def test_parameters_set_names_by_hand(face, profile, is_met):
    chart = json.loads((PATIENTS / "off-work-de.json").read_text())
    answer = face.ask(
        "/PlanDefinition/lbpR17/$apply",
        subject="Patient/off-work-de",
        data=chart,
        parameters=parameters(profile=profile),
    )
    assert ("action" in answer.json["entry"][0]["resource"]) is is_met


def test_draft_orders_can_be_given(face):
    chart = json.loads((PATIENTS / "history-of-cancer.json").read_text())
    message = json.loads(
        (PATIENTS.parent / "requests" / "order-sign-xray-history-of-cancer.json").read_text()
    )
    drafts = message["context"]["draftOrders"]

    def verdict(**given: Any) -> bool:
        subject = f"Patient/{message['context']['patientId']}"
        path = "/PlanDefinition/lbpR05/$apply"
        answer = face.ask(path, subject=subject, data=chart, **given)
        resources = [entry["resource"] for entry in answer.json["entry"]]
        return "X-ray" in json.dumps(resources[0].get("action", []))

    assert verdict(parameters=parameters(hook="order-sign", draftOrders=drafts))
    assert not verdict()


def test_encounter_and_practitioner_are_named_in_the_requests(face, chart):
    bundle = face.ask(
        "/PlanDefinition/lbpR01/$apply",
        subject=SUBJECT,
        data=chart,
        encounter="Encounter/e",
        practitioner="Practitioner/gp",
    ).json
    orders = [entry["resource"] for entry in bundle["entry"][1:]]
    assert orders
    for order in orders:
        assert order["encounter"] == {"reference": "Encounter/e"}
        assert order["requester"] == {"reference": "Practitioner/gp"}


@pytest.fixture
def foreign(tmp_path) -> Face:
    """The face over a plan whose action asks for a practitioner, and an activity of no plan."""
    url, base = "http://example.org/fhir", {"version": "1", "status": "active"}
    action = {"id": "a", "title": "A", "participant": [{"type": "practitioner"}]}
    resources = [
        {"resourceType": "PlanDefinition", "id": "p", "title": "P", "action": [action]},
        {"resourceType": "ActivityDefinition", "id": "alone", "kind": "Task"},
    ]
    for resource in resources:
        address = f"{url}/{resource['resourceType']}/{resource['id']}"
        text = json.dumps({**resource, **base, "url": address})
        (tmp_path / f"{resource['id']}.json").write_text(text)
    return Face(client_with(PLANS=str(tmp_path)))


def test_who_asks_takes_part_and_the_group_is_of_the_encounter(foreign):
    (entry,) = foreign.ask(
        "/PlanDefinition/p/$apply",
        subject="Patient/1",
        practitioner="Practitioner/gp",
        encounter="Encounter/e",
    ).json["entry"]
    assert entry["resource"]["action"][0]["participant"] == [{"reference": "Practitioner/gp"}]
    assert entry["resource"]["encounter"] == {"reference": "Encounter/e"}


def test_an_activity_of_no_plan_applies(foreign):
    task = foreign.get("/ActivityDefinition/alone/$apply?subject=Patient/1").json
    assert task["resourceType"] == "Task"
    assert task["for"] == {"reference": "Patient/1"}
    assert task["instantiatesCanonical"] == "http://example.org/fhir/ActivityDefinition/alone|1"


def test_a_subject_may_be_a_reference(face):
    reference = {"name": "subject", "valueReference": {"reference": "Patient/1"}}
    body = {"resourceType": "Parameters", "parameter": [reference]}
    assert face.open("POST", "/PlanDefinition/lbpR01/$apply", json=body).status == 200


@pytest.mark.parametrize(
    ("given", "place", "told"),
    [
        ({"subject": None}, "subject", "required"),
        ({"subject": "Patient/x"}, "subject", "the Patient it names is not in the data"),
        ({"subject": "Practitioner/x"}, "subject", "must refer to a Patient"),
        ({"subject": "cauda-equina"}, "subject", "must refer to a Patient"),
        ({"subject": 5}, "subject", "must be a string"),
        ({"encounter": "e"}, "encounter", "such as Encounter/123"),
        ({"encounter": "Patient/e"}, "encounter", "such as Encounter/123"),
        ({"practitioner": "Patient/e"}, "practitioner", "such as Practitioner/123"),
        ({"data": "text"}, "data", "must be a resource"),
        ({"data": {"resourceType": "Patient", "id": "x"}}, "data", "must be a Bundle"),
        ({"parameters": parameters(profil="nl")}, "parameters.profil", "did you mean 'profile'"),
        ({"parameters": parameters(profile="uk")}, "parameters.profile", "one of core, nl"),
        ({"subjects": "Patient/x"}, "subjects", "did you mean 'subject'"),
        ({"url": "x"}, "url", "its parameters are: data, encounter"),
    ],
)
def test_what_is_wrong_with_the_arguments_is_told(face, chart, given, place, told):
    asked = {"subject": SUBJECT, "data": chart, **given}
    answer = face.ask(
        "/PlanDefinition/lbpR01/$apply",
        **{name: value for name, value in asked.items() if value is not None},
    )
    assert answer.status == 400
    assert answer.issue["expression"] == [place]
    assert told in answer.text


def test_plans_of_the_client_are_not_applied(face):
    plan = {"resourceType": "PlanDefinition", "status": "draft"}
    answer = face.ask("/PlanDefinition/$apply", subject=SUBJECT, planDefinition=plan)
    assert (answer.status, answer.issue["expression"]) == (400, ["planDefinition"])
    answer = face.ask("/PlanDefinition/$apply", subject=SUBJECT)
    assert (answer.status, answer.issue["expression"]) == (400, ["url"])


@pytest.mark.parametrize(
    "body", [{}, [], 5, {"resourceType": "Bundle"}, {"resourceType": "Parameters", "parameter": 5}]
)
def test_a_body_that_is_no_parameters_is_refused(face, body):
    answer = face.open("POST", "/PlanDefinition/lbpR01/$apply", json=body)
    assert answer.status == 400


@pytest.mark.requirement("REQ-21")
def test_data_of_another_patient_is_refused(face, chart):
    other = json.loads((PATIENTS / "fever.json").read_text())
    mixed = {**chart, "entry": chart["entry"] + other["entry"]}
    answer = face.ask("/PlanDefinition/lbpR01/$apply", subject=SUBJECT, data=mixed)
    assert (answer.status, answer.issue["expression"]) == (400, ["data"])
    assert "another patient" in answer.text


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"data": b"{"}, 400, "invalid-json"),
        ({"data": b"<x/>", "content_type": "application/xml"}, 415, "unsupported-media-type"),
        ({}, 415, "unsupported-media-type"),
    ],
)
def test_bodies_are_read_as_everywhere_else(face, body, status, code):
    options = {"content_type": SERVED, **body} if "data" in body else body
    answer = face.open("POST", "/PlanDefinition/lbpR01/$apply", **options)
    assert (answer.status, answer.code) == (status, code)


def test_an_activity_applies_on_its_own(face, chart):
    order = face.ask("/ActivityDefinition/mri-lumbar/$apply", subject=SUBJECT, data=chart).json
    assert order["resourceType"] == "ServiceRequest"
    assert order["status"] == "draft"
    assert order["subject"] == {"reference": SUBJECT}
    assert order["reasonReference"] == [{"reference": "Condition/cauda-equina-lbp"}]


def test_every_activity_applies_without_data(face):
    for name in face.found("/ActivityDefinition?_count=200"):
        answer = face.get(f"/ActivityDefinition/{name}/$apply?subject=Patient/1")
        assert answer.status == 200, name
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.requirement("PHI-3")
def test_nothing_about_the_patient_is_logged(face, client, chart):
    text = json.dumps(chart).replace("cauda-equina", "canary")
    face.ask("/PlanDefinition/lbpR01/$apply", subject="Patient/canary", data=json.loads(text))
    face.ask("/PlanDefinition/lbpR01/$apply", subject="Patient/canary-2", data=json.loads(text))
    face.get("/PlanDefinition/lbpR01/$apply?subject=Patient/canary&canary=canary")
    face.get("/canary/canary?canary=canary")
    face.get("/ValueSet/VS-LBP/$validate-code?system=canary&code=canary")
    assert len(client.events) == 5
    assert "canary" not in client.log.getvalue()
    assert client.events[0]["plan"] == "lbpR01"


# --- terminology ---


def codes(value_set: dict[str, Any]) -> list[tuple[str, str]]:
    return [(item["system"], item["code"]) for item in value_set["expansion"].get("contains", [])]


def test_every_value_set_expands_to_members(face):
    for name in face.found("/ValueSet?_count=200"):
        expanded = face.get(f"/ValueSet/{name}/$expand").json
        listed = codes(expanded)
        assert listed, name
        assert len(listed) == len(set(listed)) == expanded["expansion"]["total"]
    for system, code in listed:
        answer = face.ask(f"/ValueSet/{name}/$validate-code", system=system, code=code)
        assert answer.json["parameter"][0]["valueBoolean"]


def test_an_expansion_keeps_order_and_displays_and_counts_members_of_members(face):
    shipped = face.get("/ValueSet/VS-LBP").json["compose"]["include"][0]["concept"]
    expanded = face.get("/ValueSet/VS-LBP/$expand").json
    assert expanded["expansion"]["contains"][: len(shipped)] == [
        {"system": SNOMED, **concept} for concept in shipped
    ]
    assert set(codes(expanded)) < set(codes(face.get("/ValueSet/VS-BACK-PAIN/$expand").json))


def test_an_expansion_that_cannot_be_complete_says_so(face):
    unclosed = {
        "url": "http://hl7.org/fhir/StructureDefinition/valueset-unclosed",
        "valueBoolean": True,
    }
    for name, is_open in (("VS-LBP", True), ("VS-BACK-PAIN", True), ("LAB-CRP", False)):
        expansion = face.get(f"/ValueSet/{name}/$expand").json["expansion"]
        assert (expansion.get("extension") == [unclosed]) is is_open, name


def test_an_expansion_can_be_filtered_and_paged(face):
    url = f"{BASE}/ValueSet/VS-LBP"
    chronic = face.get(f"/ValueSet/$expand?url={url}&filter=CHRONIC+low").json
    assert codes(chronic) == [(SNOMED, "278860009")]
    assert {"name": "filter", "valueString": "CHRONIC low"} in chronic["expansion"]["parameter"]
    everything = codes(face.ask("/ValueSet/$expand", url=url).json)
    page = face.ask("/ValueSet/$expand", url=f"{url}|1.0.0", offset=2, count=3).json
    assert codes(page) == everything[2:5]
    assert page["expansion"]["total"] == len(everything)
    assert codes(face.ask("/ValueSet/$expand", url=url, count=0).json) == []


@pytest.mark.parametrize("blank", ["filter=%20", "filter=", "count=%20&offset=%09", "filter=+"])
def test_a_blank_parameter_counts_as_not_given(face, blank):
    everything = codes(face.get("/ValueSet/VS-LBP/$expand").json)
    answer = face.get(f"/ValueSet/VS-LBP/$expand?{blank}")
    assert answer.status == 200, answer.text
    assert codes(answer.json) == everything
    assert "parameter" not in answer.json["expansion"]


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"name": "codeableConcept", "valueCodeableConcept": {}}, "a coding or a text"),
        ({"name": "codeableConcept", "valueCodeableConcept": {"coding": []}}, "a coding or a text"),
        ({"name": "codeableConcept", "valueCodeableConcept": {"coding": "x"}}, "a list of Codings"),
        ({"name": "codeableConcept", "valueCodeableConcept": {"coding": ["x"]}}, "be a Coding"),
        (
            {"name": "codeableConcept", "valueCodeableConcept": {"coding": [{"code": 279039007}]}},
            "codeableConcept.coding[0].code: must be a string",
        ),
        ({"name": "coding", "valueCoding": {"code": 5}}, "coding.code: must be a string"),
        ({"name": "coding", "valueCoding": {"code": "1", "system": 5}}, "coding.system: must be"),
        ({"name": "coding", "valueCoding": {"code": "1", "display": []}}, "coding.display: must"),
        ({"name": "coding", "valueCoding": {"display": "x"}}, "coding: must have a code"),
    ],
)
def test_a_coding_that_is_none_is_told_and_is_no_no(face, entry, told):
    body = {"resourceType": "Parameters", "parameter": [entry]}
    answer = face.open("POST", "/ValueSet/VS-LBP/$validate-code", json=body)
    assert answer.status == 400
    assert told in answer.text


def test_a_concept_with_a_text_alone_is_in_no_set(face):
    entry = {"name": "codeableConcept", "valueCodeableConcept": {"text": "Low back pain"}}
    body = {"resourceType": "Parameters", "parameter": [entry]}
    answer = face.open("POST", "/ValueSet/VS-LBP/$validate-code", json=body).json
    assert answer["parameter"][0] == {"name": "result", "valueBoolean": False}
    assert "a concept without a coding" in answer["parameter"][1]["valueString"]


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/ValueSet/$expand", 400, "url: required"),
        (f"/ValueSet/$expand?url={BASE}/ValueSet/VS-LPB", 404, "VS-LBP"),
        (f"/ValueSet/$expand?url={BASE}/ValueSet/VS-LBP%7C9", 404, "1.0.0"),
        (f"/ValueSet/$expand?url={BASE}/ValueSet/VS-LBP&valueSetVersion=9", 404, "1.0.0"),
        ("/ValueSet/VS-LPB/$expand", 404, "VS-LBP"),
        ("/ValueSet/VS-LBP/$expand?count=x", 400, "count: must be a whole number"),
        ("/ValueSet/VS-LBP/$expand?count=1&count=2", 400, "count: is given 2 times"),
        ("/ValueSet/VS-LBP/$expand?includeDesignations=x", 400, "must be true or false"),
        ("/ValueSet/VS-LBP/$expand?activeOnly=x", 400, "activeOnly: must be true or false"),
        ("/ValueSet/VS-LBP/$expand?fliter=x", 400, "did you mean 'filter'"),
        ("/ValueSet/$validate-code?code=x&system=y", 400, "url: required"),
        (f"/ValueSet/$validate-code?url={BASE}/x&code=x&system=y", 404, "is loaded"),
        ("/ValueSet/VS-LBP/$validate-code", 400, "one of code"),
        ("/ValueSet/VS-LBP/$validate-code?code=x", 400, "system: required"),
        ("/ValueSet/VS-LBP/$validate-code?coding=x", 400, "coding: must be a resource"),
    ],
)
def test_what_is_wrong_with_a_terminology_question_is_told(face, path, status, told):
    answer = face.get(path)
    assert answer.status == status
    assert told in answer.text


def validated(face: Face, name: str = "VS-LBP", **asked: Any) -> dict[str, Any]:
    answer = face.ask(f"/ValueSet/{name}/$validate-code", **asked)
    assert answer.status == 200, answer.body
    return {
        item["name"]: item.get("valueString", item.get("valueBoolean"))
        for item in answer.json["parameter"]
    }


def test_a_member_is_valid_and_is_named(face):
    expected = {"result": True, "display": "Low back pain (finding)"}
    assert validated(face, **LOW_BACK_PAIN) == expected
    assert validated(face, coding=LOW_BACK_PAIN) == expected
    other = {"system": SNOMED, "code": "1"}
    assert validated(face, codeableConcept={"coding": [other, LOW_BACK_PAIN]}) == expected
    assert validated(face, **LOW_BACK_PAIN, display="low back  PAIN (Finding)") == expected


def test_what_is_no_member_is_not_valid_and_is_told(face):
    found = validated(face, system=SNOMED, code="1")
    assert found["result"] is False
    assert (
        f"'1' of '{SNOMED}' is not in the value set {BASE}/ValueSet/VS-LBP|1.0.0"
        in (found["message"])
    )
    for asked in (
        {"system": "http://loinc.org", "code": "279039007"},
        {"coding": {"code": "279039007"}},
        {"codeableConcept": {"coding": [{"system": SNOMED, "code": "1"}, {"display": "x"}]}},
    ):
        assert validated(face, **asked)["result"] is False


def test_a_wrong_display_is_told(face):
    found = validated(face, coding={**LOW_BACK_PAIN, "display": "Sciatica"})
    assert found["result"] is False
    assert found["display"] == "Low back pain (finding)"
    assert "'Sciatica' is not a display" in found["message"]


def test_codes_below_a_root_are_members_under_every_uri_of_their_system(face):
    for system in ("http://hl7.org/fhir/sid/icd-10", "urn:oid:2.16.578.1.12.4.1.1.7110"):
        assert validated(face, system=system, code="M54.59") == {"result": True}
    unchecked = validated(
        face, system="http://hl7.org/fhir/sid/icd-10", code="M54.59", display="Any"
    )
    assert unchecked["result"] is True
    assert "not checked" in unchecked["message"]


def test_excluded_codes_are_neither_listed_nor_valid(face):
    compose = face.get("/ValueSet/VS-MALIGNANCY").json["compose"]
    roots = [(entry["system"], entry["filter"][0]["value"]) for entry in compose["exclude"]]
    assert roots
    listed = codes(face.get("/ValueSet/VS-MALIGNANCY/$expand").json)
    for system, root in roots:
        assert (system, root) not in listed
        for code in (root, f"{root}.9"):
            assert validated(face, "VS-MALIGNANCY", system=system, code=code)["result"] is False


# --- browsers ---


@pytest.mark.requirement("CORS-1", "CORS-2")
@pytest.mark.parametrize(
    "path", ["/metadata", "/PlanDefinition", "/PlanDefinition/$apply", "/ValueSet/x/$expand"]
)
def test_pages_of_allowed_origins_may_call(face, path):
    origin = "http://localhost:3000"
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    assert face.open("OPTIONS", path, headers=asked).headers["Access-Control-Allow-Origin"] == (
        origin
    )
    answer = face.get(path, headers={"Origin": "https://elsewhere.example.org"})
    assert "Access-Control-Allow-Origin" not in answer.headers
