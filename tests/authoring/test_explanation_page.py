"""`explain` for people: a page that says which data would have told, and colour on a terminal."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from one_rule import cut
from plans import apply_first, condition, plan
from shared_data import REPOSITORY

from cds_service.authoring.explanation_page import html
from cds_service.engine.outcome import Verdict
from cds_service.fhirpath import Incomplete

CONDITION = {
    "resourceType": "Condition", "id": "lbp",
    "code": {"coding": [{"system": "http://snomed.info/sct", "code": "279039007"}]},
}  # fmt: skip


class Reader(HTMLParser):
    """The text of a page, its tags, and what it would load from elsewhere."""

    VOID = ("meta", "br", "link", "img", "input")

    def __init__(self, page):
        super().__init__()
        self.text, self.tags, self.loads, self.open = "", [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.loads += [value for name, value in attributes if name in {"src", "href"}]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def page_of(expression, **variables):
    actions = {"id": "a", "title": "Ask <her>", "condition": [condition(expression)]}
    data = {"resourceType": "Library"}
    library = {
        **data, "id": "d", "url": "https://lbp.example.org/fhir/Library/d",
        "dataRequirement": [requirement("conditions", "Condition")],
    }  # fmt: skip
    outcome = apply_first(
        plan("p", actions, library=[library["url"]]), library, traced=True, **variables
    )
    return Reader(html(outcome, language="en", keys=["conditions"]))


def requirement(key, kind):
    pattern = "http://hl7.org/fhir/StructureDefinition/cqf-fhirQueryPattern"
    need = "https://lbp.example.org/fhir/StructureDefinition/need"
    return {
        "id": key, "type": kind,
        "extension": [
            {"url": pattern, "valueString": f"{kind}?patient={{{{context.patientId}}}}"},
            {"url": need, "valueCode": "may"},
        ],
    }  # fmt: skip


def test_a_page_needs_nothing_from_elsewhere_and_has_one_main_heading():
    page = page_of("%conditions.exists()", conditions=[CONDITION])

    assert page.loads == []
    assert page.open == []
    assert page.tags.count("h1") == page.tags.count("main") == 1
    assert "script" not in page.tags


def test_a_page_names_the_resources_behind_a_value_with_their_codes():
    page = page_of("%conditions.where(code.exists()).exists()", conditions=[CONDITION])

    assert "fired" in page.text
    assert "Condition/lbp: http://snomed.info/sct 279039007" in page.text


def test_a_page_names_the_prefetch_key_that_would_have_told():
    page = page_of("%conditions.exists()", conditions=Incomplete())

    assert "cannot tell" in page.text
    assert "The prefetch key that would have told: conditions." in page.text


def test_what_stands_in_a_text_is_no_markup():
    assert "Ask <her>" in page_of("true").text


@pytest.mark.parametrize("verdict", Verdict)
def test_a_page_tells_every_verdict(verdict):
    outcome = apply_first(plan("p", {"id": "a", "title": "Ask"}), traced=True)
    told = replace(outcome, actions=(outcome.actions[0]._replace(verdict=verdict),))

    assert f"{verdict} p/a Ask" in Reader(html(told, language="en", keys=[])).text


COMMAND = [sys.executable, "-m", "cds_service", "explain", "low-back-pain-order-sign"]
REQUEST = REPOSITORY / "examples/requests/order-sign-mri.json"


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """R16 as a guideline of its own, which is quick to compile."""
    return cut(tmp_path_factory.mktemp("plans"), "imaging/R16")


@pytest.fixture
def command(alone):
    return [*COMMAND, str(REQUEST), "--plans", str(alone), "--now", "2024-06-01"]


def on_a_terminal(command, **environment):
    """What a command prints when it writes to a terminal."""
    leader, follower = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdout=follower, stderr=follower, env={**clean, **environment}
    ) as process:
        os.close(follower)
        printed = b""
        while chunk := read(leader):
            printed += chunk
        process.wait(timeout=60)
    os.close(leader)
    return printed.decode()


def read(leader):
    try:
        return os.read(leader, 65536)
    except OSError:  # the other end is closed
        return b""


def test_a_case_is_explained_as_it_is_judged():
    """Sciatica of 55 days: on another day than the case's, R19 would have nothing to say."""
    folder = REPOSITORY / "plan_definitions" / "imaging" / "R19" / "cases"
    case = folder / "mri-for-sciatica-at-55-days-is-not-routine.json"
    told = subprocess.run(
        [*COMMAND, str(case), "--only", "lbpR19"],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=True,
    ).stdout  # fmt: skip

    assert "fired" in next(line for line in told.splitlines() if "lbpR19" in line)


def explained(file, *arguments):
    return subprocess.run(
        [*COMMAND, str(file), "--now", "2024-06-01", *arguments],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_a_name_that_no_action_has_exits_2_with_the_closest(alone):
    told = explained(REQUEST, "--plans", alone, "--only", "lpbR16")

    assert told.returncode == 2
    assert "'lbpR16'" in told.stderr


def test_a_rule_behind_something_that_was_not_met_is_told_as_such(alone, tmp_path):
    """Patients as users get no cards (ruling 20), so no rule is judged."""
    request = json.loads(REQUEST.read_text())
    request["context"]["userId"] = "Patient/acute-back-pain"
    (tmp_path / "request.json").write_text(json.dumps(request))

    told = explained(tmp_path / "request.json", "--plans", alone, "--only", "lbpR16")

    assert told.returncode == 2
    assert "something above it was not met" in " ".join(told.stderr.split())


def test_json_keeps_the_branches_that_are_asked_for():
    told = json.loads(explained(REQUEST, "--only", "lbpR16", "--json").stdout)

    assert "lbpR16" in str(told)
    assert "lbpR01" not in str(told)


def test_verdicts_are_coloured_on_a_terminal_and_plain_in_a_pipe(command):
    coloured = on_a_terminal(command)
    piped = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=True
    ).stdout

    assert "\x1b[90mnot met\x1b[0m" in coloured
    assert "\x1b[" not in piped
    assert "not met" in piped


def test_no_color_is_respected_on_a_terminal(command):
    assert "\x1b[" not in on_a_terminal(command, NO_COLOR="1")
