"""Texts out to a translator and back: what is listed, what is written, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from plans import BASE, EXTENSIONS, plan, variable

from cds_service import fhir_json
from cds_service.authoring import catalogue
from cds_service.cli import main
from cds_service.data import plan_library
from cds_service.errors import ContentError

PLANS = Path(__file__).parents[2] / "plan_definitions"
RULES = f"{BASE}/CodeSystem/rules"
WEEKS = "Pain for {w, plural, one {# week} other {# weeks}}."


def concept(code, display, **members):
    return {"code": code, "display": display, **members}


def code_system(name, *concepts, **members):
    return {
        "resourceType": "CodeSystem",
        "id": name,
        "url": f"{BASE}/CodeSystem/{name}",
        "status": "draft",
        "content": "complete",
        **members,
        "concept": list(concepts),
    }


@pytest.fixture
def folder(tmp_path):
    """A guideline with a rule, its topic in a CodeSystem, and a message."""
    card = {
        "id": "card",
        "extension": [variable("w", "3"), variable("said", "message('said')")],
        "title": WEEKS,
        "description": "Said: {said}. Dose: 1.50.",
        "documentation": [{"type": "citation", "display": "A guide, 2019"}],
        "timingQuantity": {"value": 0},
        "action": [
            {
                "id": "lines",
                "title": "Basis",
                "groupingBehavior": "sentence-group",
                "action": [{"id": "line", "description": "A line."}],
            },
            {"id": "wait", "title": "Wait", "description": "Do nothing"},
        ],
    }
    del card["timingQuantity"]
    rule = plan("rule", card, topic=[{"coding": [{"system": RULES, "code": "r", "display": "R"}]}])
    marked = [{"url": f"{EXTENSIONS}/messages", "valueBoolean": True}]
    resources = [
        rule,
        code_system("rules", concept("r", "A rule"), concept("unused", "Not shown")),
        code_system("messages", concept("said", "nothing"), extension=marked),
    ]
    for resource in resources:
        name = f"{resource['resourceType']}-{resource['id']}.json"
        (tmp_path / name).write_text(fhir_json.pretty(resource) + "\n", encoding="utf-8")
    return tmp_path


def exported(folder, language="nl"):
    return catalogue.export(plan_library.load(folder).content, language)


def translated(folder, translations, language="nl"):
    """Import these translations by English text; what the import came to."""
    entries = [{"text": text, "translation": item} for text, item in translations.items()]
    content = plan_library.load(folder).content
    imported = catalogue.load(content, {"language": language, "entries": entries}, language)
    for file, text in imported.files.items():
        (folder / file).write_text(text, encoding="utf-8")
    return imported


def test_every_text_that_a_reader_sees_is_listed_once_with_what_it_is_for(folder):
    kinds = {entry["text"]: entry["kind"] for entry in exported(folder)["entries"]}

    assert kinds == {
        "rule": "title", WEEKS: "summary", "Said: {said}. Dose: 1.50.": "detail",
        "A guide, 2019": "source", "Basis": "heading", "A line.": "line", "Wait": "label",
        "Do nothing": "action", "nothing": "message", "A rule": "topic",
    }  # fmt: skip


def test_an_entry_says_where_its_text_stands(folder):
    entry = next(item for item in exported(folder)["entries"] if item["text"] == "A line.")

    assert entry["where"] == [
        "PlanDefinition-rule.json PlanDefinition.action[0].action[0].action[0].description"
    ]


def test_what_was_imported_is_exported(folder):
    german = {entry["text"]: f"de {entry['text']}" for entry in exported(folder, "de")["entries"]}

    imported = translated(folder, german, "de")

    assert imported.problems == ()
    found = {item["text"]: item["translation"] for item in exported(folder, "de")["entries"]}
    assert found == german


def test_importing_twice_changes_nothing(folder):
    first = translated(folder, {"A line.": "Een regel.", "nothing": "niets"})
    again = translated(folder, {"A line.": "Een regel.", "nothing": "niets"})

    assert (first.written, len(first.files)) == (2, 2)
    assert (again.written, dict(again.files)) == (0, {})


def test_a_translation_stands_right_after_its_text_and_languages_keep_their_order(folder):
    for language in ("nb", "de", "nl"):
        translated(folder, {"A line.": f"{language}.", "A rule": f"{language}!"}, language)

    rule = json.loads((folder / "PlanDefinition-rule.json").read_text())
    line = rule["action"][0]["action"][0]["action"][0]
    rules = json.loads((folder / "CodeSystem-rules.json").read_text())
    assert list(line) == ["id", "description", "_description"]
    parts = [item["extension"] for item in line["_description"]["extension"]]
    assert [part[0]["valueCode"] for part in parts] == ["de", "nl", "nb"]
    assert [part[1]["valueString"] for part in parts] == ["de.", "nl.", "nb."]
    names = [item["language"] for item in rules["concept"][0]["designation"]]
    assert names == ["de", "nl", "nb"]


def test_an_import_changes_nothing_but_the_translations(folder):
    before = (folder / "PlanDefinition-rule.json").read_text()

    translated(folder, {"Wait": "Wachten"})

    after = (folder / "PlanDefinition-rule.json").read_text()
    added = [line for line in after.splitlines() if line not in before.splitlines()]
    assert [line for line in before.splitlines() if line not in after.splitlines()] == []
    assert any("Wachten" in line for line in added)


@pytest.mark.parametrize(
    ("translation", "words"),
    [
        ("Pijn.", "missing: {w, plural, one other}"),
        ("Pijn sinds {w} weken.", "too many: {w}"),
        ("Pijn {x}: {w, plural, one {# week} other {# weken}}.", "too many: {x}"),
        ("{w, plural, one {# week}}", "'other'"),
        ("{w, plural, =0 {geen} one {# week} other {# weken}}", "=0 one other"),
        ("{w, plural, one {# week} other {# weken}}" + "x" * 140, "a summary has at most 139"),
    ],
)
def test_a_translation_that_does_not_fit_its_text_is_refused_and_the_others_are_written(
    folder, translation, words
):
    imported = translated(folder, {WEEKS: translation, "Wait": "Wachten"})

    (problem,) = imported.problems
    assert words in str(problem)
    assert imported.written == 1


def test_the_syntax_of_a_plural_does_not_count_for_the_length_of_a_summary(folder):
    padded = "{w, plural, one {# week} other {# weken}}" + "x" * 129

    assert translated(folder, {WEEKS: padded}).problems == ()


def test_a_translation_of_a_text_that_is_gone_is_refused_with_the_closest_one(folder):
    (problem,) = translated(folder, {"A lime.": "Een limoen."}).problems

    assert "'A line.'" in str(problem)


@pytest.mark.parametrize(
    "wrong",
    [
        [], {"language": "nl"}, {"language": "de", "entries": []},
        {"language": "nl", "entries": ["x"]},
        {"language": "nl", "entries": [{"text": "x", "translation": 1}]},
    ],
)  # fmt: skip
def test_what_is_no_catalogue_of_the_language_is_refused(folder, wrong):
    with pytest.raises(ContentError):
        catalogue.load(plan_library.load(folder).content, wrong, "nl")


def test_a_file_in_another_form_is_left_alone_and_told(folder):
    path = folder / "PlanDefinition-rule.json"
    path.write_text(json.dumps(json.loads(path.read_text())))

    imported = translated(folder, {"Wait": "Wachten"})

    assert dict(imported.files) == {}
    assert "usual form" in str(imported.problems[0])


def test_the_commands_write_a_catalogue_and_read_it_back(folder, tmp_path):
    arguments = ["translations", "export", "--language", "nb", str(folder)]
    listed = json.loads(CliRunner().invoke(main, arguments).output)
    for entry in listed["entries"]:
        if entry["text"] == "Wait":
            entry["translation"] = "Vent"
    file = tmp_path / "nb.catalogue"
    file.write_text(json.dumps(listed, ensure_ascii=False), encoding="utf-8")

    result = CliRunner().invoke(
        main, ["translations", "import", "--language", "nb", str(file), str(folder)]
    )

    assert (result.exit_code, result.output) == (
        0,
        "translations written: 1, files: 1, refused: 0\n",
    )
    assert '"Vent"' in (folder / "PlanDefinition-rule.json").read_text(encoding="utf-8")


def test_the_shipped_guideline_can_be_exported_and_imported_without_a_change():
    content = plan_library.load(PLANS).content

    for language in catalogue.TRANSLATED:
        imported = catalogue.load(content, catalogue.export(content, language), language)
        assert (imported.problems, dict(imported.files)) == ((), {})


def test_the_code_of_what_is_ordered_is_no_text(tmp_path):
    order = {"coding": [{"system": "urn:x", "code": "1", "display": "An order"}]}
    topic = {"coding": [{"system": "urn:x", "code": "2", "display": "A topic"}]}
    suggestion = {"id": "s", "title": "Order it", "code": [order]}
    rule = plan("rule", {"id": "card", "title": "Card", "code": [topic], "action": [suggestion]})
    (tmp_path / "PlanDefinition-rule.json").write_text(fhir_json.pretty(rule) + "\n")

    kinds = {entry["text"]: entry["kind"] for entry in exported(tmp_path)["entries"]}

    assert (kinds.get("A topic"), kinds.get("An order")) == ("topic", None)
