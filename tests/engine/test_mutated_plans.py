"""A guideline with any member changed loads or is refused with a place, and never crashes (F4)."""

from __future__ import annotations

import copy
import random

import pytest
from one_condition import strategy
from plans import compile_all, variable

from cds_service.errors import ContentErrors

VALUES = (None, "", "x", 0, -1, True, [], {}, [None], [[]], {"a": 1}, "\x00", "%unknown", 10**30)
CHANGES = 2000


def places(value, at=()):
    """Every member and item of a JSON value, as the keys that lead to it."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(items):
        yield (*at, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*at, key))


def changed(resource, chance):
    """A copy with one member replaced, or gone."""
    copied = copy.deepcopy(resource)
    *way, last = chance.choice(list(places(copied)))
    owner = copied
    for key in way:
        owner = owner[key]
    if chance.random() < 0.3:
        del owner[last]
    else:
        owner[last] = chance.choice(VALUES)
    return copied


def refusal(resource):
    """The problems for which a plan is refused; none when it loads."""
    try:
        compile_all(resource)
    except ContentErrors as caught:
        return caught.problems
    return []


@pytest.mark.requirement("F4")
def test_a_changed_plan_loads_or_is_refused_with_a_place():
    whole = strategy("%obs.exists()", "%isAdult")
    whole["extension"] = [variable("isAdult", "%patient.birthDate < @2006-01-01")]
    assert compile_all(whole).services
    chance = random.Random(20261123)
    problems = [refusal(changed(whole, chance)) for _ in range(CHANGES)]
    refused = [found for found in problems if found]
    assert 0 < len(refused) < CHANGES
    assert all(problem.where.file and problem.message for found in refused for problem in found)


@pytest.mark.requirement("F4")
@pytest.mark.parametrize(
    "member",
    [
        {"kind": "applicability"},
        {"kind": "applicability", "expression": {}},
        {"kind": "applicability", "expression": {"language": "text/fhirpath"}},
        {"kind": "applicability", "expression": {"expression": "true"}},
        {"expression": {"language": "text/fhirpath", "expression": "true"}},
    ],
)
def test_half_a_condition_is_never_ignored(member):
    plan = strategy("%obs.exists()")
    plan["action"][0]["action"][0]["condition"].append(member)
    if not refusal(plan):
        (card,) = compile_all(plan).plans[plan["url"]].actions[0].actions
        assert len(card.conditions) == 2


@pytest.mark.requirement("F4")
@pytest.mark.parametrize("kind", [None, "aplicability", "Applicability", [], {}])
def test_a_condition_of_no_known_kind_is_refused(kind):
    plan = strategy("%obs.exists()")
    plan["action"][0]["action"][0]["condition"][0]["kind"] = kind
    (problem,) = refusal(plan)
    assert problem.code == "condition-kind"
    assert problem.where.path.endswith("condition[0].kind")
