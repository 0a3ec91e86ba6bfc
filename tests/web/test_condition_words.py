"""What conditions ask and plans are about: in every language, and the workbench says it so."""

from __future__ import annotations

import pytest
from contract.clients import REPOSITORY, client_with

from cds_service.data import plan_library
from cds_service.hooks.languages import LANGUAGES
from cds_service.messages import DEFAULT_LANGUAGE, Text
from cds_service.web.workbench.condition_words import ConditionWords

HERE = {"base_url": "http://127.0.0.1:8080"}
WORDS = {
    "guidelines/lbpR16": '<span lang="de">nicht wegen einer anderen Indikation</span>',
    "guidelines": "Rückenschmerz mit neuer Schwäche eines Beins.",
    "guidelines/low-back-pain-patient-view": "keine Karten für Patienten als Benutzer",
}
SYSTEM = "https://lbp.example.org/fhir/CodeSystem/lbp-conditions"


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    path = tmp_path_factory.mktemp("words") / "cds.sqlite3"
    return client_with(DATABASE_URL=f"sqlite:///{path}", WORKBENCH="yes").app


@pytest.fixture(scope="module")
def content():
    return plan_library.load(REPOSITORY / "plan_definitions").content


def described(content) -> set[str]:
    """What conditions ask, and what each recommendation is about."""
    about = {plan.json["description"] for plan in content.plans.values() if plan.topic}
    return about | {
        condition.description
        for plan in content.plans.values()
        for root in plan.actions
        for action in root.walk()
        for condition in action.conditions
        if condition.description
    }


def test_every_condition_and_plan_is_described_in_every_language(content):
    texts = {text.default: text for text in content.messages.values()}

    lacking = {
        (words, language)
        for words in described(content)
        for language in {*LANGUAGES} - {DEFAULT_LANGUAGE}
        if words not in texts or language not in texts[words].translations
    }
    assert lacking == set()


def test_no_words_are_kept_that_no_plan_has(content):
    (system,) = (source for source in content.sources if source.resource.get("url") == SYSTEM)
    kept = {concept["display"] for concept in system.resource["concept"]}

    assert kept <= described(content)


def test_words_without_a_translation_stand_as_their_author_wrote_them():
    said = ConditionWords({"back pain": Text("back pain", {"de": "Rückenschmerz"})}, "nl")

    assert (said("a new condition"), said.language_of("a new condition")) == (
        "a new condition",
        "en",
    )
    assert (said("back pain"), said.language_of("back pain")) == ("back pain", "en")


@pytest.mark.parametrize("path", WORDS)
def test_a_page_says_them_in_the_readers_language(app, path):
    page = app.test_client().get(f"/workbench/{path}?ui=de", **HERE).text

    assert WORDS[path] in page
