"""Mutants: what is changed, that a case which reads the place can kill it, and what is accepted."""

from __future__ import annotations

import json
from zoneinfo import ZoneInfo

import pytest
from one_condition import FOUND, NOTHING, strategy

from cds_service.authoring import cases, mutation_report, mutation_run
from cds_service.authoring.exceptions import Accepted
from cds_service.authoring.mutation import edits
from cds_service.data import plan_library
from cds_service.engine import Source, compile_content
from cds_service.engine.recompile import Recompiler
from cds_service.hooks.service import HookService

ZONE = ZoneInfo("UTC")


def changed(text):
    return {
        text[: edit.start] + edit.new + text[edit.end :]
        for edit in edits(text, lambda name: name.startswith("VS-"))
    }


@pytest.mark.parametrize(
    ("text", "mutant"),
    [
        ("%age >= 18 years", "%age > 18 years"),
        ("%age >= 18 years", "%age >= 19 years"),
        ("%age >= 18 years", "%age >= 17 years"),
        ("value < 38.0", "value < 38.1"),
        ("a and b and c", "a and b or c"),
        ("(a) or (b)", "(a) and (b)"),
        ("code.memberOf('VS-FEVER')", "code.memberOf('mutation-no-codes')"),
        ("%x.isTrue().not()", "%x.isTrue()"),
        ("%x.isTrue().not()", "%x.not()"),
        ("%x.isTrue().not()", "%x.isFalse().not()"),
        ("a.exists()", "a.empty()"),
        ("%hook = 'order-sign'", "%hook != 'order-sign'"),
    ],
)
def test_each_kind_of_change_is_made(text, mutant):
    assert mutant in changed(text)


def test_texts_that_name_no_value_set_stay():
    assert changed("'order-sign'") == set()


def test_what_cannot_change_an_answer_is_no_mutant(tried):
    found = tried("%obs.exists().isTrue() and %hook.exists()", [(FOUND, SPEAKS), (NOTHING, SILENT)])

    assert ".isTrue() → nothing" not in {item.mutant.change for item in found.judged}


def test_where_unknown_would_decide_it_is_one(tried):
    found = tried("%obs.exists().isTrue().not()", [(NOTHING, SPEAKS), (FOUND, SILENT)])

    assert ".isTrue() → nothing" in {item.mutant.change for item in found.survivors}


@pytest.fixture
def tried(tmp_path):
    def run(condition, charts, accepted=()):
        folder = tmp_path / "strategy"
        (folder / "cases").mkdir(parents=True)
        (folder / "PlanDefinition.json").write_text(json.dumps(strategy(condition)))
        for number, (chart, expect) in enumerate(charts):
            case = {"name": str(number), "hook": "patient-view", "expect": expect} | chart
            (folder / "cases" / f"{number}.json").write_text(json.dumps(case))
        library = plan_library.load(tmp_path)
        results = list(cases.run_all(tmp_path, HookService(library), ZONE))
        assert all(result.is_passed for result in results)
        selection = mutation_run.Selection(tmp_path)
        trial, chosen = mutation_run.prepare(library, results, ZONE, selection)
        judged = mutation_run.judge_all(trial, chosen, jobs=2, note=lambda _: None)
        return mutation_report.report(judged, accepted, is_whole=True)

    return run


TWO = {"data": [*FOUND["data"], {**FOUND["data"][1], "id": "o2"}]}
SPEAKS = {"cards": [{"rule": "lbpR16"}]}
SILENT = {"cards": [], "only": True}


def test_a_change_that_a_case_notices_is_killed(tried):
    found = tried("%obs.count() >= 1", [(FOUND, SPEAKS), (TWO, SPEAKS), (NOTHING, SILENT)])

    assert found.survivors == []
    assert found.percent == 100.0


def test_a_change_that_no_case_notices_survives_with_its_place(tried):
    found = tried("%obs.count() >= 1", [(NOTHING, SILENT)])

    assert [item.mutant.change for item in found.survivors] == [">= → >", "1 → 2"]
    assert "root/card, condition 1: >= → >" in "\n".join(mutation_report.lines(found))


def accepted(what):
    return Accepted("my-service", "root/card", "%obs.count() >= 1", what, "for a reason")


def test_a_survivor_that_is_accepted_does_not_count(tried):
    found = tried("%obs.count() >= 1", [(NOTHING, SILENT)], [accepted(">= → >")])

    assert [item.mutant.change for item in found.survivors] == ["1 → 2"]
    assert found.problems == ()


def test_an_accepted_mutant_that_dies_is_an_error(tried):
    found = tried("%obs.count() >= 1", [(NOTHING, SILENT)], [accepted("1 → 0")])

    assert [problem.code for problem in found.problems] == ["stale-exception"]


def test_a_recompiled_file_gives_what_compiling_everything_gives():
    before = Source("a.json", "{}", strategy("%obs.exists()"))
    after = Source("a.json", "{}", strategy("%obs.empty()"))

    again = Recompiler([before]).with_changed(
        after, {("a.json", "PlanDefinition.action[0].action[0]")}
    )

    action = again.services["my-service"].plan.actions[0].actions[0]
    fresh = compile_content([after]).services["my-service"].plan.actions[0].actions[0]
    assert action.conditions[0].text == fresh.conditions[0].text == "%obs.empty()"


def test_a_sample_is_the_same_for_the_same_seed(tmp_path):
    (tmp_path / "PlanDefinition.json").write_text(json.dumps(strategy("%obs.count() >= 1")))
    library = plan_library.load(tmp_path)

    def drawn(seed):
        selection = mutation_run.Selection(tmp_path, sample=2, seed=seed)
        _, chosen = mutation_run.prepare(library, [], ZONE, selection)
        return [mutant.change for mutant in chosen]

    assert len(drawn(1)) == 2
    assert drawn(1) == drawn(1)
