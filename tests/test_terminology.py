"""Value set membership: exact lists, prefix hierarchies, aliases, and problems said in full."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cds_service.errors import ContentError
from cds_service.terminology import ALTERNATE_URI, PREFIX_HIERARCHY, ValueSets

ICD = "http://hl7.org/fhir/sid/icd-10"
ICPC = "http://hl7.org/fhir/sid/icpc-2"
SCT = "http://snomed.info/sct"
LOCAL = "https://example.org/local"
BASE = "https://example.org/ValueSet"

SYSTEMS = [
    {
        "resourceType": "CodeSystem",
        "id": "icd-10",
        "url": ICD,
        "content": "fragment",
        "extension": [
            {"url": PREFIX_HIERARCHY, "valueBoolean": True},
            {"url": ALTERNATE_URI, "valueUri": "urn:oid:1.2.3"},
        ],
    },
    {
        "resourceType": "CodeSystem",
        "id": "local",
        "url": LOCAL,
        "content": "complete",
        "concept": [
            {
                "code": "yes",
                "display": "Yes",
                "designation": [{"language": "de", "value": "Ja"}],
                "concept": [{"code": "surely", "display": "Surely"}],
            },
        ],
    },
]


def value_set(name, **content):
    url = f"{BASE}/{name}"
    return {"resourceType": "ValueSet", "id": name, "url": url, "version": "1.0.0", **content}


def listed(system, *codes):
    return {"system": system, "concept": [{"code": code} for code in codes]}


def below(system, code, op="is-a"):
    return {"system": system, "filter": [{"property": "concept", "op": op, "value": code}]}


def sets(*resources):
    return ValueSets([*SYSTEMS, *resources])


def test_listed_codes_match_exactly_and_within_their_own_system():
    weight_loss = value_set("loss", compose={"include": [listed(ICPC, "T08")]})
    is_member = sets(weight_loss).resolve("loss")

    assert is_member(ICPC, "T08")
    assert not is_member(ICPC, "T081")
    assert not is_member(ICPC, "t08")
    assert not is_member(ICD, "T08")


def test_a_code_without_a_system_is_in_no_set():
    is_member = sets(value_set("a", compose={"include": [listed(SCT, "1")]})).resolve("a")

    assert not is_member(None, "1")


@pytest.mark.parametrize("code", ["M54.5", "M545", "M54.50", "M5450"])
def test_is_a_in_a_prefix_hierarchy_catches_longer_codes_with_or_without_the_dot(code):
    back = sets(value_set("back", compose={"include": [below(ICD, "M54.5")]})).resolve("back")

    assert back(ICD, code)


@pytest.mark.parametrize("code", ["M54", "M54.4", "XM54.5", ""])
def test_is_a_in_a_prefix_hierarchy_leaves_shorter_and_other_codes_out(code):
    back = sets(value_set("back", compose={"include": [below(ICD, "M54.5")]})).resolve("back")

    assert not back(ICD, code)


def test_an_alternate_uri_stands_for_the_system_on_both_sides():
    by_url = value_set("by-url", compose={"include": [below(ICD, "M54")]})
    by_alias = value_set("by-alias", compose={"include": [listed("urn:oid:1.2.3", "M45")]})
    loaded = sets(by_url, by_alias)

    assert loaded.resolve("by-url")("urn:oid:1.2.3", "M54.5")
    assert loaded.resolve("by-alias")(ICD, "M45")


def test_exclude_takes_codes_out_again():
    compose = {"include": [below(ICD, "C")], "exclude": [below(ICD, "C44")]}
    cancer = sets(value_set("cancer", compose=compose)).resolve("cancer")

    assert cancer(ICD, "C43.9")
    assert not cancer(ICD, "C44.3")
    assert not cancer(ICD, "C443")


def test_includes_add_up_and_value_sets_of_one_include_intersect():
    one = value_set("one", compose={"include": [listed(SCT, "1", "2")]})
    two = value_set("two", compose={"include": [listed(SCT, "2", "3")]})
    references = [f"{BASE}/one", f"{BASE}/two|1.0.0"]
    both = value_set("both", compose={"include": [{"valueSet": references}]})
    either = value_set("either", compose={"include": [{"valueSet": [r]} for r in references]})
    loaded = sets(both, either, one, two)

    assert [code for code in "123" if loaded.resolve("both")(SCT, code)] == ["2"]
    assert [code for code in "123" if loaded.resolve("either")(SCT, code)] == ["1", "2", "3"]


def test_without_compose_the_expansion_counts_and_its_abstract_entries_do_not():
    contains = [
        {"system": SCT, "code": "0", "abstract": True, "contains": [{"system": SCT, "code": "1"}]}
    ]
    is_member = sets(value_set("e", expansion={"contains": contains})).resolve("e")

    assert is_member(SCT, "1")
    assert not is_member(SCT, "0")


def test_a_complete_code_system_can_be_included_as_a_whole():
    is_member = sets(value_set("all", compose={"include": [{"system": LOCAL}]})).resolve("all")

    assert is_member(LOCAL, "surely")
    assert not is_member(LOCAL, "no")


@pytest.mark.parametrize("reference", ["a", f"{BASE}/a", f"{BASE}/a|1.0.0"])
def test_a_set_is_found_by_id_url_and_version(reference):
    loaded = sets(value_set("a", compose={"include": [listed(SCT, "1")]}))

    assert loaded.resolve(reference)(SCT, "1")


@pytest.mark.parametrize("reference", ["b", f"{BASE}/a|2.0.0", f"{BASE}/A", ""])
def test_an_unknown_reference_resolves_to_nothing(reference):
    loaded = sets(value_set("a", compose={"include": [listed(SCT, "1")]}))

    assert loaded.resolve(reference) is None


@pytest.mark.parametrize(
    ("compose", "message"),
    [
        ({"include": []}, "has no codes"),
        ({"include": [{"system": SCT, "concept": []}]}, "includes all of"),
        ({"include": [{"system": SCT}]}, "includes all of"),
        ({"include": [{"system": SCT, "concept": [{"display": "x"}]}]}, "without a code"),
        ({"include": [below("http://nowhere", "1")]}, "is not loaded"),
        ({"include": [below(LOCAL, "yes")]}, "filter 'concept is-a'"),
        ({"include": [below(ICD, "M54", op="is-not-a")]}, "filter 'concept is-not-a'"),
        ({"include": [below(ICD, "")]}, "without a value"),
        ({"include": [{"valueSet": ["missing"]}]}, "'missing', which is not loaded"),
        ({"include": [{"valueSet": ["a"]}]}, "includes itself: a → a"),
    ],
)
def test_an_unusable_set_is_a_problem_that_names_it_and_never_matches(compose, message):
    loaded = sets(value_set("a", compose=compose))

    (problem,) = loaded.problems
    assert message in str(problem)
    assert problem.where.path.startswith("ValueSet/a")
    assert loaded.resolve("a") is None


ELSEWHERE = {"include": [below("http://nowhere", "1")]}
CONTAINS = [{"system": SCT, "code": "1"}, {"system": SCT, "code": "2"}]


def test_a_definition_that_cannot_be_judged_is_replaced_by_the_whole_expansion_stored_with_it():
    stored = value_set("a", compose=ELSEWHERE, expansion={"total": 2, "contains": CONTAINS})
    loaded = sets(stored)

    assert loaded.problems == ()
    assert [code for code in "123" if loaded.resolve("a")(SCT, code)] == ["1", "2"]
    assert [coding["code"] for coding in loaded.codings("a")] == ["1", "2"]


def test_a_definition_that_can_be_judged_goes_before_its_expansion():
    compose = {"include": [listed(SCT, "3")]}
    is_member = sets(value_set("a", compose=compose, expansion={"contains": CONTAINS})).resolve("a")

    assert [code for code in "123" if is_member(SCT, code)] == ["3"]


@pytest.mark.parametrize(
    "expansion",
    [
        {"contains": []},
        {"total": 3, "contains": CONTAINS},
        {"offset": 2, "contains": CONTAINS},
        {"parameter": [{"name": "filter", "valueString": "back"}], "contains": CONTAINS},
        {
            "extension": [
                {
                    "url": "http://hl7.org/fhir/StructureDefinition/valueset-toocostly",
                    "valueBoolean": True,
                }
            ],
            "contains": CONTAINS,
        },
    ],
    ids=["empty", "not all", "a page", "a selection", "a sample"],
)
def test_a_part_of_an_expansion_does_not_stand_for_the_set(expansion):
    loaded = sets(value_set("a", compose=ELSEWHERE, expansion=expansion))

    assert loaded.resolve("a") is None
    assert len(loaded.problems) == 1


def test_a_set_that_includes_an_unusable_one_is_unusable():
    broken = value_set("broken", compose={"include": [{"system": SCT}]})
    outer = value_set("outer", compose={"include": [{"valueSet": ["broken"]}, listed(SCT, "1")]})

    assert sets(outer, broken).resolve("outer") is None
    assert sets(broken, outer).resolve("outer") is None


def test_two_resources_of_one_name_are_a_problem():
    one = value_set("a", compose={"include": [listed(SCT, "1")]})

    assert "loaded twice" in str(sets(one, dict(one)).problems[0])
    assert "loaded twice" in str(ValueSets([SYSTEMS[0], dict(SYSTEMS[0])]).problems[0])


def test_displays_come_from_the_code_system_in_the_language_asked_for():
    loaded = sets()

    assert loaded.display(LOCAL, "yes") == "Yes"
    assert loaded.display(LOCAL, "yes", "de-AT") == "Ja"
    assert loaded.display(LOCAL, "yes", "nl") == "Yes"
    assert loaded.display(LOCAL, "no") is None
    assert loaded.coding(LOCAL, "surely") == {
        "system": LOCAL,
        "code": "surely",
        "display": "Surely",
    }
    assert loaded.coding(SCT, "1") == {"system": SCT, "code": "1"}


def test_codings_keep_the_order_of_the_set_and_are_completed_from_the_code_system():
    compose = {
        "include": [
            {"system": SCT, "concept": [{"code": "2", "display": "Two"}, {"code": "1"}]},
            listed(LOCAL, "yes"),
            {"valueSet": ["more"]},
        ]
    }
    more = value_set("more", compose={"include": [{"system": LOCAL}]})
    yes = {
        "system": LOCAL,
        "code": "yes",
        "display": "Yes",
        "designation": [{"language": "de", "value": "Ja"}],
    }

    assert sets(value_set("a", compose=compose), more).codings("a") == [
        {"system": SCT, "code": "2", "display": "Two"},
        {"system": SCT, "code": "1"},
        yes,
        yes,
        {"system": LOCAL, "code": "surely", "display": "Surely"},
    ]


def test_codings_of_a_set_that_is_not_loaded_take_the_resource_itself():
    contained = {
        "resourceType": "ValueSet",
        "id": "reasons",
        "expansion": {"contains": [{"system": LOCAL, "code": "surely"}]},
    }

    assert [c["display"] for c in sets().codings(contained)] == ["Surely"]


def test_codings_of_an_unknown_set_are_an_error_with_a_hint():
    loaded = sets(value_set("VS-FEVER", compose={"include": [listed(SCT, "1")]}))

    with pytest.raises(ContentError) as caught:
        loaded.codings("VS-FEVR")
    assert caught.value.hint == "did you mean 'VS-FEVER'?"


# -- the codes of our own content -----------------------------------------------------------

SHARED = Path(__file__).parents[1] / "plan_definitions" / "shared"
ICD_CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD_GM = "http://fhir.de/CodeSystem/bfarm/icd-10-gm"
ATC = "http://www.whocc.no/atc"


@pytest.fixture(scope="module")
def content():
    files = [*SHARED.glob("ValueSet-*.json"), *SHARED.glob("CodeSystem-*.json")]
    return ValueSets(json.loads(file.read_text(encoding="utf-8")) for file in sorted(files))


def test_all_shared_value_sets_are_usable(content):
    assert content.problems == ()


@pytest.mark.parametrize(
    ("name", "system", "code"),
    [
        ("VS-LBP", ICD, "M545"),
        ("VS-LBP", ICD_CM, "M54.50"),
        ("VS-LBP", ICD_CM, "M54.5"),
        ("VS-LBP", "urn:oid:2.16.578.1.12.4.1.1.7110", "M54.5"),
        ("VS-LBP", "http://fhir.de/CodeSystem/dimdi/icd-10-gm", "M54.5"),
        ("VS-LRS", "http://hl7.org/fhir/sid/icpc-1-nl", "L86"),
        ("VS-LRS", "urn:oid:2.16.578.1.12.4.1.1.7170", "L86"),
        ("VS-LRS", ICD_CM, "M54.41"),
        ("VS-MALIGNANCY", ICD, "C43.9"),
        ("VS-MALIGNANCY", ICD_GM, "C61"),
        ("VS-WEIGHT-LOSS", ICPC, "T08"),
        ("VS-FEVER", ICD_GM, "R50.9"),
        ("RX-NSAID", "http://fhir.de/CodeSystem/bfarm/atc", "M01AE01"),
        ("RX-ANTIEPILEPTIC", ATC, "N03AX16"),
        ("RX-ANTIEPILEPTIC", ATC, "N02BF02"),
        ("VS-FOOTDROP-NEEDS-SITE", ICD, "M21.3"),
        ("VS-REDFLAG", ICD, "C79.5"),
    ],
)
def test_the_shared_sets_match_what_the_rulings_name(content, name, system, code):
    assert content.resolve(name)(system, code)


@pytest.mark.parametrize(
    ("name", "system", "code"),
    [
        ("VS-LBP", SCT, "161891005"),
        ("VS-LBP", ICPC, "M54.5"),
        ("VS-SADDLE", ICD, "R20.0"),
        ("VS-SADDLE", SCT, "271594007"),
        ("VS-LEG-WEAKNESS", SCT, "26544005"),
        ("VS-LEG-WEAKNESS", ICD, "R29.8"),
        ("VS-FOOTDROP", ICD, "M21.3"),
        ("VS-LRS", ICD_GM, "M54.12"),
        ("VS-MALIGNANCY", ICD, "C44.3"),
        ("VS-MALIGNANCY", ICD_CM, "C4431"),
        ("VS-WEIGHT-LOSS", ICD, "T08"),
        ("VS-VERT-FRACTURE", ICPC, "T08"),
        ("VS-AAA", ICPC, "K99"),
    ],
)
def test_the_shared_sets_leave_out_what_the_rulings_exclude(content, name, system, code):
    assert not content.resolve(name)(system, code)


def test_override_reasons_speak_four_languages(content):
    system = "https://lbp.example.org/fhir/CodeSystem/lbp-override"

    assert content.display(system, "OR-LATER") == "Not now, remind later"
    for language in ("de", "nl", "nb"):
        assert content.display(system, "OR-LATER", language) != "Not now, remind later"
