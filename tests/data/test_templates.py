"""Templates become queries: tokens filled, ids checked, what cannot be filled said."""

from __future__ import annotations

import pytest

from cds_service.data.templates import Query, Template, fill, patient_id
from cds_service.errors import RequestError


def filled(query: str, **context: object) -> Query:
    return fill(Template("key", query, None, "may"), {"patientId": "p1"} | context)


@pytest.mark.requirement("PFT-3", "PFT-5", "PFT-7", "PFT-8")
@pytest.mark.parametrize(
    ("query", "context", "text"),
    [
        ("Patient/{{context.patientId}}", {}, "Patient/p1"),
        ("Patient/{{ context.patientId }}", {"patientId": "Patient/p2"}, "Patient/p2"),
        (
            "Condition?patient={{context.patientId}}&_count=200",
            {},
            "Condition?patient=p1&_count=200",
        ),
        ("Encounter/{{context.encounterId}}", {"encounterId": "Encounter/e"}, "Encounter/e"),
        ("{{context.userId}}", {"userId": "PractitionerRole/r"}, "PractitionerRole/r"),
        ("Practitioner/{{userPractitionerId}}", {"userId": "Practitioner/d"}, "Practitioner/d"),
        (
            "PractitionerRole/{{userPractitionerRoleId}}",
            {"userId": "PractitionerRole/r"},
            "PractitionerRole/r",
        ),
        ("Patient/{{userPatientId}}", {"userId": "Patient/p1"}, "Patient/p1"),
        ("RelatedPerson/{{userRelatedPersonId}}", {"userId": "RelatedPerson/m"}, "RelatedPerson/m"),
        (
            "Condition?code=http://x|M54,http://y|L03",
            {},
            "Condition?code=http://x|M54,http://y|L03",
        ),
        (
            "Observation?x={{context.free}}",
            {"free": "a&_has=b/../c d"},
            "Observation?x=a%26_has%3Db%2F..%2Fc%20d",
        ),
        ("Observation?x={{context.number}}", {"number": 5}, "Observation?x=5"),
    ],
)
def test_tokens_are_replaced_by_encoded_values(
    query: str, context: dict[str, object], text: str
) -> None:
    assert filled(query, **context) == Query(text)


@pytest.mark.requirement("PFT-23")
@pytest.mark.parametrize(
    ("query", "context", "missing"),
    [
        ("Encounter/{{context.encounterId}}", {}, "context.encounterId"),
        ("Encounter/{{context.encounterId}}", {"encounterId": None}, "context.encounterId"),
        ("{{context.userId}}", {}, "a user in context.userId"),
        ("{{context.userId}}", {"userId": "dummy"}, "a user in context.userId"),
        ("{{context.userId}}", {"userId": "AuditEvent/1"}, "a user in context.userId"),
        ("{{context.userId}}", {"userId": "practitioner/1"}, "a user in context.userId"),
        ("X/{{userPractitionerId}}", {"userId": "Patient/1"}, "a Practitioner in context.userId"),
        ("X?y={{context.selections}}", {"selections": ["a"]}, "context.selections"),
        ("X?y={{context.flag}}", {"flag": True}, "context.flag"),
        ("X?date=ge{{today() - 400 days}}", {}, "today() - 400 days"),
        ("X?y={{%patient.birthDate}}", {}, "%patient.birthDate"),
    ],
)
def test_a_token_without_value_leaves_no_query_and_is_named(
    query: str, context: dict[str, object], missing: str
) -> None:
    problem = f"it needs {missing}, which the request does not carry"

    assert filled(query, **context) == Query(None, problem)


@pytest.mark.requirement("REQ-20")
@pytest.mark.parametrize("given", ["123", "Patient/123"])
def test_the_patient_id_comes_bare_or_as_a_reference(given: str) -> None:
    assert patient_id({"patientId": given}) == "123"


BAD_IDS = [
    "",
    " ",
    "1&_has=x",
    "../Patient",
    "..",
    ".",
    "a/b",
    "1\r\nX: y",
    "1\n",
    "x" * 65,
    "Patient/",
    "Patient/Patient/1",
    "Practitioner/1",
    "<uuid>",
    "例",
    "a%2fb",
]


@pytest.mark.parametrize("bad", [*BAD_IDS, None, 5, ["1"], {"id": "1"}])
def test_a_patient_id_outside_the_fhir_grammar_is_refused(bad: object) -> None:
    with pytest.raises(RequestError) as caught:
        patient_id({"patientId": bad})

    assert caught.value.code == "invalid-id"
    assert str(caught.value.where) == "context.patientId"


def test_a_refused_id_is_not_repeated_in_the_message() -> None:
    with pytest.raises(RequestError) as caught:
        patient_id({"patientId": "Jan Janssen"})

    assert "Jan" not in str(caught.value)


@pytest.mark.parametrize("bad", BAD_IDS)
def test_an_encounter_id_outside_the_fhir_grammar_is_refused(bad: str) -> None:
    with pytest.raises(RequestError, match=r"context\.encounterId"):
        filled("Encounter/{{context.encounterId}}", encounterId=bad)


@pytest.mark.parametrize("bad", ["Practitioner/..", "Practitioner/a?b", "Practitioner/"])
def test_a_user_id_outside_the_fhir_grammar_is_refused(bad: str) -> None:
    with pytest.raises(RequestError, match=r"context\.userId"):
        filled("{{context.userId}}", userId=bad)
