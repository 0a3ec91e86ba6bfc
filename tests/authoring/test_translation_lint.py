"""Lint of translations: what fails, what is only told."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from plans import BASE, EXTENSIONS, plan, variable

from cds_service import fhir_json
from cds_service.authoring import lint
from cds_service.cli import main


def translated(member, text, **translations):
    extensions = [
        {
            "extension": [
                {"url": "lang", "valueCode": language},
                {"url": "content", "valueString": translation},
            ],
            "url": "http://hl7.org/fhir/StructureDefinition/translation",
        }
        for language, translation in translations.items()
    ]
    return {member: text, **({f"_{member}": {"extension": extensions}} if extensions else {})}


def names(*texts):
    extension = [{"url": f"{EXTENSIONS}/same-in-translation", "valueString": x} for x in texts]
    return {
        "resourceType": "CodeSystem", "id": "names", "url": f"{BASE}/CodeSystem/names",
        "status": "draft", "content": "complete", "extension": extension,
    }  # fmt: skip


@pytest.fixture
def check(tmp_path):
    def write_and_check(card, *others):
        card = {"id": "a", **card, "documentation": [{"type": "citation", "citation": "A, 2024"}]}
        rule = {**plan("p", card), **translated("title", "p", nl="regel p")}
        rule |= {"lastReviewDate": "2024-01-01", "effectivePeriod": {"end": "2025-01-01"}}
        for resource in (rule, *others):
            path = tmp_path / f"{resource['resourceType']}-{resource['id']}.json"
            path.write_text(fhir_json.pretty(resource) + "\n", encoding="utf-8")
        return lint.check(tmp_path)

    return write_and_check


def test_a_translation_in_use_that_a_text_lacks_is_a_warning(check):
    found = check({**translated("title", "Do this", nl="Doe dit"), "description": "Because."})

    assert found.problems == ()
    (warning,) = found.warnings
    assert warning.code == "missing-translation"
    assert "'nl': 'Because.'" in str(warning)


def test_a_guideline_is_not_asked_for_languages_that_it_does_not_have(check):
    found = check(translated("title", "Do this", nl="Doe dit"))

    assert (found.problems, found.warnings) == ((), ())


def test_a_translation_that_loses_a_fact_is_a_problem(check):
    card = translated("title", "For {n} of {profile}", nl="Voor {profile}")

    (problem,) = check({**card, "extension": [variable("n", "1")]}).problems

    assert (problem.code, "missing: {n}" in str(problem)) == ("translation", True)


def test_a_summary_that_is_too_long_in_one_language_is_a_problem(check):
    codes = {item.code for item in check(translated("title", "Do", nl="x" * 140)).problems}

    assert codes == {"title-too-long"}


def test_a_translation_that_is_the_english_text_is_a_warning_unless_it_is_a_name(check):
    card = translated("title", "HLA-B27", nl="HLA-B27")

    assert [item.code for item in check(card).warnings] == ["same-translation"]
    assert check(card, names("HLA-B27")).warnings == ()


def test_warnings_are_printed_and_do_not_fail_the_command(check, tmp_path):
    check({"title": "Do this"})

    result = CliRunner().invoke(main, ["lint", str(tmp_path)])

    assert result.exit_code == 0
    assert "warning: PlanDefinition-p.json" in result.output
    assert "1 file, 0 problems, 1 warning" in result.output


def test_a_text_of_facts_alone_has_nothing_to_translate(check):
    card = translated("title", "{n} ({profile})", nl="{n} ({profile})")

    assert check({**card, "extension": [variable("n", "1")]}).warnings == ()
