"""The command line: what each command prints, and its exit code (0, 1 found something, 2)."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from plans import condition, plan
from shared_data import REPOSITORY

from cds_service.cli import main

REQUESTS = REPOSITORY / "examples" / "requests"
MRI = REQUESTS / "order-sign-mri.json"
NOW = ("--now", "2024-06-01")


@pytest.fixture
def run(monkeypatch):
    monkeypatch.chdir(REPOSITORY)

    def invoke(*arguments):
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return invoke


def cards_of(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["cards"]


def test_call_prints_the_response_without_a_server(run):
    cards = cards_of(run("call", "low-back-pain-order-sign", MRI, *NOW))

    assert "lbpR16" in [card["source"]["topic"]["code"] for card in cards]


def test_call_answers_for_the_profile_and_in_the_language_asked_for(run):
    arguments = ("call", "low-back-pain-order-sign", MRI, *NOW, "--profile", "nl")

    (card,) = cards_of(run(*arguments, "--language", "de"))

    assert card["extension"]["org.example.lbp"]["profile"] == "nl"
    assert card["summary"].startswith("LWS-Bildgebung")


def test_call_for_an_unknown_service_exits_2_and_names_the_closest(run):
    result = run("call", "low-back-pain-order-sing", MRI, *NOW)

    assert result.exit_code == 2
    assert "low-back-pain-order-sign" in result.stderr


def test_call_with_a_date_that_is_none_exits_2(run):
    result = run("call", "low-back-pain-order-sign", MRI, "--now", "yesterday")

    assert result.exit_code == 2
    assert "yesterday" in result.stderr


def test_a_request_without_required_data_exits_2_and_names_the_keys(run, tmp_path):
    request = json.loads((REQUESTS / "patient-view-no-back-pain.json").read_text())
    del request["prefetch"]["conditions"]
    file = tmp_path / "request.json"
    file.write_text(json.dumps(request))

    result = run("call", "low-back-pain-patient-view", file, *NOW)

    assert result.exit_code == 2
    assert "conditions" in result.stderr


def test_explain_says_what_fired_what_did_not_and_from_which_resources(run):
    result = run("explain", "low-back-pain-order-sign", MRI, *NOW, "--profile", "nl")

    assert result.exit_code == 0
    assert "fired" in result.stdout
    assert "not met" in result.stdout
    assert "%profile = 'de' → false" in result.stdout
    assert "%lbp → Condition/acute-back-pain-lbp" in result.stdout
    assert "from ServiceRequest/mri" in result.stdout


def test_explain_as_json_holds_verdicts_conditions_and_traces(run):
    result = run("explain", "low-back-pain-order-sign", MRI, *NOW, "--json")

    tree = json.loads(result.stdout)
    assert tree["plan"].endswith("low-back-pain-order-sign|1.0.0")
    assert tree["actions"][0]["verdict"] == "fired"


def test_explain_names_what_was_unknown(run, tmp_path):
    request = json.loads(MRI.read_text())
    del request["prefetch"]["conditions"]
    file = tmp_path / "request.json"
    file.write_text(json.dumps(request))

    result = run("explain", "low-back-pain-order-sign", file, *NOW)

    assert "cannot tell because of" in result.stdout
    assert "%conditions" in result.stdout


def test_apply_prints_a_bundle_that_starts_with_the_request_group(run):
    chart = REPOSITORY / "examples" / "patients" / "cauda-equina.json"
    patient = next(
        entry["resource"]["id"]
        for entry in json.loads(chart.read_text())["entry"]
        if entry["resource"]["resourceType"] == "Patient"
    )

    result = run("apply", "lbpR01", "--subject", f"Patient/{patient}", "--data", chart, *NOW)

    assert result.exit_code == 0, result.output
    resources = [entry["resource"] for entry in json.loads(result.stdout)["entry"]]
    assert resources[0]["resourceType"] == "RequestGroup"
    assert "ServiceRequest" in {item["resourceType"] for item in resources}


def test_fhirpath_prints_one_value_per_line(run, tmp_path):
    file = tmp_path / "patient.json"
    file.write_text('{"resourceType": "Patient", "name": [{"given": ["Ada", "B"]}], "x": 1.50}')

    assert run("fhirpath", "name.given", file).stdout == '"Ada"\n"B"\n'
    assert run("fhirpath", "today()", file, *NOW).stdout == "2024-06-01\n"


def test_fhirpath_says_when_not_all_of_the_answer_is_known(run, tmp_path):
    file = tmp_path / "patient.json"
    doctor = '{"reference": "Practitioner/9"}'
    file.write_text(f'{{"resourceType": "Patient", "generalPractitioner": [{doctor}]}}')

    result = run("fhirpath", "generalPractitioner.resolve()", file)

    assert result.stdout == ""
    assert "Not all of the answer is known" in result.stderr


def test_fhirpath_shows_where_a_mistake_is(run, tmp_path):
    file = tmp_path / "patient.json"
    file.write_text('{"resourceType": "Patient"}')

    result = run("fhirpath", "name.frist()", file)

    assert result.exit_code == 2
    assert "first" in result.stderr
    assert "\n  name.frist()\n       ^" in result.stderr


def test_lint_exits_0_when_clean_and_1_when_it_found_something(run, tmp_path):
    (tmp_path / "PlanDefinition.json").write_text(json.dumps(plan("p")))
    assert run("lint", tmp_path).exit_code == 0

    broken = plan("p", {"id": "a", "condition": [condition("1 +")]})
    (tmp_path / "PlanDefinition.json").write_text(json.dumps(broken))
    result = run("lint", tmp_path)

    assert result.exit_code == 1
    assert "PlanDefinition.json:" in result.stdout


def test_test_runs_cases_and_exits_1_when_one_fails(run, tmp_path):
    case = {
        "name": "A patient without back pain gets no card",
        "hook": "patient-view",
        "data": [{"resourceType": "Patient", "id": "p"}],
        "expect": {"only": True},
    }
    cases = tmp_path / "shared" / "cases"
    cases.mkdir(parents=True)
    strategy = plan(
        "s",
        {"id": "root", "title": "A", "trigger": [{"type": "named-event", "name": "patient-view"}]},
        description="D",
    )
    (tmp_path / "PlanDefinition.json").write_text(json.dumps(strategy))
    (cases / "one.json").write_text(json.dumps(case))

    failed = run("test", tmp_path)

    assert failed.exit_code == 1
    assert "A patient without back pain gets no card" in failed.stdout
    assert "0 cases passed, 1 failed" in failed.stdout


@pytest.mark.parametrize("file", ["cases/b.json", "PlanDefinition.json"])
def test_test_of_a_file_runs_that_case_or_those_beside_the_plan(run, tmp_path, file):
    trigger = [{"type": "named-event", "name": "patient-view"}]
    strategy = plan("s", {"id": "root", "title": "A", "trigger": trigger}, description="D")
    expect = {"name": "N", "hook": "patient-view", "data": [], "expect": {"status": 400}}
    for name in ("a", "b", "ab"):
        path = tmp_path / "cases" / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(expect))
    (tmp_path / "PlanDefinition.json").write_text(json.dumps(strategy))

    done = run("test", tmp_path / file, "-v")

    shown = [line.split()[1] for line in done.stdout.splitlines() if line.startswith(("p", "FAIL"))]
    every = ["cases/a.json", "cases/ab.json", "cases/b.json"]
    assert shown == (["cases/b.json"] if "cases" in file else every)


def test_test_without_any_case_is_no_success(run, tmp_path):
    (tmp_path / "PlanDefinition.json").write_text(json.dumps(plan("p")))

    done = run("test", tmp_path, "-k", "night")

    assert done.exit_code == 1
    assert f"no case below {tmp_path} has 'night' in its name or file" in done.stderr


@pytest.mark.parametrize("option", ["--html=report.html", "--json", "--plan=p"])
def test_what_only_a_report_takes_is_refused_without_one(run, tmp_path, option):
    done = run("test", tmp_path, option)

    assert done.exit_code == 2
    assert f"{option.partition('=')[0]} is for a report" in done.stderr


def test_a_report_on_a_plan_that_is_not_there_exits_2_with_the_closest(run, tmp_path):
    folder = tmp_path / "imaging" / "R16"
    folder.mkdir(parents=True)
    (folder / "PlanDefinition.json").write_text(json.dumps(plan("lbpR16")))

    done = run("test", tmp_path, "--coverage", "--plan", "lbpR61")

    assert done.exit_code == 2
    assert "'lbpR16'" in done.stderr


def test_the_package_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "cds_service", "--help"], capture_output=True, text=True, check=True
    )

    assert "explain" in done.stdout
