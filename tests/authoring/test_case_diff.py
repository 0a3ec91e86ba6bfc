"""What a failing case shows: expected against shown, card by card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cds_service.authoring import case_diff, cases
from cds_service.authoring.cases import Case, CaseResult
from cds_service.hooks.cards import EXTENSION


def card(rule: str, indicator: str = "info", **members: Any) -> dict[str, Any]:
    return {
        "summary": f"{rule} speaks",
        "indicator": indicator,
        "extension": {EXTENSION: {"rules": [rule]}},
        **members,
    }


@dataclass(frozen=True)
class Answered:
    """As much of an answer as the comparison reads."""

    response: dict[str, Any]


def difference(expect: dict[str, Any], *shown: dict[str, Any]) -> list[str]:
    case = Case(Path("case.json"), {"name": "a case", "expect": expect})
    result = CaseResult(case, cases.failures(case, list(shown)), Answered({"cards": list(shown)}))
    return case_diff.lines(result)


def test_an_urgency_stands_expected_above_shown():
    assert difference({"cards": [{"rule": "R1", "indicator": "warning"}]}, card("R1")) == [
        "  R1",
        "-   indicator: warning",
        "+   indicator: info",
        "    summary: R1 speaks",
    ]


def test_a_card_that_is_not_shown_stands_with_what_was_stated_of_it():
    expected = {"rule": "R1", "indicator": "warning", "summary": "Stop"}

    assert difference({"cards": [expected]}) == ["- R1 [warning] Stop", "  no card is shown"]


@pytest.mark.parametrize(
    ("expect", "why"),
    [({"absent": ["R1"]}, "must not be shown: R1"), ({"only": True}, "no other card is expected")],
)
def test_a_card_too_many_stands_with_the_reason(expect, why):
    assert difference(expect, card("R1")) == ["+ R1 [info] R1 speaks", f"    {why}"]


def test_a_missing_text_stands_beside_the_line_that_is_most_like_it():
    shown = card("R1", detail="- Pain since 18 May.\n- No red flag recorded.")

    found = difference({"cards": [{"rule": "R1", "detail": "Pain since 17 May."}]}, shown)

    assert found[-2:] == ["-   detail: Pain since 17 May.", "+   detail: - Pain since 18 May."]


def test_a_missing_suggestion_stands_beside_those_that_are_offered():
    shown = card("R1", suggestions=[{"label": "Order advice"}])

    found = difference({"cards": [{"rule": "R1", "suggestions": ["Cancel"]}]}, shown)

    assert found[-2:] == ["-   suggestion: Cancel", "+   suggestion: Order advice"]


def test_a_text_that_must_not_be_there_is_shown_where_it_is():
    found = difference({"cards": [{"rule": "R1", "lacks": "speaks"}]}, card("R1"))

    assert found[-2:] == ["+   R1 speaks", "    must not be there: speaks"]


def test_cards_as_expected_are_not_in_the_way():
    expect = {"cards": [{"rule": "R1"}, {"rule": "R2"}]}

    assert difference(expect, card("R1")) == ["- R2"]
