"""Same patient, other code system: same cards.

Each vignette is answered twice: as it is, in SNOMED CT, and with the code of every condition and
every reason replaced by one of another system that stands in exactly the same value sets.
"""

from __future__ import annotations

import json
from collections import defaultdict
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from shared_data import REPOSITORY

from cds_service.authoring import cases
from cds_service.data import plan_library
from cds_service.hooks.cards import rules_of
from cds_service.hooks.service import HookService

PLANS = REPOSITORY / "plan_definitions"
VIGNETTES = sorted(PLANS.glob("strategies/*/cases/V*.json"))
SNOMED = "http://snomed.info/sct"
SYSTEMS = {
    "ICD-10": "http://hl7.org/fhir/sid/icd-10",
    "ICD-10-CM": "http://hl7.org/fhir/sid/icd-10-cm",
    "ICD-10-GM": "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
    "ICPC-2": "http://hl7.org/fhir/sid/icpc-2",
}


@cache
def library():
    return plan_library.load(PLANS)


@pytest.fixture(scope="module")
def service():
    return HookService(library())


@cache
def _listed():
    """Every code that a value set lists, by its system."""
    found = defaultdict(set)
    for file in PLANS.glob("shared/ValueSet-*.json"):
        for item in json.loads(file.read_text()).get("expansion", {}).get("contains", ()):
            found[item["system"]].add(item["code"])
    return found


@cache
def _sets_of(system, code):
    """The value sets that hold the code, by prefix where the system is matched so."""
    value_sets = library().content.value_sets
    tests = {name: value_sets.resolve(name) for name in value_sets.names}
    return frozenset(name for name, holds in tests.items() if holds and holds(system, code))


@cache
def _translated(code, system):
    """The first code of the system in exactly the value sets of this SNOMED code; None if none."""
    wanted = _sets_of(SNOMED, code)
    if not wanted:
        return None
    found = (other for other in _listed()[system] if _sets_of(system, other) == wanted)
    return min(found, default=None)


def _recoded(concept, system):
    codings = [
        {"system": system, "code": other}
        if coding.get("system") == SNOMED and (other := _translated(coding["code"], system))
        else coding
        for coding in concept["coding"]
    ]
    return {**concept, "coding": codings}


def _in_other_words(resource, system):
    changed = dict(resource)
    if resource["resourceType"] == "Condition":
        changed["code"] = _recoded(resource["code"], system)
    if "reasonCode" in resource:
        reasons = [item for item in resource["reasonCode"] if "coding" in item]
        others = [item for item in resource["reasonCode"] if "coding" not in item]
        changed["reasonCode"] = [*(_recoded(item, system) for item in reasons), *others]
    return changed


def _answer(service, path, json_):
    answer = cases.answer_to(cases.Case(path, json_), service, ZoneInfo("UTC"))
    return [(rules_of(card), card["indicator"]) for card in answer.response["cards"]]


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
@pytest.mark.parametrize("path", VIGNETTES, ids=lambda path: path.stem)
def test_a_vignette_coded_in_another_system_gets_the_same_cards(service, path, system):
    vignette = cases.read(path).json
    other = dict(vignette)
    for member in ("data", "draftOrders"):
        if member in vignette:
            other[member] = [_in_other_words(item, system) for item in vignette[member]]

    assert _answer(service, path, other) == _answer(service, path, vignette)


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
def test_low_back_pain_has_a_code_in_each_system(system):
    assert _translated("279039007", system)
