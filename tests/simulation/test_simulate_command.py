"""`cds-service simulate` on the project's patients and on published ones.

What must come out is reasoned from the rules, not read from its output.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import asdict
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner
from shared_data import REPOSITORY, folder
from simulation.cohorts import (
    LOW_BACK_PAIN,
    SADDLE_NUMBNESS,
    bundle,
    condition,
    early_mri,
    encounter,
    mri,
    patient,
    write_ndjson,
)  # fmt: skip
from simulation.runs import KEY, PLANS, ZONE, simulated

from cds_service.cli import main
from cds_service.simulation import evaluation, report, visits
from cds_service.simulation import result as results

EXAMPLES = REPOSITORY / "examples" / "patients"
JUNE = visits.end_of_day(date(2024, 6, 1), ZONE)


def run(*arguments, expected=0):
    done = CliRunner().invoke(main, ["simulate", *map(str, arguments)])
    assert done.exit_code == expected, done.output
    return done


def rows(place, **how):
    return [asdict(row) for row in results.rows(simulated(place, **how).judged)]


def name(patient_id):
    return evaluation.pseudonym(patient_id, KEY)


def of(found, patient_id, **wanted):
    """The rules of a patient in the rows with these values."""
    return {
        row["rule"]
        for row in found
        if row["patient"] == name(patient_id)
        and all(row[column] == value for column, value in wanted.items())
    } - {""}


SCREENED = (
    REPOSITORY
    / "plan_definitions/referral/R14/cases"
    / ("a-physiotherapist-sees-a-positive-red-flag-screen-refer-to-the-gp.json")
)
ON_THE_DAY = ("--on", "2024-06-01", "--profile", "nl", "--hook", "patient-view")


@pytest.mark.parametrize(
    ("asked", "is_shown"),
    [
        (["--specialty", "http://snomed.info/sct|36682004"], True),
        (["--specialty", "36682004"], True),
        (["--specialty", "394810000"], False),
        ([], False),
    ],
    ids=["physiotherapist", "of-snomed-ct", "rheumatologist", "general-practitioner"],
)
def test_a_rule_for_physiotherapists_speaks_to_them_alone(tmp_path, asked, is_shown):
    """R14 refers a positive red-flag screen to the GP: from physiotherapy, and from nobody else."""
    (tmp_path / "chart.json").write_text(
        json.dumps(bundle(*json.loads(SCREENED.read_text())["data"]))
    )

    done = run(PLANS, "--cohort", tmp_path, *ON_THE_DAY, *asked, "--format", "csv")

    assert ("lbpR14" in done.stdout) is is_shown


@pytest.mark.parametrize("specialty", ["http://snomed.info/sct|", "|36682004"])
def test_a_specialty_without_code_or_system_is_refused(tmp_path, specialty):
    done = run(PLANS, "--cohort", tmp_path, "--specialty", specialty, expected=2)

    assert "write SYSTEM|CODE" in done.output


@pytest.fixture(scope="module")
def example_rows():
    return rows(EXAMPLES, on=JUNE)


@pytest.mark.parametrize("hook", ["patient-view", "encounter-start"])
def test_new_saddle_numbness_with_back_pain_gets_the_urgent_card_at_the_visit(example_rows, hook):
    assert "lbpR01" in of(example_rows, "cauda-equina", hook=hook, indicator="critical")


def test_fever_with_back_pain_gets_the_card_of_spinal_infection(example_rows):
    assert "lbpR06" in of(example_rows, "fever", hook="patient-view")


def test_a_history_of_cancer_with_back_pain_gets_the_card_of_malignancy(example_rows):
    assert "lbpR04" in of(example_rows, "history-of-cancer", hook="patient-view")


def test_nobody_else_gets_these_cards(example_rows):
    urgent = {"lbpR01": "cauda-equina", "lbpR04": "history-of-cancer", "lbpR06": "fever"}

    for rule, who in urgent.items():
        assert {row["patient"] for row in example_rows if row["rule"] == rule} == {name(who)}


def test_a_patient_without_back_pain_gets_no_card(example_rows):
    assert of(example_rows, "no-back-pain") == set()
    assert name("no-back-pain") in {row["patient"] for row in example_rows}


@pytest.mark.parametrize("form", report.TEXTS)
def test_no_id_of_a_patient_is_in_any_form(form):
    written = report.TEXTS[form](simulated(EXAMPLES, against=PLANS, on=JUNE))

    assert not [path.stem for path in EXAMPLES.glob("*.json") if path.stem in written]


def test_without_a_key_the_pseudonyms_of_two_runs_have_nothing_in_common():
    arguments = (PLANS, "--cohort", EXAMPLES, "--on", "2024-06-01", "--format", "csv")

    first, second = (
        {line.split(",")[0] for line in run(*arguments).stdout.splitlines()[1:]} for _ in range(2)
    )

    assert len(first) == len(second) == 8
    assert first & second == set()


def test_nothing_of_the_future_is_known_at_a_visit(tmp_path):
    """Numbness that was recorded between two visits brings the card at the second alone."""
    record = [
        patient("anna"),
        condition("anna", "lbp", LOW_BACK_PAIN, recordedDate="2024-05-01T09:05:00Z"),
        condition("anna", "numb", SADDLE_NUMBNESS, recordedDate="2024-05-20T08:55:00Z"),
        encounter("anna", "before", "2024-05-10T09:00:00Z"),
        encounter("anna", "after", "2024-05-20T09:00:00Z"),
    ]

    found = rows(write_ndjson(tmp_path / "export", record))

    assert "lbpR01" not in of(found, "anna", at="2024-05-10T09:00:00+00:00")
    assert "lbpR01" in of(found, "anna", at="2024-05-20T09:00:00+00:00", hook="patient-view")


@pytest.fixture(scope="module")
def imaging(tmp_path_factory):
    """An early MRI of somebody with back pain, and one of somebody without pain on record."""
    record = [*early_mri("anna"), patient("ben"), mri("ben", "mri", "2024-06-03T09:10:00Z")]
    return write_ndjson(tmp_path_factory.mktemp("imaging") / "export", record)


def test_an_early_mri_gets_the_card_of_imaging_when_it_is_signed(imaging):
    found = rows(imaging)

    assert "lbpR16" in of(found, "anna", hook="order-sign", orders=1)
    assert of(found, "ben") == set()


def test_the_counts_of_hooks_months_and_burden_are_those_of_the_cohort(imaging):
    """Anna has one visit with all four hooks, Ben an order without a visit."""
    found = json.loads(run(PLANS, "--cohort", imaging, "--format", "json").stdout)["counts"]

    assert (found["patients"], found["visits"], found["calls"]) == (2, 2, 6)
    assert {line["hook"]: line["calls"] for line in found["hooks"]} == {
        "encounter-start": 1, "patient-view": 1, "order-select": 2, "order-sign": 2,
    }  # fmt: skip
    (month,) = found["months"]
    assert (month["month"], month["visits"], month["cards"]) == ("2024-06", 2, found["cards"])
    assert found["cards_per_100_visits"] == 50 * found["cards"]
    (imaging_rule,) = [line for line in found["rules"] if line["rule"] == "lbpR16"]
    assert (imaging_rule["visits"], imaging_rule["per_100_visits"]) == (1, 50.0)


def test_only_the_hooks_and_days_asked_for_are_judged(imaging):
    chosen = ("--hook", "order-sign", "--from", "2024-06-02", "--to", "2024-06-03")

    _, row = run(PLANS, "--cohort", imaging, *chosen, "--format", "csv").stdout.splitlines()

    assert row.split(",")[1:] == ["1", "2024-06-03T09:10:00+00:00", "order-sign", "1", *[""] * 4]


def test_bundles_and_bulk_data_give_the_same_rows(tmp_path, imaging):
    resources = [
        json.loads(line) for file in imaging.iterdir() for line in file.read_text().splitlines()
    ]
    (tmp_path / "everybody.json").write_text(json.dumps(bundle(*resources)))

    of_bundles = rows(tmp_path)

    assert of_bundles == rows(imaging)


@pytest.fixture(scope="module")
def without_imaging(tmp_path_factory):
    """The guideline without the card of R16: its condition never holds."""
    changed = tmp_path_factory.mktemp("older") / "plan_definitions"
    shutil.copytree(PLANS, changed)
    file = changed / "imaging" / "R16" / "PlanDefinition.json"
    plan = json.loads(file.read_text())
    expression = {"language": "text/fhirpath", "expression": "false"}
    for action in plan["action"]:
        action["condition"] = [{"kind": "applicability", "expression": expression}]
    file.write_text(json.dumps(plan))
    return changed


def test_against_an_older_folder_the_patients_who_gain_a_rule_are_named(imaging, without_imaging):
    found = simulated(imaging, against=without_imaging)

    (change,) = found.changes
    assert change.rule == "lbpR16"
    assert (change.patients_gained, change.patients_lost) == ((name("anna"),), ())
    assert f"lbpR16 gained by {name('anna')}" in report.TEXTS["table"](found)


def test_a_rule_that_is_shown_no_more_is_a_row_of_its_own(imaging, without_imaging):
    found = rows(imaging, plans=without_imaging, against=PLANS)

    assert {row["change"] for row in found if row["rule"] == "lbpR16"} == {"lost"}


def test_the_older_revision_may_be_one_of_git(tmp_path, imaging, without_imaging):
    plans = tmp_path / "plan_definitions"
    shutil.copytree(without_imaging, plans)
    git = ("git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org")
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "older"]):
        subprocess.run([*git, *command], check=True)
    rule = Path("imaging", "R16", "PlanDefinition.json")
    shutil.copy(PLANS / rule, plans / rule)

    found = run(plans, "--cohort", imaging, "--against", "HEAD", "--format", "json").stdout

    assert [change["rule"] for change in json.loads(found)["changes"]] == ["lbpR16"]


@pytest.fixture(scope="module")
def published():
    """The published records, judged by one worker."""
    return simulated(folder("patients"))


def test_as_many_workers_as_there_are_give_the_rows_of_one(published):
    alone = [asdict(row) for row in results.rows(published.judged)]

    assert rows(folder("patients"), workers=3) == alone


def test_published_records_are_judged_at_every_encounter_that_took_place(published):
    """The encounters with a start are counted in the files as they are, each id once."""
    starts = {
        entry["resource"]["id"]
        for path in folder("patients").glob("*.json")
        for entry in json.loads(path.read_text())["entry"]
        if entry["resource"]["resourceType"] == "Encounter"
        and entry["resource"].get("period", {}).get("start")
        and entry["resource"]["status"] not in {"planned", "cancelled", "entered-in-error"}
    }

    found = published.tally
    calls = {line.hook: line.calls for line in found.hooks}
    assert calls["patient-view"] == calls["encounter-start"] == len(starts)
    assert found.problems == ()


def test_a_broken_line_exits_2_with_its_file_and_line(tmp_path):
    file = tmp_path / "Patient.ndjson"
    file.write_text('{"resourceType": "Patient", "id": "a"}\n{"resourceType": \n')

    assert f"{file}:2:" in run(PLANS, "--cohort", tmp_path, expected=2).stderr


def test_a_short_key_is_refused(tmp_path):
    (tmp_path / "key").write_text("short")

    done = run(PLANS, "--cohort", EXAMPLES, "--pseudonym-key", tmp_path / "key", expected=2)

    assert "shorter than 16 bytes" in done.stderr


def test_a_day_of_its_own_goes_without_a_period():
    done = run(
        PLANS, "--cohort", EXAMPLES, "--on", "2024-06-01", "--from", "2024-01-01", expected=2
    )

    assert "leave out --from and --to" in done.stderr


def test_a_period_that_ends_before_it_begins_is_refused():
    period = ("--from", "2024-07-01", "--to", "2024-06-30")

    done = run(PLANS, "--cohort", EXAMPLES, *period, expected=2)

    assert "--to is before --from" in done.stderr


def test_a_report_into_a_folder_that_is_not_there_is_refused_before_the_work(tmp_path):
    output = tmp_path / "reports" / "june.html"

    done = run(PLANS, "--cohort", EXAMPLES, "--format", "html", "--output", output, expected=2)

    assert f"there is no folder '{output.parent}'" in " ".join(done.stderr.split())


def test_an_unknown_revision_is_named(imaging):
    done = run(PLANS, "--cohort", imaging, "--against", "no-such-revision", expected=2)

    assert "no-such-revision" in done.stderr or "no such revision" in done.stderr
