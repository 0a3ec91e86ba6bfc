"""The flow chart of a strategy: every rule once, in the order asked, in boxes that do not touch."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from cds_service.data import plan_library
from cds_service.hooks.languages import LANGUAGES
from cds_service.web.workbench import flow_chart
from cds_service.web.workbench.words import Words

HOOKS = ("patient-view", "order-select", "order-sign", "encounter-start")


@pytest.fixture(scope="module")
def library():
    return plan_library.load(Path(__file__).parents[2] / "plan_definitions")


@pytest.fixture(params=HOOKS)
def service(library, request):
    return library.service(f"low-back-pain-{request.param}")


def named(action) -> list[str]:
    """The ids of the plans at the end of the urls, in the order of the file."""
    own = (
        [action["definitionCanonical"].rsplit("/", 1)[-1]]
        if "definitionCanonical" in action
        else []
    )
    return own + [plan for child in action.get("action", ()) for plan in named(child)]


def test_it_shows_every_rule_of_the_strategy_in_the_order_asked(service):
    chart = flow_chart.of(service, Words("en"))

    rules = [(box.number, box.plan) for box in chart.boxes if box.plan]
    asked = [plan for action in service.plan.json["action"] for plan in named(action)]
    assert rules == list(enumerate(asked, 1))


def test_its_question_has_a_way_out(service):
    chart = flow_chart.of(service, Words("en"))

    asked = [condition for action in service.plan.actions for condition in action.conditions]
    assert [arrow.words for arrow in chart.arrows if arrow.words] == ["does not hold"] * len(asked)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_box_covers_another_and_all_are_within_the_drawing(service, language):
    chart = flow_chart.of(service, Words(language))

    for one, other in combinations(chart.boxes, 2):
        beside = one.x + one.width <= other.x or other.x + other.width <= one.x
        below = one.y + one.height <= other.y or other.y + other.height <= one.y
        assert beside or below, (one, other)
    assert all(box.x >= 0 and box.x + box.width <= chart.width for box in chart.boxes)
    assert max(box.y + box.height for box in chart.boxes) < chart.height
