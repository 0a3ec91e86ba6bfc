"""`cds-service case new`: a real request becomes a case, and nothing of the patient comes along."""

from __future__ import annotations

import json
import shutil
from datetime import date, timedelta

import pytest
from click.testing import CliRunner
from shared_data import REPOSITORY, ROOT

from cds_service.authoring.deidentify import Deidentifier, shifted
from cds_service.cli import main

REQUEST = REPOSITORY / "examples" / "requests" / "order-sign-mri.json"
SENT = "2026-11-20T10:30:00+01:00"
DAYS = (date(2024, 6, 1) - date(2026, 11, 20)).days
SECRET = "Zwartendijk"


def moved(text):
    return (date.fromisoformat(text) - timedelta(days=DAYS)).isoformat()


@pytest.fixture(scope="module")
def run():
    runner = CliRunner(env={"CDS_PLANS": str(REPOSITORY / "plan_definitions")})
    return lambda *arguments: runner.invoke(main, ["case", "new", *map(str, arguments)])


def revealing():
    """A request in which every place that can hold a name, a number or a note holds one."""
    patient = {
        "resourceType": "Patient", "id": f"{SECRET}-1", "gender": "female",
        "birthDate": moved("1979-03-01"), "active": True,
        "meta": {"source": f"urn:{SECRET}"}, "language": "nl",
        "text": {"status": "generated", "div": f"<div>{SECRET}</div>"},
        "identifier": [{"system": f"urn:{SECRET}", "value": SECRET}],
        "name": [{"family": SECRET, "given": ["Ada"]}],
        "telecom": [{"system": "phone", "value": SECRET}],
        "address": [{"line": [SECRET], "postalCode": "1234 AB"}],
        "photo": [{"url": f"https://x/{SECRET}"}], "contact": [{"name": {"text": SECRET}}],
        "maritalStatus": {"text": SECRET}, "managingOrganization": {"display": SECRET},
        "extension": [{"url": f"https://x/{SECRET}", "valueString": SECRET}],
    }  # fmt: skip
    subject = {"reference": f"https://ehr.example.org/{SECRET}/fhir/Patient/{SECRET}-1"}
    lbp = {"system": "http://snomed.info/sct", "code": "279039007", "display": "Low back pain"}
    condition = {
        "resourceType": "Condition", "id": f"{SECRET}-2", "subject": {**subject, "display": SECRET},
        "code": {"coding": [lbp], "text": f"back pain of Mrs {SECRET}"},
        "onsetDateTime": moved("2024-05-18"), "note": [{"text": SECRET}],
        "recorder": {"reference": f"Practitioner/{SECRET}", "identifier": {"value": SECRET}},
        "_onsetDateTime": {"extension": [{"url": "x", "valueString": SECRET}]},
    }  # fmt: skip
    observation = {
        "resourceType": "Observation", "id": f"{SECRET}-3", "status": "final", "subject": subject,
        "code": {"text": SECRET}, "valueString": SECRET, "comment": SECRET,
        "derivedFrom": [{"reference": f"Condition/{SECRET}-2"}],
    }  # fmt: skip
    mri = {"system": "http://loinc.org", "code": "24968-0"}
    draft = {
        "resourceType": "ServiceRequest", "id": SECRET, "status": "draft", "intent": "order",
        "code": {"coding": [mri]}, "subject": subject, "patientInstruction": SECRET,
        "contained": [{"resourceType": "Medication", "id": SECRET, "code": {"text": SECRET}}],
        "supportingInfo": [{"reference": f"#{SECRET}"}],
    }  # fmt: skip

    def bundle(*resources):
        entries = [{"fullUrl": f"https://x/{SECRET}", "resource": item} for item in resources]
        return {"resourceType": "Bundle", "type": "searchset", "entry": entries}

    return {
        "hook": "order-sign", "hookInstance": "6f0f4d0e-8a0b-4b5e-9a57-3d7c3f6f5a01",
        "fhirServer": f"https://ehr.example.org/{SECRET}",
        "context": {
            "userId": f"Practitioner/{SECRET}", "patientId": f"{SECRET}-1",
            "draftOrders": bundle(draft),
        },
        "prefetch": {
            "patient": patient, "conditions": bundle(condition), "obs": bundle(observation),
            "procedures": None, "meds": {"resourceType": "OperationOutcome", "issue": []},
        },
    }  # fmt: skip


@pytest.fixture(scope="module")
def made(run, tmp_path_factory):
    file = tmp_path_factory.mktemp("revealing") / "request.json"
    file.write_text(json.dumps(revealing()))
    result = run("--from", file, "--now", SENT)
    assert result.exit_code == 0, result.output
    assert SECRET not in result.output
    return json.loads(result.stdout)


def of_type(made, kind):
    return [item for item in made["data"] if item["resourceType"] == kind]


def test_nothing_that_names_the_patient_is_written(made):
    text = json.dumps(made)

    for told in (SECRET, "Ada", "1234 AB", "ehr.example.org", moved("1979-03-01"), "2026"):
        assert told not in text, told


def test_the_patient_keeps_sex_and_age(made):
    assert of_type(made, "Patient") == [
        {
            "resourceType": "Patient",
            "id": "patient",
            "gender": "female",
            "birthDate": "1979-03-01",
        }
    ]


def test_codes_and_intervals_stay_and_references_follow_the_new_ids(made):
    (condition,) = of_type(made, "Condition")
    (observation,) = of_type(made, "Observation")

    assert condition["code"]["coding"][0]["code"] == "279039007"
    assert "text" not in condition["code"]
    assert condition["onsetDateTime"] == "2024-05-18"
    assert condition["subject"] == {"reference": "Patient/patient"}
    assert observation["derivedFrom"] == [{"reference": f"Condition/{condition['id']}"}]
    assert made["draftOrders"][0]["supportingInfo"] == [{"reference": "#contained-1"}]


def test_what_was_only_free_text_says_that_there_was_one(made):
    (observation,) = of_type(made, "Observation")

    assert observation["code"] == {"text": "(text)"}
    assert observation["valueString"] == "(text)"
    assert "comment" not in observation


def test_what_was_not_obtained_is_unavailable_and_what_is_known_empty_is_not(made):
    assert {"meds", "user", "encounter"} <= set(made["unavailable"])
    assert not {"patient", "conditions", "obs", "procedures"} & set(made["unavailable"])


def test_the_case_is_judged_at_the_time_of_the_request_on_the_day_of_all_cases(made):
    assert made["now"] == "2024-06-01T10:30:00+01:00"


def test_the_verdict_is_left_to_the_author(made):
    assert made["expect"] is None


@pytest.fixture
def guideline(tmp_path):
    folder = tmp_path / "plans"
    shutil.copytree(REPOSITORY / "plan_definitions", folder)
    return folder


def test_a_case_goes_into_the_folder_of_its_plan_and_fails_until_a_verdict_is_stated(
    run, guideline
):
    arguments = ("--from", REQUEST, "--now", "2024-06-01", "--plans", guideline)
    result = run(*arguments, "--plan", "R16", "--name", "It speaks: here!")

    file = guideline / "imaging" / "R16" / "cases" / "it-speaks-here.json"
    assert result.exit_code == 0, result.output
    untold = CliRunner().invoke(main, ["test", str(file.parent.parent), "-k", "speaks: here"])
    assert untold.exit_code == 2
    assert "a case says what it expects" in untold.stderr

    proposal = json.loads(result.stderr.split("\n", 2)[2])
    file.write_text(json.dumps({**json.loads(file.read_text()), **proposal}))
    told = CliRunner().invoke(main, ["test", str(file.parent.parent), "-k", "speaks: here"])
    assert told.exit_code == 0, told.output
    assert "lbpR16" in [card["rule"] for card in proposal["expect"]["cards"]]


def test_a_case_is_never_written_over_another(run, guideline):
    arguments = ("--from", REQUEST, "--plans", guideline, "--plan", "lbpR16", "--name", "One")

    assert run(*arguments).exit_code == 0
    again = run(*arguments)

    assert again.exit_code == 2
    assert "is there already" in again.stderr


@pytest.mark.parametrize(
    ("sentence", "file"),
    [
        ("", "from-a-request"),
        ("日本", "from-a-request"),
        ("Für Männer über 50", "fur-manner-uber-50"),
    ],
)
def test_every_sentence_gives_a_file_name(run, guideline, sentence, file):
    arguments = ("--from", REQUEST, "--plans", guideline, "--plan", "R16", "--name", sentence)

    assert run(*arguments).exit_code == 0
    assert (guideline / f"imaging/R16/cases/{file}.json").is_file()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "request.json: The message is not usable JSON at line 1"),
        ("[]", "this is no CDS Hooks request: it has no member 'hook'"),
        ('{"hook": "order-sing"}', "did you mean 'order-sign'"),
    ],
)
def test_what_is_no_request_is_told_with_what_to_do(run, tmp_path, text, said):
    file = tmp_path / "request.json"
    file.write_text(text)

    made = run("--from", file)

    assert made.exit_code == 2
    assert said in made.stderr


def test_a_plan_that_is_not_there_exits_2_with_the_closest(run, guideline):
    result = run("--from", REQUEST, "--plans", guideline, "--plan", "R161")

    assert result.exit_code == 2
    assert "'R16'" in result.stderr


@pytest.mark.parametrize(
    "file", sorted((REPOSITORY / "examples" / "requests").glob("order-*.json"))
)
def test_a_case_of_each_example_is_answered_as_its_request_is(run, file):
    result = run("--from", file, "--now", "2024-06-01T12:00:00+02:00")

    assert result.exit_code == 0, result.output
    assert "The request itself is answered otherwise" not in result.stderr


@pytest.mark.parametrize(
    ("written", "later"),
    [
        ("2024-02-28", "2024-03-09"),
        ("2024-02-28T10:00:00+01:00", "2024-03-09T10:00:00+01:00"),
        ("2024-02", "2024-02"),
        ("2024", "2024"),
        ("yesterday", None),
        ("2024-13-01", None),
    ],
)
def test_dates_move_and_stay_as_precise_as_they_were(written, later):
    assert shifted(written, timedelta(days=10)) == later


def test_who_is_older_than_89_becomes_90():
    hide = Deidentifier(today=date(2024, 6, 1), shift=timedelta(0))
    patient = {"resourceType": "Patient", "id": "x"}

    assert hide.resource({**patient, "birthDate": "1921-09-09"})["birthDate"] == "1934-01-01"
    assert hide.resource({**patient, "birthDate": "1935-09-09"})["birthDate"] == "1935-09-09"


PATIENTS = sorted((ROOT / "patients").glob("*.json"))


@pytest.mark.skipif(not PATIENTS, reason="real patients are not here: ../shared/data/patients")
@pytest.mark.parametrize("file", PATIENTS, ids=lambda file: file.stem[:30])
def test_real_charts_lose_every_name_identifier_and_note(file):
    bundle = json.loads(file.read_text())
    hide = Deidentifier(today=date(2024, 6, 1), shift=timedelta(days=100))
    resources = [item["resource"] for item in bundle["entry"]]

    text = json.dumps([hide.resource(item) for item in resources])

    told = {word for item in resources for word in revealed(item)}
    assert told
    assert {word for word in told if f'"{word}"' in text or f"/{word}" in text} == set()


def revealed(resource):
    """What a chart says by which somebody could be known: ids, names, numbers, notes."""
    yield resource.get("id")
    for name in resource.get("name", []) if resource["resourceType"] == "Patient" else []:
        yield from (name.get("family"), *name.get("given", []))
    for identifier in resource.get("identifier", []) if isinstance(resource, dict) else []:
        if isinstance(identifier, dict):
            yield identifier.get("value")
    for note in resource.get("note", []):
        yield note.get("text") if isinstance(note, dict) else None
