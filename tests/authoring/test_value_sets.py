"""The ValueSets against the researched list of codes: all of it is there, and nothing beside it."""

from __future__ import annotations

import json
import re

import pytest
from rule_plans import PLANS
from shared_data import ROOT

from cds_service.terminology import ValueSets

LIST = ROOT.parent / "clinical" / "value-sets.json"
ICD_10 = "http://hl7.org/fhir/sid/icd-10"
COUNTRY_ICD_10 = {
    "http://hl7.org/fhir/sid/icd-10-cm",
    "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
}
LOCAL = "https://lbp.example.org/fhir/CodeSystem/lbp-local"

LEFT_OUT = {
    "VS-LBP-CHRONIC": {"R52.2", "G89.29", "G89.4", "F45.41"},  # adjuncts: pain of any place
    "VS-LEG-WEAKNESS": {"R29.8"},  # "do not use alone"
    "VS-AXSPA": {"L88"},  # a rubric too wide; its inclusion was not checked
    "VS-AAA": {"K99"},  # "do not use alone"
}
"""Codes of the list that are used nowhere, by value set (README, Readings 4)."""


def shared(kind):
    files = sorted(PLANS.glob(f"shared/{kind}-*.json"))
    return {file.stem.removeprefix(f"{kind}-"): json.loads(file.read_text()) for file in files}


VALUE_SETS = shared("ValueSet")
MATCHERS = ValueSets([*VALUE_SETS.values(), *shared("CodeSystem").values()])
LISTED = json.loads(LIST.read_text()) if LIST.exists() else {}
needs_list = pytest.mark.skipif(not LISTED, reason="the list is not here: ../shared/clinical")
every_listed_set = pytest.mark.parametrize("name", sorted(LISTED) or ["none"])


def is_member(name, system, code):
    matcher = MATCHERS.resolve(name)
    return matcher is not None and matcher(system, code)


def composed(value_set):
    """The codes that a compose writes down: concepts, and roots of filters."""
    for include in value_set["compose"]["include"]:
        for concept in include.get("concept", []):
            yield include["system"], concept["code"]
        for item in include.get("filter", []):
            yield include["system"], item["value"]


def unites(name):
    """Whether a value set is made of others; it then has no expansion of its own."""
    return any("valueSet" in include for include in VALUE_SETS[name]["compose"]["include"])


def ranges(entries):
    """The categories that the notes of a list spell: `prefix C00-C97`, `prefix F32, F33`.

    By the alphabet C4A, C7A and C7B of ICD-10-CM lie between C00 and C97, as they do there.
    """
    for entry in entries:
        for first, last in re.findall(r"([A-Z]\d\d)(?:-([A-Z]\d\d))?", entry.get("note", "")):
            yield first, last or first


@needs_list
def test_every_set_of_the_list_is_a_value_set_with_compose_and_expansion():
    assert set(LISTED) - set(VALUE_SETS) == set()
    assert [name for name in LISTED if unites(name)] == []


@needs_list
@every_listed_set
def test_every_code_of_the_list_counts_alone_or_with_a_body_site(name):
    companions = [name, f"{name}-NEEDS-SITE", "VS-LBP-BROADER"]
    unused = {
        entry["code"]
        for system, entries in LISTED[name].items()
        for entry in entries
        if not any(is_member(companion, system, entry["code"]) for companion in companions)
    }

    assert unused == LEFT_OUT.get(name, set())


@needs_list
@every_listed_set
def test_a_value_set_has_only_codes_of_the_list_their_categories_and_local_findings(name):
    def comes_from_the_list(system, code):
        sources = {system, ICD_10} if system in COUNTRY_ICD_10 else {system}
        entries = [entry for source in sources for entry in LISTED[name].get(source, [])]
        return any(
            code.startswith(entry["code"]) or entry["code"].startswith(code) for entry in entries
        ) or any(first <= code[:3] <= last for first, last in ranges(entries))

    invented = {
        code
        for system, code in composed(VALUE_SETS[name])
        if system != LOCAL and not comes_from_the_list(system, code)
    }

    assert invented == set()


@pytest.mark.parametrize("name", [name for name in sorted(VALUE_SETS) if not unites(name)])
def test_an_expansion_holds_what_its_compose_means(name):
    value_set = VALUE_SETS[name]
    shown = {(item["system"], item["code"]) for item in value_set["expansion"]["contains"]}

    assert all(is_member(name, system, code) for system, code in shown)
    assert set(composed(value_set)) - shown == set()


@needs_list
@pytest.mark.parametrize("name", sorted(set(VALUE_SETS) - set(LISTED)))
def test_a_value_set_beside_the_list_says_why_it_is_there(name):
    reason = VALUE_SETS[name]["purpose"]
    row = next(
        line
        for line in (PLANS / "README.md").read_text().splitlines()
        if line.startswith("|") and f"`{name}`" in line
    )

    assert row.endswith(f"| {reason} |")
