"""`cds-service test --watch`: a real process, real saves, and what it prints after each."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import contextmanager
from queue import Empty, Queue
from threading import Thread

import pytest
from one_condition import FOUND, NOTHING
from plans import BASE, condition, plan, variable

WITHIN_S = 120


def requirement(key, resource_type, query):
    pattern = "http://hl7.org/fhir/StructureDefinition/cqf-fhirQueryPattern"
    need = "https://lbp.example.org/fhir/StructureDefinition/need"
    extension = [{"url": pattern, "valueString": query}, {"url": need, "valueCode": "may"}]
    return {"id": key, "type": resource_type, "extension": extension}


LIBRARY = {
    "resourceType": "Library",
    "id": "terms",
    "url": f"{BASE}/Library/terms",
    "version": "1.0.0",
    "status": "draft",
    "type": {"coding": [{"code": "logic-library"}]},
    "extension": [variable("enough", "1")],
    "dataRequirement": [
        requirement("patient", "Patient", "Patient/{{context.patientId}}"),
        requirement("obs", "Observation", "Observation?patient={{context.patientId}}"),
    ],
}


STRATEGY = plan(
    "my-service",
    {
        "id": "root",
        "groupingBehavior": "logical-group",
        "trigger": [{"type": "named-event", "name": "patient-view"}],
        "action": [
            {"id": name, "definitionCanonical": f"{BASE}/PlanDefinition/{name}"}
            for name in ("rule-a", "rule-b")
        ],
    },
    description="D",
    library=[LIBRARY["url"]],
)


def rule(name, expression):
    card = {
        "id": "card",
        "title": f"{name} speaks",
        "priority": "urgent",
        "code": [{"coding": [{"system": "urn:rules", "code": name}]}],
        "condition": [condition(expression)],
    }
    return plan(name, card, library=[LIBRARY["url"]])


def case(name, chart, **expect):
    return {"name": name, "hook": "patient-view", **chart, "expect": expect}


class Watching:
    """A running `cds-service test --watch`, and the lines that it prints."""

    def __init__(self, folder, *arguments):
        self.folder = folder
        self.lines = Queue()
        command = [sys.executable, "-m", "cds_service", "test", str(folder), "--watch", *arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.reader = Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        with self.process.stdout as lines:
            for line in lines:
                self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def until(self, text):
        """The lines up to the one that holds the text."""
        found = []
        while not found or text not in found[-1]:
            try:
                line = self.lines.get(timeout=WITHIN_S)
            except Empty:
                line = None
            if line is None:
                pytest.fail(f"never printed {text!r}, but: {found}")
            found.append(line)
        return found

    def save(self, name, value):
        """Save a file, as JSON or as the text that it is; what is printed until the cases ran."""
        path = self.folder / name
        path.write_text(value if isinstance(value, str) else json.dumps(value, indent=2))
        return self.until("failing")


@pytest.fixture
def folder(tmp_path):
    for name, value in {
        "strategies/PlanDefinition.json": STRATEGY,
        "shared/Library-terms.json": LIBRARY,
        "a/PlanDefinition.json": rule("rule-a", "%obs.count() >= %enough"),
        "b/PlanDefinition.json": rule("rule-b", "%obs.exists()"),
        "a/cases/one.json": case("One is enough", FOUND, cards=[{"rule": "rule-a"}]),
        "a/cases/none.json": case("None is silent", NOTHING, absent=["rule-a"]),
        "b/cases/any.json": case("Any is shown", FOUND, cards=[{"rule": "rule-b"}]),
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value, indent=2))
    return tmp_path


@contextmanager
def watched(folder):
    running = Watching(folder, "-v")
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()
        running.reader.join()


@pytest.fixture
def watching(folder):
    with watched(folder) as running:
        running.until("Ctrl-C ends")
        yield running


def run_cases(lines):
    """The files of the cases that ran, in order."""
    return [line.split()[1] for line in lines if line.startswith(("pass", "FAIL"))]


def test_a_saved_case_runs_alone_and_shows_the_difference(watching):
    expected = {"rule": "rule-a", "indicator": "info"}

    lines = watching.save("a/cases/one.json", case("One is enough", FOUND, cards=[expected]))

    assert run_cases(lines) == ["a/cases/one.json"]
    assert [line.strip() for line in lines if "indicator" in line] == [
        "-   indicator: info",
        "+   indicator: warning",
    ]
    assert lines[-1].endswith("3 cases, 1 failing")


def test_a_saved_plan_runs_the_cases_that_judged_it_those_beside_it_first(watching):
    lines = watching.save("b/PlanDefinition.json", rule("rule-b", "%obs.empty()"))

    assert run_cases(lines) == ["b/cases/any.json", "a/cases/none.json", "a/cases/one.json"]
    assert "FAIL  b/cases/any.json  Any is shown" in lines


def test_a_saved_library_runs_the_cases_that_read_what_changed(watching):
    changed = LIBRARY | {"extension": [variable("enough", "2")]}

    lines = watching.save("shared/Library-terms.json", changed)

    assert "FAIL  a/cases/one.json  One is enough" in lines


def test_a_saved_library_runs_the_cases_beside_the_rule_that_uses_it_first(watching):
    used = LIBRARY | {"extension": [variable("enough", "1"), variable("any", "%obs.exists()")]}
    watching.save("shared/Library-terms.json", used)
    watching.save("b/PlanDefinition.json", rule("rule-b", "%any"))
    changed = used | {"extension": [variable("enough", "1"), variable("any", "%obs.empty()")]}

    lines = watching.save("shared/Library-terms.json", changed)

    assert run_cases(lines) == ["b/cases/any.json", "a/cases/none.json", "a/cases/one.json"]


def test_a_case_that_failed_runs_first(watching):
    watching.save("a/cases/one.json", case("One is silent", FOUND, absent=["rule-a"]))

    lines = watching.save("b/PlanDefinition.json", rule("rule-b", "%obs.empty()"))

    assert run_cases(lines)[0] == "a/cases/one.json"


def test_a_text_that_a_plan_says_now_is_the_one_that_cases_see(watching):
    loud = rule("rule-a", "%obs.count() >= %enough")
    loud["action"][0]["title"] = "Another sentence"
    expected = {"rule": "rule-a", "summary": "Another sentence"}
    watching.save("a/cases/one.json", case("One is enough", FOUND, cards=[expected]))

    lines = watching.save("a/PlanDefinition.json", loud)

    assert lines[-1].endswith("3 cases, 0 failing")


def test_a_text_that_was_saved_while_a_case_was_broken_is_shown_after_the_next_definition(watching):
    loud = rule("rule-a", "%obs.count() >= %enough")
    loud["action"][0]["title"] = "Another sentence"
    watching.save("a/PlanDefinition.json", loud)
    expected = {"rule": "rule-a", "summary": "Another sentence"}
    watching.save("a/cases/one.json", case("One is enough", FOUND, cards=[expected]))

    changed = LIBRARY | {"extension": [variable("enough", "1 + 0")]}
    lines = watching.save("shared/Library-terms.json", changed)

    assert lines[-1].endswith("3 cases, 0 failing")


def test_a_definition_that_is_put_back_puts_the_cards_back(watching):
    changed = LIBRARY | {"extension": [variable("enough", "2")]}
    watching.save("shared/Library-terms.json", changed)

    lines = watching.save("shared/Library-terms.json", LIBRARY)

    assert "pass  a/cases/one.json  One is enough" in lines


def test_a_key_that_a_library_asks_for_now_is_in_the_request(watching):
    wanted = requirement("conditions", "Condition", "Condition?patient={{context.patientId}}")
    more = LIBRARY | {"dataRequirement": [*LIBRARY["dataRequirement"], wanted]}

    watching.save("shared/Library-terms.json", more)
    lines = watching.save("b/PlanDefinition.json", rule("rule-b", "%conditions.empty()"))

    assert "pass  b/cases/any.json  Any is shown" in lines


def test_a_new_action_is_evaluated_by_the_next_save(watching):
    more = rule("rule-b", "%obs.exists()")
    more["action"].append({"id": "more", "title": "More", "condition": [condition("true")]})
    expected = case("Any is shown", FOUND, cards=[{"rule": "rule-b", "count": 1}], only=True)

    watching.save("b/PlanDefinition.json", more)
    lines = watching.save("b/cases/any.json", expected)

    assert any(line.strip() == "+  [info] More" for line in lines)


def test_broken_json_shows_its_place_and_the_last_good_state_answers(watching):
    path = watching.folder / "a" / "PlanDefinition.json"
    path.write_text(path.read_text()[:-20])

    lines = watching.until("not in force")

    assert any(line.startswith("a/PlanDefinition.json:") for line in lines)
    after = watching.save("a/cases/one.json", case("Still one", FOUND, cards=[{"rule": "rule-a"}]))
    assert "pass  a/cases/one.json  Still one" in after


def test_what_is_broken_at_the_start_is_told_and_waited_for(folder):
    path = folder / "a" / "PlanDefinition.json"
    good = path.read_text()
    path.write_text(good.replace("%enough", "%enuogh"))

    with watched(folder) as running:
        told = running.until("nothing is in force yet")
        assert any("did you mean '%enough'" in line for line in told)
        path.write_text(good)
        assert running.until("Ctrl-C ends")[-1].endswith("3 cases, 0 failing; Ctrl-C ends")


def test_an_expression_with_a_mistake_shows_its_line_and_the_mended_file_is_taken_in(watching):
    path = watching.folder / "a" / "PlanDefinition.json"
    good = path.read_text()
    path.write_text(good.replace("%enough", "%enuogh"))

    assert any("did you mean '%enough'" in line for line in watching.until("not in force"))
    other = watching.save("a/PlanDefinition.json", good.replace(">= %enough", "> %enough"))
    assert "FAIL  a/cases/one.json  One is enough" in other


def test_a_definition_with_a_mistake_is_told_though_nothing_uses_it(watching):
    changed = LIBRARY | {"extension": [variable("enough", "1"), variable("wrong", "%nothing")]}
    path = watching.folder / "shared" / "Library-terms.json"
    path.write_text(json.dumps(changed))

    assert any("unknown variable '%nothing'" in line for line in watching.until("not in force"))


def test_a_new_file_reloads_everything_and_runs_every_case(watching):
    extra = {**rule("rule-c", "true"), "action": []}
    (watching.folder / "c").mkdir()

    lines = watching.save("c/PlanDefinition.json", extra)

    assert sorted(run_cases(lines)) == ["a/cases/none.json", "a/cases/one.json", "b/cases/any.json"]


def test_a_new_case_runs_and_counts(watching):
    lines = watching.save("b/cases/new.json", case("A new one", NOTHING, absent=["rule-b"]))

    assert run_cases(lines) == ["b/cases/new.json"]
    assert lines[-1].endswith("4 cases, 0 failing")


def test_ctrl_c_ends_it_quietly(watching):
    watching.process.send_signal(signal.SIGINT)

    assert watching.process.wait(WITHIN_S) == 0
