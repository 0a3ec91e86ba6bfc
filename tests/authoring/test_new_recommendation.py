"""`cds-service new recommendation`: what it writes lints, passes, and disturbs nothing."""

from __future__ import annotations

import json
import shutil

import pytest
from click.testing import CliRunner
from plans import BASE, plan
from shared_data import REPOSITORY

from cds_service import fhir_json
from cds_service.authoring.lint import check
from cds_service.cli import main

NEW = ("new", "recommendation", "R90", "--topic", "therapy", "--title", "Heat.", "--plans")


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def guideline(tmp_path):
    """The shipped guideline without its cases: what the command reads and changes."""
    folder = tmp_path / "plans"
    ignored = shutil.ignore_patterns("cases", "exceptions")
    shutil.copytree(REPOSITORY / "plan_definitions", folder, ignore=ignored)
    return folder


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_new_recommendation_lints_and_its_cases_pass(guideline):
    made = run(*NEW, guideline, "--now", "2026-11-23")
    linted = check(guideline)
    tested = run("test", guideline, "-v")

    assert made.exit_code == 0, made.output
    assert linted.problems == ()
    accepted = {"missing-translation", "unused-resource", "unused-data"}
    assert {item.code for item in linted.warnings} <= accepted
    assert "3 cases passed, 0 failed" in tested.output
    speaks = json.loads((guideline / "therapy/R90/cases/it-speaks.json").read_text())
    assert speaks["expect"]["cards"][0]["rule"] == "lbpR90"


def test_of_what_was_there_only_the_strategy_and_the_list_of_topics_change(guideline):
    before = contents(guideline)

    run(*NEW, guideline)

    after = contents(guideline)
    assert {str(path.relative_to(guideline)) for path in before if after[path] != before[path]} == {
        "strategies/low-back-pain-patient-view/PlanDefinition.json",
        "shared/CodeSystem-lbp-rules.json",
    }


def test_a_recommendation_is_never_written_over_another(guideline):
    run(*NEW, guideline)
    before = contents(guideline)

    again = run(*NEW, guideline)

    assert again.exit_code == 2
    assert "R90 is there already" in again.stderr
    assert contents(guideline) == before


def small_guideline(tmp_path, *needs):
    """A guideline of another base and other customs: one strategy, no plan with a topic."""
    requirement = {
        "id": "problems", "type": "Condition",
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/cqf-fhirQueryPattern",
                "valueString": "Condition?patient={{context.patientId}}",
            },
            *({"url": f"{BASE}/StructureDefinition/need", "valueCode": need} for need in needs),
        ],
    }  # fmt: skip
    library = {
        "resourceType": "Library", "id": "data", "url": f"{BASE}/Library/data", "status": "draft",
        "type": {"coding": [{"code": "asset-collection"}]},
        "dataRequirement": [requirement] if needs else [],
    }  # fmt: skip
    if not needs:
        del library["dataRequirement"]
    trigger = [{"type": "named-event", "name": "patient-view"}]
    root = {"id": "root", "groupingBehavior": "logical-group", "trigger": trigger}
    strategy = plan("s", root, description="D", library=[library["url"]])
    (tmp_path / "data.json").write_text(fhir_json.pretty(library) + "\n")
    (tmp_path / "s.json").write_text(fhir_json.pretty(strategy) + "\n")
    return tmp_path


@pytest.mark.parametrize("need", ["must", "may"])
def test_a_guideline_with_other_names_and_needs_gets_a_sound_start_too(tmp_path, need):
    folder = small_guideline(tmp_path, need)

    made = run(*NEW, folder)

    assert made.exit_code == 0, made.output
    assert check(folder).problems == ()
    tested = run("test", folder)
    assert "3 cases passed, 0 failed" in tested.output, tested.output


def test_a_service_without_conditions_is_told_that_the_start_needs_them(tmp_path):
    made = run(*NEW, small_guideline(tmp_path))

    assert made.exit_code == 2
    assert "declare a data requirement of type Condition" in made.stderr


def test_a_hook_without_strategy_exits_2_with_the_closest(tmp_path):
    made = run(*NEW, small_guideline(tmp_path, "may"), "--hook", "patient-veiw")

    assert made.exit_code == 2
    assert "'patient-view'" in made.stderr


def test_an_id_that_would_leave_the_folder_is_refused(tmp_path):
    made = run("new", "recommendation", "../x", *NEW[3:], small_guideline(tmp_path, "may"))

    assert made.exit_code == 2
    assert "letters, digits and hyphens" in made.stderr


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("  ", "the title must be one line of text"),
        ("Heat\nnow", "the title must be one line of text"),
        ("a" * 139, "the title has 140 characters; a card's summary has at most 139"),
        ("Heat for {days} days", "braces"),
    ],
)
def test_a_title_that_lint_would_refuse_writes_nothing(tmp_path, title, said):
    folder = small_guideline(tmp_path, "may")
    before = contents(folder)

    made = run("new", "recommendation", "R90", "--topic", "x", "--title", title, "--plans", folder)

    assert made.exit_code == 2
    assert said in made.stderr
    assert contents(folder) == before


def test_a_question_keeps_its_mark(tmp_path):
    folder = small_guideline(tmp_path, "may")

    run("new", "recommendation", "R90", "--topic", "x", "--title", "Heat?", "--plans", folder)

    made = json.loads((folder / "x/R90/PlanDefinition.json").read_text())
    assert made["action"][0]["title"] == "Heat?"


@pytest.mark.parametrize("identity", ["r16", "lbpR16"])
def test_a_plan_that_is_there_is_known_by_its_id_and_in_other_letters_too(guideline, identity):
    made = run("new", "recommendation", identity, *NEW[3:], guideline)

    assert made.exit_code == 2
    assert f"{identity} is there already" in made.stderr


def test_a_topic_that_is_a_file_is_named_with_the_reason(tmp_path):
    folder = small_guideline(tmp_path, "may")
    (folder / "therapy").write_text("")

    made = run(*NEW, folder)

    assert made.exit_code == 2
    assert f"{folder / 'therapy'}" in made.stderr
