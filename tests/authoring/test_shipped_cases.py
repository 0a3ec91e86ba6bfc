"""The shipped cases, run once: what every rule of the guideline owes its reader, and has.

For each rule: a case on each of its hooks, one in which it stays silent, each profile in which it
differs, and the rows of `rule_evidence.tsv`: what its *Missing* and *Suppress* lines and its limits
say, with the cases that hold the service to it. Source: rules B.1, B.2, C.1, C.2 and the rulings.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from rule_plans import LINES, cards, lines, rule_of, rule_plans

from cds_service.authoring import cases, coverage
from cds_service.authoring.coverage_unknown import UnknownRule
from cds_service.authoring.expressions import places
from cds_service.data import plan_library
from cds_service.hooks.cards import rules_of
from cds_service.hooks.service import HookService

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cds_service.data.plan_library import PlanLibrary

ZONE = ZoneInfo("UTC")
EVIDENCE = Path(__file__).with_name("rule_evidence.tsv")

HOOKS = {
    "patient-view": (
        "R01 R02 R03 R04 R05 R06 R08 R09 R10 R11 R12 R14 R15 R17 R18 R20 R22 R24 R25 R26 R27 R28 "
        "R29 R30 R31 R32 R33 R34 R35 R36 R37 R39 R40 R41 R42 R43 R44 R46 R59 R72 R75 R76"
    ),
    "encounter-start": "R01 R02 R03 R04 R06 R08 R11 R34 R76",
    "order-select": (
        "R05 R07 R13 R16 R17 R19 R21 R22 R23 R24 R26 R28 R45 R47 R48 R49 R50 R51 R52 R53 R55 R56 "
        "R57 R58 R62 R63 R64 R65 R66 R67 R73 R74 X01 X02 X03 X04 X05"
    ),
    "order-sign": (
        "R01 R02 R04 R05 R06 R07 R09 R13 R16 R17 R19 R21 R22 R23 R24 R45 R47 R48 R49 R50 R51 R52 "
        "R53 R55 R56 R57 R58 R62 R63 R64 R65 R66 R67 R73 R74 X01 X02 X03 X04 X05"
    ),
}
"""Which rules speak on which hook: rules C.1 as ruling 4 decides (R72, R26 and R28)."""

PROFILES = {
    "R14": {"nl": "warning"},
    "R16": {"core": "warning info", "nl": "warning", "de": "warning", "no": "warning info"},
    "R17": {"de": "info"},
    "R18": {"de": "info"},
    "R23": {"core": "warning info", "nl": "warning", "de": "warning", "no": "warning info"},
    "R24": {"de": "info"},
    "R29": {"de": "warning info"},
    "R30": {"no": "warning info"},
    "R31": {"nl": "warning info"},
    "R36": {"nl": "info"},
    "R37": {"de": "warning info"},
    "R40": {"nl": "info"},
    "R44": {"de": "info"},
    "R46": {"de": "info"},
    "R50": {"de": "info"},
    "R51": {"de": "info"},
    "R57": {"core": "info", "nl": "warning info", "de": "info", "no": "info"},
    "R66": {"core": "info", "nl": "warning", "de": "info", "no": "info"},
}
"""The indicators of the rules whose profiles differ: rules C.2; the milder ones are ruling 6."""

BY_FEEDBACK_ALONE = {"R20", "R22"}
"""Rules whose *Suppress* line is "shown once": ruling 18 leaves that to feedback."""

RULES = sorted({rule for rules in HOOKS.values() for rule in rules.split()})


@dataclass(frozen=True, slots=True)
class Seen:
    """A case, and the indicators of the cards that carried each rule in the answer to it."""

    folder: str
    stem: str
    hook: str
    profile: str
    expect: Mapping[str, Any]
    shown: Mapping[str, frozenset[str]]

    def wanted(self, rule: str) -> list[Mapping[str, Any]]:
        """What the case expects of cards of the rule."""
        return [card for card in self.expect.get("cards", ()) if card["rule"] == f"lbp{rule}"]

    def is_silent(self, rule: str) -> bool:
        """Whether the case says that the rule must not appear."""
        is_only = bool(self.expect.get("only")) and not self.wanted(rule)
        return is_only or f"lbp{rule}" in self.expect.get("absent", ())

    def says(self, rule: str) -> object:
        """What the case says of the rule, to be compared with what another one says."""
        return "silent" if self.is_silent(rule) else self.wanted(rule)


@dataclass(frozen=True, slots=True)
class Shipped:
    """The shipped guideline, its cases by file name, and the outcomes of their conditions."""

    library: PlanLibrary
    seen: list[Seen]
    by_name: Mapping[str, list[Seen]]
    tally: coverage.Tally

    def case(self, name: str) -> Seen:
        """The case of this file name, or `R29/name` where two folders have it."""
        (found,) = self.by_name[name]
        return found


@pytest.fixture(scope="module")
def shipped(request) -> Shipped:
    folder = request.config.rootpath / "plan_definitions"
    library = plan_library.load(folder)
    tally = coverage.Tally()
    seen = []
    for result in cases.run_all(folder, HookService(library), ZONE):
        if result.answer is not None:
            tally.note(result.answer.outcome)
        seen.append(_seen(result))
    by_name = defaultdict(list)
    for item in seen:
        by_name[item.stem].append(item)
        by_name[f"{item.folder}/{item.stem}"].append(item)
    return Shipped(library, seen, by_name, tally)


def _seen(result: cases.CaseResult) -> Seen:
    path, json = result.case.path, result.case.json
    shown = defaultdict(set)
    for card in result.answer.response["cards"] if result.answer else ():
        for rule in rules_of(card):
            shown[rule.removeprefix("lbp")].add(card["indicator"])
    return Seen(
        folder=path.parent.parent.name,
        stem=path.stem,
        hook=str(json.get("hook") or json.get("request", {}).get("hook")),
        profile=str(json.get("profile", "core")),
        expect=json["expect"],
        shown={rule: frozenset(indicators) for rule, indicators in shown.items()},
    )


def _rows() -> list[dict[str, str]]:
    with EVIDENCE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, dialect="excel-tab", restval=""))


ROWS = _rows()


# -- every rule ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hook", "rule"), [(hook, rule) for hook, rules in HOOKS.items() for rule in rules.split()]
)
def test_a_case_expects_the_rule_on_each_of_its_hooks(shipped, hook, rule):
    assert any(item.hook == hook and item.wanted(rule) for item in shipped.seen)


@pytest.mark.parametrize("hook", HOOKS)
def test_no_rule_appears_on_a_hook_that_is_not_its_own(shipped, hook):
    shown = {rule for item in shipped.seen if item.hook == hook for rule in item.shown}

    assert shown == set(HOOKS[hook].split())


@pytest.mark.parametrize("rule", RULES)
def test_a_case_says_when_the_rule_stays_silent(shipped, rule):
    assert any(item.is_silent(rule) for item in shipped.seen)


@pytest.mark.parametrize("profile", ["core", "nl", "de", "no"])
@pytest.mark.parametrize("rule", PROFILES)
def test_each_profile_in_which_a_rule_differs_has_its_case(shipped, rule, profile):
    inside = [item for item in shipped.seen if item.profile == profile]
    shown = {indicator for item in inside for indicator in item.shown.get(rule, ())}

    assert shown == set(PROFILES[rule].get(profile, "").split())
    assert shown or any(item.is_silent(rule) for item in inside)


def test_every_rule_has_a_plan_or_is_a_line():
    numbered = {f"R{number:02}" for number in range(1, 81)} | {f"X0{n}" for n in range(1, 6)}

    assert {rule_of(plan) for plan in rule_plans()} == set(RULES)
    assert set(RULES) | set(LINES) == numbered


# -- what rules.md says of missing data, of suppression and of limits ----------------------------


@pytest.mark.parametrize("kind", ["missing", "suppressed"])
@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_evidence_of_each_kind(rule, kind):
    stated = {(row["rule"], row["kind"]) for row in ROWS}

    assert (rule, kind) in stated or (kind == "suppressed" and rule in BY_FEEDBACK_ALONE)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['rule']} {row['kind']}: {row['asks']}")
def test_what_the_rules_ask_has_its_case(shipped, row):
    rule, case = row["rule"], shipped.case(row["case"])
    other = shipped.case(row["other"]) if row["other"] else None

    assert case.is_silent(rule) or case.wanted(rule)
    if row["kind"] == "boundary":
        assert other is not None
    if row["kind"] == "suppressed":
        assert case.is_silent(rule) or other is not None
    if other is not None:
        assert case.says(rule) != other.says(rule)


# -- lines in the cards of others ----------------------------------------------------------------

PLANS = {rule_of(plan): plan for plan in rule_plans()}
PARENTS = [(rule, parent) for rule, (parents, _) in LINES.items() for parent in parents]
ALWAYS = {("R69", "R33"), ("R80", "R31")}
"""Lines without a condition of their own: that of the card is enough."""


def _line(rule: str, parent: str) -> str:
    """The line as it stands in the cards of its parent."""
    found = (text for card in cards(PLANS[parent]) for text in lines(card).values())
    return next(text for text in found if text.startswith(LINES[rule][1]))


@pytest.mark.parametrize(("rule", "parent"), PARENTS)
def test_a_case_expects_the_line_in_each_of_its_cards(shipped, rule, parent):
    text = _line(rule, parent)

    assert any(
        said in text
        for item in shipped.seen
        for card in item.wanted(parent)
        for said in cases.as_list(card.get("detail"))
    )


@pytest.mark.parametrize(("rule", "parent"), sorted(set(PARENTS) - ALWAYS))
def test_a_case_expects_a_card_without_the_line(shipped, rule, parent):
    text = _line(rule, parent)

    assert any(
        said in text
        for item in shipped.seen
        for card in item.wanted(parent)
        for said in cases.as_list(card.get("lacks"))
    )


# -- coverage ------------------------------------------------------------------------------------


def test_no_condition_of_our_plans_is_unknown_against_the_rule(shipped):
    found = places(shipped.library.content.sources)
    rule = UnknownRule(found)

    wrong = [
        place
        for place in found
        if place.kind == "condition"
        and not rule.can_be_unknown(place.text, place.items)
        and shipped.tally.seen.get((place.action, place.number), {}).get("unknown")
    ]
    assert wrong == []
