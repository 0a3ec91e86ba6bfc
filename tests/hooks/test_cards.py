"""Outcome → cards: what each card shows, how cards merge, how many are shown."""

from __future__ import annotations

import pytest
from plans import (
    BASE,
    DECISION,
    EXTENSIONS,
    NOW,
    apply_first,
    condition,
    expression_extension,
    plan,
    variable,
)

from cds_service.hooks import cards

SNOMED = "http://snomed.info/sct"


def topic(code):
    return [{"coding": [{"system": f"{BASE}/CodeSystem/lbp-rules", "code": code, "display": code}]}]


def translated(**texts):
    return {
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/translation",
                "extension": [
                    {"url": "lang", "valueCode": language},
                    {"url": "content", "valueString": text},
                ],
            }
            for language, text in texts.items()
        ]
    }


def show(*resources, language="en", **variables):
    outcome = apply_first(*resources, **variables)
    return cards.from_outcome(outcome, cards.Reader(DECISION, language, "core", NOW.date()))


@pytest.mark.requirement("PD-5")
def test_an_action_becomes_a_card_with_summary_detail_indicator_and_source():
    action = {
        "id": "a",
        "title": "Do this",
        "description": "Because.",
        "priority": "urgent",
        "documentation": [
            {"type": "citation", "display": "The guideline, 2022", "url": "https://g.example/1"}
        ],
    }

    (card,) = show(plan("p", action, topic=topic("lbpR16")))

    assert card["summary"] == "Do this"
    assert card["detail"] == "Because."
    assert card["indicator"] == "warning"
    assert card["source"] == {
        "label": "The guideline, 2022",
        "url": "https://g.example/1",
        "topic": {
            "system": f"{BASE}/CodeSystem/lbp-rules",
            "code": "lbpR16",
            "display": "lbpR16",
        },
    }
    assert card["extension"]["org.example.lbp"] == {
        "decision": str(DECISION),
        "profile": "core",
        "rules": ["lbpR16"],
        "plans": [f"{BASE}/PlanDefinition/p|1.0.0"],
    }


@pytest.mark.requirement("LINK-2", "LINK-3", "LINK-8", "G3")
def test_further_citations_are_links_and_only_those_of_https():
    cited = [
        {"type": "citation", "display": "First", "url": "http://g.example/1"},
        {"type": "citation", "display": "Second", "url": "https://g.example/2"},
        {"type": "citation", "display": "Third", "url": "http://g.example/3"},
        {"type": "citation", "display": "Fourth", "url": "javascript:alert(1)"},
        {"type": "citation", "display": "Fifth"},
    ]

    (card,) = show(plan("p", {"id": "a", "title": "A", "documentation": cited}))

    assert "url" not in card["source"]
    assert card["links"] == [{"label": "Second", "url": "https://g.example/2", "type": "absolute"}]


@pytest.mark.parametrize(
    ("priority", "indicator"),
    [("routine", "info"), ("urgent", "warning"), ("asap", "warning"), ("stat", "critical")],
)
@pytest.mark.requirement("PD-6")
def test_the_priority_gives_the_indicator(priority, indicator):
    (card,) = show(plan("p", {"id": "a", "title": "A", "priority": priority}))

    assert card["indicator"] == indicator


@pytest.mark.requirement("PD-7")
def test_a_card_without_priority_or_citation_still_has_indicator_and_source():
    (card,) = show(plan("p", {"id": "a", "title": "A"}, publisher="The house"))

    assert (card["indicator"], card["source"]["label"]) == ("info", "The house")


def test_an_action_that_did_not_fire_makes_no_card():
    assert show(plan("p", {"id": "a", "title": "A", "condition": [condition("{}")]})) == []


def test_texts_come_in_the_reader_s_language():
    action = {"id": "a", "title": "Yes", "_title": translated(nl="Ja", de="Jawohl")}

    assert show(plan("p", action), language="nl")[0]["summary"] == "Ja"
    assert show(plan("p", action), language="nb")[0]["summary"] == "Yes"


def test_a_summary_that_grows_too_long_is_cut_at_a_word_and_kept_whole_in_the_detail():
    action = {
        "id": "a",
        "title": "Found: {text}",
        "extension": [variable("text", "'" + "word " * 40 + "'")],
    }

    (card,) = show(plan("p", action))

    assert len(card["summary"]) <= 139
    assert card["summary"].endswith("word…")
    assert card["detail"].startswith("Found: word word")


@pytest.mark.requirement("RESP-8")
def test_cards_come_most_urgent_first_and_else_in_the_plan_s_order():
    actions = [
        {"id": name, "title": name, "priority": priority}
        for name, priority in [("i1", "routine"), ("c", "stat"), ("i2", "routine"), ("w", "asap")]
    ]

    assert [card["summary"] for card in show(plan("p", *actions))] == ["c", "w", "i1", "i2"]


def test_a_sentence_group_adds_its_applicable_lines_to_the_detail():
    lines = {
        "id": "basis",
        "title": "Basis",
        "groupingBehavior": "sentence-group",
        "action": [
            {"id": "1", "description": "Always."},
            {"id": "2", "description": "Never.", "condition": [condition("false")]},
            {"id": "3", "description": "Unknown.", "condition": [condition("{}")]},
            {
                "id": "4",
                "description": "Born {birth}.",
                "extension": [variable("birth", "birthDate")],
            },
            {"id": "5", "description": "Lost {fact}.", "extension": [variable("fact", "{}")]},
        ],
    }
    (card,) = show(plan("p", {"id": "a", "title": "A", "description": "Text.", "action": [lines]}))

    assert card["detail"] == "Text.\n\nBasis\n\n- Always.\n- Born 1 Mar 1979."


def referral(name, code="306104004", **members):
    return {
        "resourceType": "ActivityDefinition",
        "id": name,
        "url": f"{BASE}/ActivityDefinition/{name}",
        "kind": "ServiceRequest",
        "code": {"coding": [{"system": SNOMED, "code": code}]},
        **members,
    }


def suggestion(name, definition, **members):
    return {"id": name, "title": name, "definitionCanonical": definition["url"], **members}


@pytest.mark.requirement("PD-4")
def test_a_child_action_becomes_a_suggestion_that_creates_its_resource():
    order = referral("emergency")
    action = {
        "id": "a",
        "title": "A",
        "selectionBehavior": "at-most-one",
        "action": [suggestion("Refer", order)],
    }

    (card,) = show(plan("p", action), order)

    (offered,) = card["suggestions"]
    assert offered["label"] == "Refer"
    assert "isRecommended" not in offered
    (step,) = offered["actions"]
    assert (step["type"], step["description"]) == ("create", "Refer")
    assert step["resource"]["subject"] == {"reference": "Patient/p1"}
    assert "id" not in step["resource"]
    assert card["selectionBehavior"] == "at-most-one"


@pytest.mark.requirement("PD-8")
def test_selection_behavior_is_any_unless_one_at_most_may_be_chosen():
    order = referral("emergency")
    action = {"id": "a", "title": "A", "action": [suggestion("Refer", order)]}

    assert show(plan("p", action), order)[0]["selectionBehavior"] == "any"


def test_precheck_behavior_yes_recommends_a_suggestion():
    order = referral("emergency")
    action = {
        "id": "a",
        "title": "A",
        "action": [suggestion("Refer", order, precheckBehavior="yes")],
    }

    assert show(plan("p", action), order)[0]["suggestions"][0]["isRecommended"] is True


@pytest.mark.requirement("ACT-5")
def test_a_remove_action_names_the_draft_and_an_update_carries_it_whole():
    draft = {
        "resourceType": "ServiceRequest",
        "id": "mri",
        "status": "draft",
        "note": [{"text": "n"}],
    }

    def coded(code):
        return {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/action-type", "code": code}
            ]
        }

    steps = [
        {
            "id": code,
            "title": code,
            "type": coded(code),
            "extension": [expression_extension("action-resource", "%draftOrders")],
        }
        for code in ("remove", "update")
    ]

    (card,) = show(plan("p", {"id": "a", "title": "A", "action": steps}), draftOrders=[draft])

    remove, update = (item["actions"][0] for item in card["suggestions"])
    assert remove == {
        "type": "delete",
        "description": "remove",
        "resourceId": "ServiceRequest/mri",
    }
    assert update == {"type": "update", "description": "update", "resource": draft}


@pytest.mark.parametrize("identifier", [None, "#a", "urn:uuid:1", "a b", 5])
def test_a_draft_without_a_fhir_id_gets_no_suggestion_to_change_it(identifier):
    draft = {"resourceType": "ServiceRequest", "id": identifier, "status": "draft"}
    action_type = "http://terminology.hl7.org/CodeSystem/action-type"
    steps = [
        {
            "id": code,
            "title": code,
            "type": {"coding": [{"system": action_type, "code": code}]},
            "extension": [expression_extension("action-resource", "%draftOrders")],
        }
        for code in ("remove", "update")
    ]

    (card,) = show(plan("p", {"id": "a", "title": "A", "action": steps}), draftOrders=[draft])

    assert "suggestions" not in card


@pytest.mark.requirement("PD-8")
def test_a_suggestion_of_several_steps_holds_them_all():
    order, other = referral("one"), referral("two", code="308447003")
    both = {
        "id": "both",
        "title": "Both",
        "action": [suggestion("one", order), suggestion("two", other)],
    }

    (card,) = show(plan("p", {"id": "a", "title": "A", "action": [both]}), order, other)

    assert [step["description"] for step in card["suggestions"][0]["actions"]] == ["one", "two"]


def test_a_suggestion_whose_steps_all_fell_away_is_not_offered():
    order = referral("one")
    step = suggestion("one", order, condition=[condition("false")])
    both = {"id": "both", "title": "Both", "action": [step]}

    (card,) = show(plan("p", {"id": "a", "title": "A", "action": [both]}), order)

    assert "suggestions" not in card
    assert "selectionBehavior" not in card


def test_override_reasons_come_from_the_value_set_in_its_order_and_language():
    reasons = {
        "resourceType": "ValueSet",
        "id": "override",
        "compose": {
            "include": [
                {
                    "system": f"{BASE}/CodeSystem/lbp-override",
                    "concept": [
                        {"code": "OR-SPEC", "display": "Asked by a specialist"},
                        {
                            "code": "OR-ELSE",
                            "display": "Arranged elsewhere",
                            "designation": [{"language": "nl", "value": "Elders geregeld"}],
                        },
                    ],
                }
            ]
        },
    }
    extension = {"url": f"{EXTENSIONS}/override-reasons", "valueCanonical": "#override"}
    action = {"id": "a", "title": "A", "extension": [extension]}

    (card,) = show(plan("p", action, contained=[reasons]), language="nl")

    assert [reason["display"] for reason in card["overrideReasons"]] == [
        "Asked by a specialist",
        "Elders geregeld",
    ]


def merging(*inner):
    group = {
        "id": "group",
        "groupingBehavior": "visual-group",
        "action": [{"id": item["id"], "definitionCanonical": item["url"]} for item in inner],
    }
    return (plan("strategy", group), *inner)


def test_a_visual_group_merges_its_cards_into_the_most_urgent():
    order = referral("neuro")
    weak = plan(
        "weak",
        {
            "id": "a",
            "title": "Weak leg",
            "description": "Weakness found.",
            "priority": "urgent",
            "action": [suggestion("Refer", order)],
        },
        topic=topic("lbpR02"),
    )
    numb = plan(
        "numb",
        {
            "id": "a",
            "title": "Numb saddle",
            "description": "Numbness found.",
            "priority": "stat",
            "action": [suggestion("Refer at once", order)],
        },
        topic=topic("lbpR01"),
    )

    (card,) = show(*merging(weak, numb), order)

    assert (card["summary"], card["indicator"]) == ("Numb saddle", "critical")
    assert card["detail"] == (
        "**Numb saddle**\n\nNumbness found.\n\n**Weak leg**\n\nWeakness found."
    )
    assert card["extension"]["org.example.lbp"]["rules"] == ["lbpR01", "lbpR02"]
    assert [item["label"] for item in card["suggestions"]] == ["Refer at once"]


def test_a_visual_group_with_one_card_is_that_card():
    one = plan("one", {"id": "a", "title": "One", "description": "Text."})
    off = plan("off", {"id": "a", "title": "Off", "condition": [condition("false")]})

    (card,) = show(*merging(one, off))

    assert (card["summary"], card["detail"]) == ("One", "Text.")


def budgeted(priorities):
    actions = [
        {
            "id": f"a{index}",
            "title": f"Card {index}",
            "priority": priority,
            "code": topic(f"lbpR{index:02}"),
        }
        for index, priority in enumerate(priorities)
    ]
    budget = {
        "url": f"{EXTENSIONS}/card-budget",
        "extension": [
            {"url": "nonCritical", "valueInteger": 5},
            {"url": "overflow", "valueString": "more"},
        ],
    }
    more = {"id": "more", "title": "More ({n})"}
    return plan("strategy", *actions, more, extension=[budget])


def test_up_to_the_budget_every_card_is_shown():
    assert len(show(budgeted(["routine"] * 5))) == 5


@pytest.mark.requirement("PERF-6")
def test_beyond_the_budget_info_cards_become_lines_of_the_last_card():
    shown = show(budgeted(["routine"] * 7))

    assert [card["summary"] for card in shown] == [
        "Card 0",
        "Card 1",
        "Card 2",
        "Card 3",
        "More (3)",
    ]
    assert shown[-1]["extension"]["org.example.lbp"]["rules"] == ["lbpR04", "lbpR05", "lbpR06"]
    assert "- Card 5 (strategy; lbpR05)" in shown[-1]["detail"]


def test_critical_cards_take_no_place_and_warnings_are_all_shown():
    shown = show(budgeted(["stat"] * 3 + ["urgent"] * 6 + ["routine"] * 2))

    assert [card["indicator"] for card in shown].count("critical") == 3
    assert [card["indicator"] for card in shown].count("warning") == 6
    assert shown[-1]["summary"] == "More (2)"


def test_uuids_are_stable_for_a_decision_and_differ_between_cards():
    first, second = (show(budgeted(["routine"] * 3)) for _ in range(2))

    assert [card["uuid"] for card in first] == [card["uuid"] for card in second]
    assert len({card["uuid"] for card in first}) == 3


def framed(end):
    frame = {
        "url": f"{EXTENSIONS}/card-frame",
        "extension": [
            {"url": "expired", "valueString": "expired"},
            {"url": "closing", "valueString": "closing"},
        ],
    }
    rule = plan("rule", {"id": "a", "title": "Do", "description": "Why."}, effectivePeriod=end)
    strategy = plan(
        "strategy",
        {"id": "rule", "definitionCanonical": rule["url"]},
        {"id": "expired", "description": "Valid until {validUntil}."},
        {"id": "closing", "description": "Optional."},
        extension=[frame],
    )
    return strategy, rule


@pytest.mark.parametrize("end", ["2024-06-01", "2024-06", "2024", "2024-06-01T00:00:00Z"])
def test_content_is_valid_through_the_last_day_of_its_effective_period(end):
    (card,) = show(*framed({"end": end}))

    assert card["detail"] == "Why.\n\nOptional."


@pytest.mark.requirement("L4")
def test_content_past_its_effective_period_says_so_first():
    (card,) = show(*framed({"end": "2024-05-31"}))

    assert card["detail"] == "Valid until 31 May 2024.\n\nWhy.\n\nOptional."


def test_content_without_an_effective_period_has_no_banner():
    (card,) = show(*framed({}))

    assert card["detail"] == "Why.\n\nOptional."


@pytest.mark.requirement("CARD-28", "G1")
def test_facts_from_the_chart_cannot_become_markup_in_the_detail():
    action = {
        "id": "a",
        "title": "A",
        "description": "Reason: {reason}.",
        "extension": [variable("reason", "%draftOrders.code.text")],
    }
    draft = {"resourceType": "ServiceRequest", "code": {"text": "[x](https://evil.example) <b>"}}

    (card,) = show(plan("p", action), draftOrders=[draft])

    assert card["detail"] == "Reason: \\[x\\]\\(https:\\//evil.example\\) \\<b\\>."


@pytest.mark.requirement("GEN-4")
def test_a_card_of_a_plan_without_a_code_carries_no_empty_list_of_rules():
    (card,) = show(plan("p", {"id": "a", "title": "Do this", "description": "Because."}))

    assert "rules" not in card["extension"]["org.example.lbp"]
    assert cards.rules_of(card) == ()


def computed(path, expression):
    return {"path": path, "expression": {"language": "text/fhirpath", "expression": expression}}


def test_a_card_whose_title_is_computed_alone_is_shown():
    """Published plans give the texts of an action by dynamic values and nothing else."""
    action = {"id": "a", "dynamicValue": [computed("action.title", "'Born ' + id")]}

    (card,) = show(plan("p", action))

    assert card["summary"] == "Born p1"


def test_what_is_computed_of_a_suggestion_stands_in_it():
    task = {
        "resourceType": "ActivityDefinition",
        "id": "t",
        "url": f"{BASE}/ActivityDefinition/t",
        "status": "draft",
        "kind": "Task",
    }
    suggestion = {
        "id": "s",
        "title": "Written",
        "definitionCanonical": task["url"],
        "dynamicValue": [
            computed("action.title", "'Computed'"),
            computed("action.description", "'In full'"),
            computed("action.precheckBehavior", "'yes'"),
        ],
    }
    action = {
        "id": "a",
        "title": "A",
        "selectionBehavior": "any",
        "dynamicValue": [computed("selectionBehavior", "'exactly-one'")],
        "action": [suggestion],
    }

    (card,) = show(plan("p", action), task)

    assert card["selectionBehavior"] == "at-most-one"
    (offered,) = card["suggestions"]
    assert (offered["label"], offered["isRecommended"]) == ("Computed", True)
    assert offered["actions"][0]["description"] == "In full"


def test_a_line_whose_text_is_computed_stands_on_its_card():
    line = {"id": "l", "dynamicValue": [computed("description", "'Line of ' + id")]}
    group = {"id": "g", "groupingBehavior": "sentence-group", "action": [line]}

    (card,) = show(plan("p", {"id": "a", "title": "A", "action": [group]}))

    assert "- Line of p1" in card["detail"]
