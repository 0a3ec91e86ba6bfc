"""`cds-service lint` as authors run it: a real process, real files, a real git repository."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from plans import condition, plan, variable

from cds_service import fhir_json

REPOSITORY = Path(__file__).parent.parent.parent
IDENTITY = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
REVIEWED = {"lastReviewDate": "2024-01-01", "effectivePeriod": {"end": "2025-01-01"}}

RESULT = {
    "type": "object",
    "required": ["ruleId", "ruleIndex", "level", "message", "locations"],
    "properties": {
        "level": {"enum": ["none", "note", "warning", "error"]},
        "message": {"type": "object", "required": ["text"]},
        "locations": {
            "minItems": 1,
            "items": {
                "required": ["physicalLocation"],
                "properties": {
                    "physicalLocation": {
                        "required": ["artifactLocation", "region"],
                        "properties": {
                            "artifactLocation": {
                                "required": ["uri"],
                                "properties": {"uri": {"format": "uri-reference"}},
                            },
                            "region": {
                                "properties": {
                                    "startLine": {"type": "integer", "minimum": 1},
                                    "startColumn": {"type": "integer", "minimum": 1},
                                }
                            },
                        },
                    }
                },
            },
        },
    },
}
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "items": {
                "required": ["tool", "results"],
                "properties": {
                    "tool": {
                        "required": ["driver"],
                        "properties": {"driver": {"required": ["name", "rules"]}},
                    },
                    "results": {"items": RESULT},
                },
            }
        },
    },
}
"""What SARIF 2.1.0 demands of the members that we write (3.13, 3.14, 3.27, 3.29, 3.30)."""


def write(folder, resource, name="PlanDefinition.json"):
    path = folder / name
    path.write_text(fhir_json.pretty(resource) + "\n", encoding="utf-8")
    return path


def run(folder, *arguments):
    command = [sys.executable, "-m", "cds_service", "lint", "guideline", *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )  # fmt: skip


@pytest.fixture
def guideline(tmp_path):
    folder = tmp_path / "guideline"
    folder.mkdir()
    return folder


def misspelt():
    return plan("p", {"id": "a", "condition": [condition("birthDate.exist()")]}, **REVIEWED)


def test_text_shows_the_line_with_a_caret_what_to_do_and_where_to_read_on(guideline, tmp_path):
    path = write(guideline, misspelt())
    number = 1 + path.read_text().split("\n").index('            "expression": "birthDate.exist()"')

    done = run(tmp_path)

    assert done.returncode == 1
    place, line, caret, hint, see, total = done.stdout.rstrip("\n").split("\n")
    assert place.startswith(f"PlanDefinition.json:{number}:38 PlanDefinition.action[0].condition")
    assert line == f'{number:>6} |             "expression": "birthDate.exist()"'
    assert caret.index("^") == line.index("exist()")
    assert "'exists'" in hint
    assert see == "  see docs/lint-rules.md#unknown-function"
    assert total == "1 file, 1 problem"


def test_a_long_line_is_cut_around_the_caret(guideline, tmp_path):
    long = " or ".join(["birthDate.exists()"] * 40) + " or birthDate.exist()"
    write(guideline, plan("p", {"id": "a", "condition": [condition(long)]}, **REVIEWED))

    _, line, caret, *_ = run(tmp_path).stdout.split("\n")

    assert len(line) < 120
    assert line[caret.index("^") :].startswith("exist()")


def test_json_holds_each_finding_with_its_place_and_rule(guideline, tmp_path):
    write(guideline, misspelt())

    report = json.loads(run(tmp_path, "--format", "json").stdout)

    (finding,) = report["findings"]
    assert (report["files"], report["problems"], report["warnings"]) == (1, 1, 0)
    assert (finding["file"], finding["column"]) == ("PlanDefinition.json", 38)
    assert (finding["rule"], finding["level"]) == ("unknown-function", "error")
    assert finding["help"] == "docs/lint-rules.md#unknown-function"
    assert finding["text"].strip() == '"expression": "birthDate.exist()"'


def test_sarif_has_what_the_standard_demands_and_names_files_from_the_repository(
    guideline, tmp_path
):
    write(guideline, {**misspelt(), "id": "p"})
    write(guideline, {**plan("q"), "titel": "x"}, "other.json")

    log = json.loads(run(tmp_path, "--format", "sarif").stdout)

    jsonschema.validate(log, SARIF)
    result, other = log["runs"][0]["results"]
    assert other["ruleId"] == "fhir"
    location = result["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"] == "guideline/PlanDefinition.json"
    assert location["region"]["startColumn"] == 38
    rules = log["runs"][0]["tool"]["driver"]["rules"]
    assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == "unknown-function"


def test_a_warning_does_not_fail_the_run(guideline, tmp_path):
    write(guideline, plan("p", extension=[variable("idle", "1")], **REVIEWED))

    done = run(tmp_path)

    assert done.returncode == 0
    assert "[unused-definition]" in done.stdout
    assert "1 file, 0 problems, 1 warning" in done.stdout


# --- --fix ---


def test_fix_mends_what_is_mechanical_and_changes_no_other_byte(guideline, tmp_path):
    order = {"system": "http://loinc.org", "code": "24968-0"}
    topic = [{"coding": [{**order, "display": "MR Spine lumbar"}]}]
    sound = plan("p", topic=[*topic], purpose="Why", **REVIEWED)
    sound["topic"].append({"coding": [{"system": "http://loinc.org", "code": "24967-2"}]})
    faulty = json.loads(json.dumps(sound))
    faulty["purpose"] = " Why "
    faulty["topic"].insert(1, faulty["topic"][0])
    sound["topic"].append({"coding": [{**order, "display": "MR Spine lumbar"}], "text": "M"})
    faulty["topic"].append({"coding": [order], "text": "M"})
    path = write(guideline, faulty)

    done = run(tmp_path, "--fix")

    assert done.stderr == "mended PlanDefinition.json\n"
    assert path.read_text() == fhir_json.pretty(sound) + "\n"


def test_fix_keeps_the_digits_of_numbers_and_the_order_of_members(guideline, tmp_path):
    path = guideline / "PlanDefinition.json"
    text = fhir_json.pretty(plan("p", **REVIEWED)).replace('"draft"', '"draft",\n"x": 1.50')
    path.write_text(text)

    run(tmp_path, "--fix")

    assert path.read_text() == text.replace('\n"x"', '\n  "x"') + "\n"


def test_fix_does_not_touch_a_sound_file(guideline, tmp_path):
    path = write(guideline, plan("p", **REVIEWED))
    before = path.stat().st_mtime_ns

    assert run(tmp_path, "--fix").stderr == ""
    assert path.stat().st_mtime_ns == before


def test_what_fix_mends_is_told_without_it(guideline, tmp_path):
    write(guideline, plan("p", purpose=" Why", **REVIEWED))

    report = json.loads(run(tmp_path, "--format", "json").stdout)

    assert [(item["rule"], item["isMendedByFix"]) for item in report["findings"]] == [
        ("stray-space", True)
    ]


# --- --since ---


@pytest.fixture
def repository(guideline, tmp_path):
    write(guideline, plan("p", title="Old", **REVIEWED))
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "add", ".")
    git(tmp_path, *IDENTITY, "commit", "--quiet", "-m", "First")
    return guideline


def git(folder, *arguments):
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, timeout=60)


def since(folder, revision="main"):
    report = json.loads(run(folder, "--since", revision, "--format", "json").stdout)
    return [(item["rule"], item["path"]) for item in report["findings"]]


def test_a_changed_plan_needs_a_higher_version(repository, tmp_path):
    write(repository, plan("p", title="New", **REVIEWED))
    assert since(tmp_path) == [("version-not-raised", "PlanDefinition.version")]

    write(repository, {**plan("p", title="New", **REVIEWED), "version": "1.0.1"})
    assert since(tmp_path) == []

    write(repository, {**plan("p", title="New", **REVIEWED), "version": "0.9.0"})
    assert since(tmp_path) == [("version-not-raised", "PlanDefinition.version")]


def test_a_new_version_beside_one_that_stays_as_it_was_is_told_only_as_idle(repository, tmp_path):
    draft = plan("p", title="New", id="p-next", version="0.9.0", **REVIEWED)
    write(repository, draft, "next.json")

    assert "version-not-raised" not in {rule for rule, _ in since(tmp_path)}


def test_a_plan_that_was_moved_and_says_the_same_needs_none(repository, tmp_path):
    (repository / "there").mkdir()
    (repository / "PlanDefinition.json").rename(repository / "there" / "PlanDefinition.json")

    assert since(tmp_path) == []


def test_a_revision_that_is_not_there_is_told(repository, tmp_path):
    done = run(tmp_path, "--since", "nowhere")

    assert done.returncode == 2
    assert "[revision]" in done.stderr
    assert "name a branch, tag or commit" in done.stderr


def whole(folder):
    """A guideline with two rules over a shared Library, none with a review date."""
    library = {
        "resourceType": "Library",
        "id": "terms",
        "url": "https://lbp.example.org/fhir/Library/terms",
        "status": "draft",
        "type": {"coding": [{"code": "logic-library"}]},
        "extension": [variable("enough", "1")],
    }
    for name in ("shared", "strategies", "a", "b"):
        (folder / "guideline" / name).mkdir()
    write(folder / "guideline" / "shared", library, "Library-terms.json")
    for name in ("a", "b"):
        card = {"id": "card", "title": "T", "condition": [condition("%enough > 0")]}
        rule = plan(name, card, library=[library["url"]])
        write(folder / "guideline" / name, rule)


def lint_folder(folder, name):
    command = [sys.executable, "-m", "cds_service", "lint", f"guideline/{name}"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_folder_is_judged_within_its_guideline_and_alone_reported(tmp_path):
    (tmp_path / "guideline").mkdir()
    whole(tmp_path)

    told = lint_folder(tmp_path, "a").stdout

    assert "unknown" not in told
    assert "a/PlanDefinition.json" in told
    assert "b/PlanDefinition.json" not in told
    assert told.splitlines()[-1].startswith("1 file, ")


def test_what_keeps_the_guideline_from_loading_is_told_for_any_folder_of_it(tmp_path):
    (tmp_path / "guideline").mkdir()
    whole(tmp_path)
    broken = plan("b", {"id": "card", "title": "T", "condition": [condition("%nothing")]})
    write(tmp_path / "guideline" / "b", broken)

    done = lint_folder(tmp_path, "a")

    assert done.returncode == 1
    assert "b/PlanDefinition.json" in done.stdout


# --- files ---


def lint_paths(folder, *paths):
    command = [sys.executable, "-m", "cds_service", "lint", *paths]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_file_is_judged_within_its_guideline_and_alone_reported(tmp_path):
    (tmp_path / "guideline").mkdir()
    whole(tmp_path)

    told = lint_paths(tmp_path, "guideline/a/PlanDefinition.json").stdout

    assert "unknown" not in told
    assert "a/PlanDefinition.json" in told
    assert "b/PlanDefinition.json" not in told
    assert told.splitlines()[-1].startswith("1 file, ")


def test_of_several_files_each_is_reported(tmp_path):
    (tmp_path / "guideline").mkdir()
    whole(tmp_path)

    files = [f"guideline/{name}/PlanDefinition.json" for name in ("a", "b")]
    told = lint_paths(tmp_path, *files).stdout

    assert "a/PlanDefinition.json" in told
    assert "b/PlanDefinition.json" in told
    assert told.splitlines()[-1].startswith("2 files, ")


@pytest.mark.parametrize("is_whole", [True, False], ids=["whole", "one folder"])
def test_a_case_file_is_judged_by_itself(tmp_path, is_whole):
    (tmp_path / "guideline").mkdir()
    if is_whole:
        whole(tmp_path)
    else:
        write(tmp_path / "guideline", plan("p", **REVIEWED))
    cases = tmp_path / "guideline" / "cases"
    cases.mkdir()
    write(cases, {"name": "N", "expects": {}}, "broken.json")
    write(cases, {"name": "N", "expected": {}}, "other.json")

    done = lint_paths(tmp_path, "guideline/cases/broken.json")

    assert done.returncode == 1
    place, *_, total = done.stdout.splitlines()
    assert place.startswith("cases/broken.json:3:")
    assert "a case has no member 'expects'" in place
    assert total == "1 file, 1 problem"


def test_fix_of_a_file_mends_that_file_alone(tmp_path):
    (tmp_path / "guideline").mkdir()
    whole(tmp_path)
    for name in ("a", "b"):
        path = tmp_path / "guideline" / name / "PlanDefinition.json"
        path.write_text(path.read_text() + "\n")

    done = lint_paths(tmp_path, "guideline/a/PlanDefinition.json", "--fix")

    assert done.stderr == "mended a/PlanDefinition.json\n"


def test_fix_writes_no_case(guideline, tmp_path):
    write(guideline, plan("p", **REVIEWED))
    (guideline / "cases").mkdir()
    case = guideline / "cases" / "case.json"
    case.write_text('{"name": "N", "expect": {}}')

    lint_paths(tmp_path, "guideline/cases", "--fix")

    assert case.read_text() == '{"name": "N", "expect": {}}'


def test_files_of_several_guidelines_are_refused(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, plan("p", **REVIEWED))

    done = lint_paths(tmp_path, "one/PlanDefinition.json", "two/PlanDefinition.json")

    assert done.returncode == 2
    assert "one and two: lint one at a time" in done.stderr


def test_the_documented_editor_task_finds_place_rule_and_message(guideline, tmp_path):
    page = (REPOSITORY / "docs" / "author-guide.md").read_text()
    task = re.search(r'"pattern": (\{.*?\n        \})', page, re.DOTALL)
    pattern = json.loads(task[1])
    write(guideline, misspelt())
    lines = lint_paths(tmp_path, "guideline/PlanDefinition.json").stdout.splitlines()

    found = re.fullmatch(pattern["regexp"], lines[0])

    assert found is not None, lines[0]
    assert found[pattern["file"]] == "PlanDefinition.json"
    assert found[pattern["code"]] == "unknown-function"
    assert found[pattern["message"]].endswith("unknown function 'exist'")


def test_a_file_that_is_no_json_is_refused(tmp_path):
    (tmp_path / "README.md").write_text("# Words")

    done = lint_paths(tmp_path, "README.md")

    assert done.returncode == 2
    assert "'README.md' is no guideline file: those end in .json" in done.stderr


def test_a_rule_that_no_card_carries_is_told_at_its_place_in_the_case(guideline, tmp_path):
    topic = [{"coding": [{"system": "urn:rules", "code": "lbpR16"}]}]
    write(guideline, plan("p", {"id": "card", "title": "T"}, topic=topic, **REVIEWED))
    (guideline / "cases").mkdir()
    write(guideline / "cases", {"name": "N", "expect": {"absent": ["lbpR61"]}}, "typo.json")

    place, line, _, hint, *_ = lint_paths(tmp_path, "guideline/cases/typo.json").stdout.splitlines()

    assert place.startswith("warning: cases/typo.json:5:")
    assert place.endswith("no card of this guideline carries the rule 'lbpR61' [unknown-rule]")
    assert line.endswith('"lbpR61"')
    assert "did you mean 'lbpR16'" in hint
