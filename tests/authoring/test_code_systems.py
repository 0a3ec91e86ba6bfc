"""Same patient, other code system: same cards."""

from __future__ import annotations

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from rule_plans import PLANS

from cds_service.authoring import cases
from cds_service.data import plan_library
from cds_service.hooks.service import HookService

SNOMED = "http://snomed.info/sct"
ICD_10 = "http://hl7.org/fhir/sid/icd-10"
ICD_10_CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD_10_GM = "http://fhir.de/CodeSystem/bfarm/icd-10-gm"
ICPC_2 = "http://hl7.org/fhir/sid/icpc-2"
ICPC_1_NL = "http://hl7.org/fhir/sid/icpc-1-nl"
ICPC_2_NO = "urn:oid:2.16.578.1.12.4.1.1.7170"
LOINC = "http://loinc.org"
ATC = "http://www.whocc.no/atc"
ATC_DE = "http://fhir.de/CodeSystem/bfarm/atc"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"

LOW_BACK_PAIN = (
    (SNOMED, "279039007"),
    (ICD_10, "M54.5"),
    (ICD_10_CM, "M54.50"),
    (ICD_10_GM, "M54.5"),
    (ICPC_2, "L03"),
    (ICPC_1_NL, "L03"),
    (ICPC_2_NO, "L03"),
)
SAME = {
    "V02 VS-LBP": LOW_BACK_PAIN,
    "V36 VS-LBP": LOW_BACK_PAIN,
    "V10 VS-LRS": (
        (SNOMED, "128196005"),
        (ICD_10, "M54.3"),
        (ICD_10_CM, "M54.16"),
        (ICD_10_GM, "M54.16"),
        (ICPC_2, "L86"),
        (ICPC_1_NL, "L86"),
    ),
    "V83 VS-FEVER": (
        (SNOMED, "386661006"),
        (ICD_10, "R50.9"),
        (ICD_10_GM, "R50.9"),
        (ICPC_2, "A03"),
    ),
    "V03 VS-MALIGNANCY": (
        (SNOMED, "94222008"),
        (ICD_10, "C79.5"),
        (ICD_10_CM, "C79.51"),
        (ICD_10_GM, "C79.5"),
        (ICPC_2, "A79"),
    ),
    "V15 VS-URINE-RETENTION": (
        (SNOMED, "267064002"),
        (ICD_10, "R33"),
        (ICD_10_CM, "R33.9"),
        (ICD_10_GM, "R33"),
        (ICPC_2, "U08"),
    ),
    "V24 VS-AAA": (
        (SNOMED, "233985008"),
        (ICD_10, "I71.4"),
        (ICD_10_CM, "I71.40"),
        (ICD_10_GM, "I71.4"),
    ),
    "V26 VS-URO-ABDO": (
        (SNOMED, "49650001"),
        (ICD_10, "R30.0"),
        (ICD_10_GM, "R30.0"),
        (ICPC_2, "U01"),
    ),
    "V02 IMG-MR-LUMBAR": ((LOINC, "24968-0"), (SNOMED, "241648005")),
    "V22 IMG-XR-LUMBAR": ((LOINC, "24972-2"), (SNOMED, "840361000")),
    "V34 LAB-CRP": ((LOINC, "1988-5"), (SNOMED, "55235003")),
    "V50 RX-NSAID": ((ATC, "M01AE01"), (ATC_DE, "M01AE01"), (RXNORM, "5640")),
    "V48 RX-OPIOID-STRONG": ((ATC, "N02AA01"), (RXNORM, "7052")),
    "V75 RX-OPIOID-WEAK": ((ATC, "N02AX02"), (RXNORM, "10689")),
    "V55 RX-BENZO": ((ATC, "N05BA01"), (RXNORM, "3322")),
    "V57 RX-ANTIDEPRESSANT": ((ATC, "N06AA09"), (RXNORM, "704")),
}
"""A vignette and a value set → codes of different systems that all mean the same there."""


@pytest.fixture(scope="module")
def library():
    return plan_library.load(PLANS)


@pytest.fixture(scope="module")
def service(library):
    return HookService(library)


def vignette(number):
    (file,) = PLANS.glob(f"strategies/*/cases/{number}-*.json")
    return cases.read(file)


def recoded(element, is_member, coding):
    """The element with each coding that `is_member` replaced."""
    if isinstance(element, list):
        return [recoded(item, is_member, coding) for item in element]
    if not isinstance(element, dict):
        return element
    if is_member(element.get("system"), str(element.get("code"))):
        return coding
    return {key: recoded(item, is_member, coding) for key, item in element.items()}


def shown(case, service):
    answer = cases.answer_to(case, service, ZoneInfo("UTC"))
    return [
        (
            card["extension"]["org.example.lbp"]["rules"],
            card["indicator"],
            card["summary"],
            [item["label"] for item in card.get("suggestions", ())],
        )
        for card in answer.response["cards"]
    ]


@pytest.mark.parametrize(
    ("number", "value_set", "system", "code"),
    [
        pytest.param(*name.split(), system, code, id=f"{name} {system.rsplit('/', 1)[-1]} {code}")
        for name, codes in SAME.items()
        for system, code in codes
    ],
)
def test_the_same_patient_in_another_code_system_has_the_same_cards(
    number, value_set, system, code, library, service
):
    case = vignette(number)
    is_member = library.content.value_sets.resolve(value_set)
    coding = {"system": system, "code": code}

    changed = replace(case, json=recoded(case.json, is_member, coding))

    assert coding in list(codings(changed.json))
    assert shown(changed, service) == shown(case, service) != []


def codings(element):
    """Every object with a system and a code."""
    if isinstance(element, list):
        for item in element:
            yield from codings(item)
    elif isinstance(element, dict):
        if element.keys() == {"system", "code"}:
            yield element
        for item in element.values():
            yield from codings(item)
