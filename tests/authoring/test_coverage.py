"""What the cases have shown: counted from the production path, judged by a documented rule."""

from __future__ import annotations

import json
from zoneinfo import ZoneInfo

import pytest
from one_condition import FOUND, NOT_OBTAINED, NOTHING, strategy

from cds_service.authoring import cases, coverage, coverage_report
from cds_service.authoring.coverage_unknown import UnknownRule
from cds_service.data import plan_library
from cds_service.hooks.service import HookService

ZONE = ZoneInfo("UTC")


@pytest.fixture
def covered(tmp_path):
    def measure(conditions, charts, exceptions=()):
        folder = tmp_path / "strategy"
        (folder / "cases").mkdir(parents=True)
        (folder / "PlanDefinition.json").write_text(json.dumps(strategy(*conditions)))
        (tmp_path / "exceptions").mkdir()
        (tmp_path / "exceptions" / "coverage.json").write_text(json.dumps(list(exceptions)))
        for number, chart in enumerate(charts):
            case = {"name": str(number), "hook": "patient-view", "expect": {}} | chart
            (folder / "cases" / f"{number}.json").write_text(json.dumps(case))
        library = plan_library.load(tmp_path)
        results = list(cases.run_all(tmp_path, HookService(library), ZONE))
        return coverage.over(library, results, within=tmp_path)

    return measure


def test_a_condition_is_covered_when_seen_true_false_and_unknown(covered):
    found = covered(["%obs.exists()"], [FOUND, NOTHING, NOT_OBTAINED])

    assert found.is_complete
    assert found.percent == 100.0


def test_what_no_case_has_shown_is_missing(covered):
    found = covered(["%obs.exists()"], [FOUND])

    assert found.conditions[0].missing == ("false", "unknown")


def test_a_condition_behind_one_that_is_not_met_is_not_seen(covered):
    found = covered(["%obs.exists()", "%hook = 'patient-view'"], [NOTHING])

    assert found.conditions[1].missing == ("true", "false")


def test_the_report_names_file_line_action_and_expression(covered):
    found = covered(["%obs.exists()"], [FOUND])

    text = "\n".join(coverage_report.lines(found))
    assert "strategy/PlanDefinition.json:1 root/card, condition 1" in text
    assert "%obs.exists()" in text
    assert "33.3 %" in text


def exception(outcome, expression="%obs.exists()"):
    return {
        "owner": "my-service",
        "place": "root/card",
        "expression": expression,
        "what": outcome,
        "reason": "no chart has it",
    }


def test_an_exception_with_a_reason_takes_the_place_of_a_case(covered):
    found = covered(["%obs.exists()"], [FOUND, NOTHING], [exception("unknown")])

    assert found.is_complete
    assert found.conditions[0].excepted == {"unknown": "no chart has it"}


@pytest.mark.parametrize(
    "stale", [exception("true"), exception("unknown", "%obs.empty()")], ids=["seen", "changed"]
)
def test_an_exception_that_is_not_needed_is_an_error(covered, stale):
    found = covered(["%obs.exists()"], [FOUND, NOTHING, NOT_OBTAINED], [stale])

    assert [problem.code for problem in found.problems] == ["stale-exception"]
    assert not found.is_complete


def test_the_page_says_never_where_nothing_was_seen(covered):
    html = coverage_report.html(covered(["%obs.exists()"], [FOUND]))

    assert "never" in html
    assert "prefers-color-scheme: dark" in html
    assert "http" not in html


@pytest.mark.parametrize(
    ("expression", "can_be"),
    [
        ("%hook = 'order-sign'", False),
        ("%SUSP.isTrue().not()", False),
        ("%draftOrders.exists(status = 'draft')", False),
        ("%draft.status = 'draft'", True),
        ("%draft.status.exists()", False),
        ("%obs.exists()", True),
        ("%draftOrders.exists(reasonReference.resolve().exists())", True),
        ("%hook = 'order-sign' and %obs.exists()", True),
        ("today() < @2024-01-01", True),
        ("iif(%obs.exists(), true, false)", True),
        ("%draft.select(message('finding')).exists()", False),
        ("%obs.select(message('finding')).exists()", True),
        ("{}", True),
    ],
)
def test_a_condition_is_two_valued_only_where_its_text_proves_it(expression, can_be):
    assert UnknownRule([]).can_be_unknown(expression, ["draft"]) is can_be
