"""Which fired cards an override quiets: the guideline says how long, and doubt shows the card."""

from __future__ import annotations

from datetime import timedelta

import pytest
from plans import (
    BASE,
    EXTENSIONS,
    NOW,
    PATIENT,
    apply_first,
    compile_all,
    expression_extension,
    plan,
)

from cds_service.engine.outcome import Verdict
from cds_service.errors import ContentErrors
from cds_service.hooks import quieting
from cds_service.store import Override, Persons, Recalled

SYSTEM = f"{BASE}/CodeSystem/why"
LATER, OTHER = (SYSTEM, "LATER"), (SYSTEM, "OTHER")
SINCE = "@2024-05-01"


def quieting_extension(begin=SINCE, /, **changed):
    parts = {
        "since": {"valueExpression": expression_extension("x", begin)["valueExpression"]},
        "later": {"valueCoding": {"system": SYSTEM, "code": "LATER"}},
        "laterDays": {"valueInteger": 28},
        "encounterOnly": {"valueCode": "stat"},
        **changed,
    }
    return {
        "url": f"{EXTENSIONS}/quieting",
        "extension": [{"url": url, **value} for url, value in parts.items() if value],
    }


def strategy(quieted, *, priority="routine", **rule):
    topic = [{"coding": [{"system": f"{BASE}/CodeSystem/rules", "code": "R"}]}]
    made = plan("rule", {"id": "card", "title": "Do", "priority": priority}, topic=topic, **rule)
    action = {"id": "rule", "definitionCanonical": made["url"]}
    return plan("strategy", action, extension=[quieted] if quieted else []), made


def filtered(*content, at=NOW - timedelta(days=1), reason=OTHER, of="e", now_in="e", patient=None):
    outcome = apply_first(*content, subject=[patient or PATIENT])
    persons = Persons("patient", "user", now_in)
    recalled = Recalled(persons, (Override(("R",), at, reason, of),), is_known=True)
    return quieting.quieted(outcome, recalled, now=NOW)


def is_quiet(*content, **how):
    return bool(filtered(*content, **how)[1])


def test_a_quiet_card_no_longer_fires_and_says_since_when_and_until_when():
    outcome, (card,) = filtered(*strategy(quieting_extension()), reason=LATER)
    (quiet,) = (item for item in outcome.walk() if item.verdict is Verdict.QUIET)
    assert quiet.note == (
        "quiet since 2024-05-31: this user overrode the rule for this patient; "
        "shown again after 2024-06-27, and at a new complaint, and to any other user"
    )
    assert (card.rule, card.why.until.isoformat()) == ("R", "2024-06-27")
    assert outcome.counts()["quiet"] == 1


def test_a_strategy_that_says_nothing_quiets_nothing():
    assert not is_quiet(*strategy(None))


@pytest.mark.parametrize("since", ["{}", "@2024-05", "@2024-05-01 | @2024-05-02", "'soon'"])
def test_where_the_begin_of_the_complaint_is_not_one_day_only_a_reminder_is_kept(since):
    content = strategy(quieting_extension(since))
    assert not is_quiet(*content)
    assert is_quiet(*content, reason=LATER)


@pytest.mark.parametrize(("days", "expected"), [(31, True), (32, False)])
def test_an_override_before_the_complaint_quiets_nothing(days, expected):
    assert is_quiet(*strategy(quieting_extension()), at=NOW - timedelta(days=days)) is expected


def test_an_override_after_the_moment_of_the_call_quiets_nothing():
    assert not is_quiet(*strategy(quieting_extension()), at=NOW + timedelta(hours=1))


@pytest.mark.parametrize(("now_in", "expected"), [("e", True), ("e2", False), (None, False)])
def test_a_card_of_an_urgent_priority_is_quiet_in_its_encounter_only(now_in, expected):
    content = strategy(quieting_extension(), priority="stat")
    assert is_quiet(*content, now_in=now_in) is expected


def test_an_override_outside_of_any_encounter_quiets_no_urgent_card():
    content = strategy(quieting_extension(), priority="stat")
    assert not is_quiet(*content, of=None, now_in=None)


@pytest.mark.parametrize(("now_in", "expected"), [("e", True), ("e2", False)])
def test_a_rule_can_limit_the_quiet_to_the_encounter(now_in, expected):
    limit = {"url": f"{EXTENSIONS}/quiet-for", "valueCode": "encounter"}
    assert is_quiet(*strategy(quieting_extension(), extension=[limit]), now_in=now_in) is expected


def test_within_the_encounter_a_reminder_ends_too():
    content = strategy(quieting_extension(), priority="stat")
    assert not is_quiet(*content, reason=LATER, at=NOW - timedelta(days=28))


def problem_of(*content):
    with pytest.raises(ContentErrors) as raised:
        compile_all(*content)
    (problem,) = raised.value.problems
    return problem


@pytest.mark.parametrize(
    "changed",
    [
        {"since": None},
        {"later": None},
        {"later": {"valueCoding": {"code": "LATER"}}},
        {"laterDays": None},
        {"laterDays": {"valueInteger": 0}},
        {"encounterOnly": {"valueCode": "urgently"}},
    ],
)
def test_an_incomplete_quieting_is_a_problem_of_the_strategy(changed):
    assert problem_of(*strategy(quieting_extension(**changed))).code == "quieting"


def test_quiet_for_knows_only_the_encounter():
    limit = {"url": f"{EXTENSIONS}/quiet-for", "valueCode": "day"}
    problem = problem_of(*strategy(quieting_extension(), extension=[limit]))
    assert problem.code == "quieting"
    assert "'encounter'" in problem.message


def test_a_mistake_in_since_is_shown_as_any_other():
    assert problem_of(*strategy(quieting_extension("%onset"))).code == "unknown-variable"
