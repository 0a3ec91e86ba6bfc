"""Texts of a guideline: messages in expressions, translations, and how facts are worded."""

from __future__ import annotations

from decimal import Decimal

import pytest
from plans import BASE, DECISION, EXTENSIONS, NOW, apply_first, compile_all, plan, variable

from cds_service.engine.request_group import bundle
from cds_service.engine.wording import worded
from cds_service.errors import ContentErrors
from cds_service.fhirpath import Date, DateTime, Quantity
from cds_service.hooks.cards import Reader, from_outcome
from cds_service.messages import Text


def messages(**texts):
    return {
        "resourceType": "CodeSystem",
        "id": "messages",
        "url": f"{BASE}/CodeSystem/messages",
        "status": "draft",
        "content": "complete",
        "extension": [{"url": f"{EXTENSIONS}/messages", "valueBoolean": True}],
        "concept": [
            {"code": code.replace("_", "-"), "display": text}
            if isinstance(text, str)
            else {"code": code.replace("_", "-"), **text}
            for code, text in texts.items()
        ],
    }


def in_german(display, value):
    return {"display": display, "designation": [{"language": "de", "value": value}]}


def translation(language, text):
    return {
        "url": "http://hl7.org/fhir/StructureDefinition/translation",
        "extension": [
            {"url": "lang", "valueCode": language},
            {"url": "content", "valueString": text},
        ],
    }


def detail(language, description, variables, system, **data):
    """The description of one action in a language, with its facts."""
    action = {"id": "a", "description": description, "extension": variables}
    outcome = apply_first(plan("p", action), system, **data).actions[0]
    assert outcome.action.description is not None
    return worded(outcome.action.description, language, outcome.values)


def problem_in(*resources):
    with pytest.raises(ContentErrors) as caught:
        compile_all(*resources)
    (problem,) = caught.value.problems
    return problem


def test_a_message_is_worded_in_the_readers_language():
    system = messages(
        since=in_german(
            "since {day}, {n, plural, one {# day} other {# days}}",
            "seit {day}, {n, plural, one {# Tag} other {# Tage}}",
        )
    )
    variables = [
        variable("day", "@2024-05-18"), variable("n", "1"),
        variable("when", "message('since')"),
    ]  # fmt: skip
    action = {"id": "a", "description": "Pain {when}.", "extension": variables}
    action["_description"] = {"extension": [translation("de", "Schmerz {when}.")]}
    outcome = apply_first(plan("p", action), system).actions[0]

    shown = [worded(outcome.action.description, name, outcome.values) for name in ("en", "de")]

    assert shown == ["Pain since 18 May 2024, 1 day.", "Schmerz seit 18.05.2024, 1 Tag."]


def test_a_message_inside_an_untranslated_text_stays_in_the_language_of_that_text():
    system = messages(one=in_german("one", "eins"))

    assert detail("de", "Found: {x}.", [variable("x", "message('one')")], system) == "Found: one."


def test_a_message_called_on_items_takes_its_facts_from_each_of_them():
    system = messages(finding="{label} ({on})")
    variables = [
        variable("label", "code.text", []), variable("on", "recordedDate", []),
        variable("found", "%selected.select(message('finding'))"),
    ]  # fmt: skip
    conditions = [
        {"resourceType": "Condition", "code": {"text": "Fever"}, "recordedDate": "2024-05-30"},
        {"resourceType": "Condition", "code": {"text": "Malaise"}, "recordedDate": "2024-05"},
    ]

    found = detail("en", "Found: {found}.", variables, system, selected=conditions)

    assert found == "Found: Fever (30 May 2024) and Malaise (May 2024)."


def test_messages_can_be_counted_and_compared_and_are_no_strings():
    system = messages(a="A", b="B {n}")
    variables = [
        variable("n", "1"),
        variable("all", "message('a').combine(message('b')).combine(message('b'))"),
        variable("count", "%all.distinct().count()"),
        variable("glued", "(message('a') & 'x').exists()"),
    ]

    assert detail("en", "{count}", variables, system) == "2"
    action = {"id": "a", "description": "{glued}", "extension": variables}
    assert str(apply_first(plan("p", action), system).actions[0].verdict) == "error"


def test_an_unknown_message_is_refused_with_the_closest_known_one():
    action = {"id": "a", "description": "{x}", "extension": [variable("x", "message('sinse')")]}

    problem = problem_in(plan("p", action), messages(since="since"))

    assert problem.code == "unknown-message"
    assert "'since'" in str(problem)


def test_a_message_whose_fact_has_no_meaning_where_it_is_used_is_refused():
    action = {"id": "a", "description": "{x}", "extension": [variable("x", "message('a')")]}

    problem = problem_in(plan("p", action), messages(a="{nothing}"))

    assert problem.code == "unknown-variable"
    assert "nothing" in str(problem)


def test_a_text_that_does_not_parse_is_refused_at_its_place():
    problem = problem_in(plan("p", {"id": "a", "title": "{n, plural, one {x}}"}))

    assert problem.code == "message"
    assert problem.where.path == "PlanDefinition.action[0].title"
    assert problem.where.column is not None


def test_a_translation_that_names_another_fact_is_refused_where_it_stands():
    german = {"extension": [translation("de", "Seit {profiel}")]}
    action = {"id": "a", "title": "For {profile}", "_title": german}

    problem = problem_in(plan("p", action))

    assert problem.where.path.endswith("_title.extension[0].extension[1].valueString")
    assert "'profile'" in str(problem)


def test_a_designation_of_a_message_is_checked_like_any_translation():
    problem = problem_in(messages(a=in_german("A {profile}", "A {hook}")))

    assert problem.where.path == "CodeSystem.concept[0].designation[0].value"


@pytest.mark.parametrize(
    ("fact", "english", "german"),
    [
        (Decimal("38.60"), "38.60", "38,60"),
        (Date((2024, 5, 18)), "18 May 2024", "18.05.2024"),
        (DateTime((2024, 5, 18, 9, 5)), "18 May 2024 09:05", "18.05.2024 09:05"),
        (DateTime((2024, 5, 18, 9)), "18 May 2024", "18.05.2024"),
        (Quantity(Decimal("7.50"), "mg"), "7.50 mg", "7,50 mg"),
        ({"value": Decimal("38.6"), "code": "Cel"}, "38.6 °C", "38,6 °C"),
        ({"value": 7, "unit": "{score}"}, "7", "7"),
        ({"value": Decimal("38.6"), "unit": "°C", "code": "Cel"}, "38.6 °C", "38,6 °C"),
        ({"value": 5, "comparator": "<", "code": "mg/L"}, "< 5 mg/L", "< 5 mg/L"),
        ({"resourceType": "Condition", "code": {"text": "Fever"}}, "Fever", "Fever"),
        ({"coding": [{"code": "x", "display": "Fever"}]}, "Fever", "Fever"),
        ({"coding": "broken"}, "–", "–"),
        ({}, "–", "–"),
    ],
)
def test_a_fact_is_written_as_the_language_writes_it(fact, english, german):
    text = Text("{x}", {"de": "{x}"})

    assert worded(text, "en", {"x": [fact]}) == english
    assert worded(text, "de", {"x": [fact]}) == german


def test_a_plural_of_what_is_no_number_takes_the_general_branch():
    text = Text("{n, plural, one {# week} other {# weeks}}", {})

    assert worded(text, "en", {}) == "– weeks"
    assert worded(text, "en", {"n": [1, 1]}) == "1 and 1 weeks"
    assert worded(text, "en", {"n": [True]}) == "true weeks"
    assert worded(text, "en", {"n": [Decimal("1.0")]}) == "1.0 weeks"


def test_a_message_in_a_proposed_resource_is_in_the_readers_language():
    activity = {
        "resourceType": "ActivityDefinition",
        "id": "visit",
        "url": f"{BASE}/ActivityDefinition/visit",
        "status": "draft",
        "kind": "Task",
        "dynamicValue": [
            {
                "path": "description",
                "expression": {"language": "text/fhirpath", "expression": "message('visit')"},
            }
        ],
    }
    suggestion = {"id": "s", "title": "Plan a visit", "definitionCanonical": activity["url"]}
    card = {"id": "a", "title": "Card", "action": [suggestion]}
    resources = plan("p", card), activity, messages(visit=in_german("Visit", "Besuch"))
    outcome = apply_first(*resources)

    def described(language):
        (found,) = from_outcome(outcome, Reader(DECISION, language, "core", NOW.date()))
        return found["suggestions"][0]["actions"][0]["resource"]["description"]

    assert [described("de"), described("nl")] == ["Besuch", "Visit"]
    entries = bundle(outcome, DECISION)["entry"]
    assert [entry["resource"].get("description") for entry in entries] == [None, "Visit"]
