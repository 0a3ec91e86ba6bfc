"""`cds-service diff`: what changed between two versions of a guideline, in words."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from plans import BASE, condition, plan, variable

from cds_service import fhir_json
from cds_service.authoring.plan_diff import differences
from cds_service.engine import Source


def told(old, new):
    """The sentences for one resource that was `old` and is `new`."""
    sides = [[Source("p.json", "", item)] if item else [] for item in (old, new)]
    return [sentence for item in differences(*sides) for sentence in item.sentences]


def with_condition(expression):
    words = condition(expression)
    words["expression"]["description"] = "six weeks or more"
    return plan("p", {"id": "card", "condition": [words]})


def test_nothing_is_said_of_what_did_not_change():
    assert told(plan("p"), plan("p")) == []


def test_a_number_alone_is_a_threshold():
    assert told(with_condition("%days >= 42"), with_condition("%days >= 90")) == [
        "action card: condition 'six weeks or more': threshold 42 → 90, now: %days >= 90"
    ]


def test_a_number_in_a_name_is_no_threshold():
    assert told(with_condition("has('VS-1')"), with_condition("has('VS-2')")) == [
        "action card: condition 'six weeks or more': was: has('VS-1'); now: has('VS-2')"
    ]


def test_a_condition_that_came_and_one_that_went():
    old = plan("p", {"id": "card", "condition": [condition("a")]})
    new = plan("p", {"id": "card", "condition": [condition("a"), condition("b")]})

    assert told(old, new) == ["action card: new condition 2: b"]
    assert told(new, old) == ["action card: condition 2 is gone: b"]


def test_a_definition_is_told_by_its_name():
    old = plan("p", extension=[variable("W6", "42"), variable("x", "1")])
    new = plan("p", extension=[variable("W6", "90"), variable("y", "1")])

    assert told(old, new) == [
        "definition %W6: threshold 42 → 90, now: 90",
        "definition %y is new: 1",
        "definition %x is gone",
    ]


def test_actions_that_are_new_gone_or_in_another_order():
    first, second, third = ({"id": name, "title": name.upper()} for name in "abc")

    assert told(plan("p", first, second), plan("p", second, first)) == [
        "actions stand in another order: b, a"
    ]
    assert told(plan("p", first, second), plan("p", first, third)) == [
        "action c is new: 'C'",
        "action b is gone: 'B'",
    ]


def test_a_text_and_its_translation():
    def card(title, dutch):
        content = [{"url": "lang", "valueCode": "nl"}, {"url": "content", "valueString": dutch}]
        url = "http://hl7.org/fhir/StructureDefinition/translation"
        extension = {"url": url, "extension": content}
        action = {"id": "a", "title": title, "_title": {"extension": [extension]}}
        return plan("p", action)

    assert told(card("Wait", "Wacht"), card("Act", "Doe iets")) == [
        "action a: title: 'Wait' → 'Act'",
        "action a: title in 'nl': 'Wacht' → 'Doe iets'",
    ]


def value_set(*codes):
    concepts = [{"code": code, "display": code.upper()} for code in codes]
    compose = {"include": [{"system": "urn:x", "concept": concepts}]}
    return {"resourceType": "ValueSet", "id": "v", "url": f"{BASE}/ValueSet/v", "compose": compose}


def test_codes_that_were_added_and_taken_out():
    assert told(value_set("a", "b"), value_set("b", "c")) == [
        "code added: c 'C' (urn:x)",
        "code taken out: a 'A' (urn:x)",
    ]


def test_a_resource_that_is_new_or_gone():
    assert told(None, plan("p")) == ["new: 'p'"]
    assert told(plan("p"), None) == ["gone: 'p'"]


def test_a_change_that_no_sentence_names_is_still_told():
    assert told(plan("p"), plan("p", date="2026-11-23")) == [
        "changed in a detail that no sentence names"
    ]


def test_a_member_without_a_sentence_of_its_own_is_told_by_its_name():
    assert told(plan("p"), plan("p", experimental=True)) == ["experimental: nothing → true"]


def test_an_extension_of_an_action_is_told_by_its_name():
    def with_quiet_days(days):
        name = "https://lbp.example.org/fhir/StructureDefinition/quiet-for"
        quiet = {"url": name, "valueDuration": {"value": days, "code": "d"}}
        return plan("p", {"id": "card", "title": "T", "extension": [quiet]})

    assert told(with_quiet_days(30), with_quiet_days(90)) == [
        "action card: quiet-for.valueDuration.value: 30 → 90"
    ]


def test_of_a_list_is_told_what_came_and_what_went():
    old, new = (plan("p", library=["a", other]) for other in ("b", "c"))
    longer = plan("p", library=["a", "b", "c"])

    assert told(old, new) == ["library: 'b' → 'c'"]
    assert told(old, longer) == ["library: added: 'c'"]
    assert told(longer, old) == ["library: taken out: 'c'"]
    assert told(plan("p"), plan("p", library=["a"])) == ["library: added: 'a'"]


def test_of_an_object_in_a_list_only_the_members_that_changed_are_told():
    old, new = (
        plan("p", relatedArtifact=[{"type": "citation", "citation": year}])
        for year in ("NTvG 2019", "NTvG 2022")
    )

    assert told(old, new) == ["relatedArtifact.citation: 'NTvG 2019' → 'NTvG 2022'"]


IDENTITY = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]


def write(folder, resource):
    folder.mkdir(exist_ok=True)
    (folder / "p.json").write_text(fhir_json.pretty(resource) + "\n")
    return folder


def git(folder, *arguments):
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, timeout=60)


def run(folder, *arguments):
    command = [sys.executable, "-m", "cds_service", "diff", *arguments]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=False,
        env=dict(os.environ),
    )  # fmt: skip


SAID = (
    "PlanDefinition p\n"
    "  action card: condition 'six weeks or more': threshold 42 → 90, now: %days >= 90\n"
    "1 resource changed\n"
)


def test_two_folders_are_compared(tmp_path):
    write(tmp_path / "old", with_condition("%days >= 42"))
    write(tmp_path / "new", with_condition("%days >= 90"))

    done = run(tmp_path, "old", "new")

    assert (done.returncode, done.stdout) == (1, SAID)
    assert run(tmp_path, "old", "old").stdout == "0 resources changed\n"
    assert run(tmp_path, "old", "old").returncode == 0


@pytest.fixture
def repository(tmp_path):
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    for days in (42, 90):
        write(tmp_path / "guideline", with_condition(f"%days >= {days}"))
        git(tmp_path, "add", ".")
        git(tmp_path, *IDENTITY, "commit", "--quiet", "-m", f"{days} days")
    return tmp_path


def test_two_revisions_of_a_folder_are_compared(repository):
    assert run(repository, "HEAD~1", "HEAD", "--in", "guideline").stdout == SAID


def test_without_a_second_side_the_folder_is_compared_as_it_is(repository):
    assert run(repository, "HEAD", "--in", "guideline").returncode == 0

    write(repository / "guideline", with_condition("%days >= 7"))
    assert "threshold 90 → 7" in run(repository, "HEAD", "--in", "guideline").stdout


def test_what_is_neither_a_folder_nor_a_revision_exits_2(repository):
    done = run(repository, "nowhere", "--in", "guideline")

    assert done.returncode == 2
    assert "there is no folder 'nowhere'" in done.stderr
    assert "git knows no revision 'nowhere'" in done.stderr
    assert "name a branch, tag or commit" in done.stderr


@pytest.mark.parametrize("side", ["", "guideline/p.json"])
def test_a_name_that_can_be_no_side_is_refused(repository, side):
    done = run(repository, side, "--in", "guideline")

    assert done.returncode == 2
    assert f"'{side}' is no folder, git revision or url|version" in done.stderr


def test_a_folder_without_guidelines_is_no_side(repository):
    (repository / "empty").mkdir()

    done = run(repository, "guideline", "empty")

    assert done.returncode == 2
    assert "there is no guideline file in the folder empty" in done.stderr
