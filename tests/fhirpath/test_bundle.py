"""References between the entries of a Bundle, by the rules for `fullUrl` (FHIR R4, 2.36.4)."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.fhirpath import Incomplete
from cds_service.fhirpath import compile as compile_expression


def patient(family: str, version: str = "1") -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": "1",
        "meta": {"versionId": version},
        "name": [{"family": family}],
    }


def observation(reference: str) -> dict[str, Any]:
    return {"resourceType": "Observation", "subject": {"reference": reference}}


def families(*entries: tuple[str | None, dict[str, Any]]) -> list[Any]:
    """The family names of the subjects of the observations in a Bundle of these entries."""
    bundle = {
        "resourceType": "Bundle",
        "entry": [
            {"fullUrl": url, "resource": resource} if url else {"resource": resource}
            for url, resource in entries
        ],
    }
    program = compile_expression("Bundle.entry.resource.ofType(Observation).subject.resolve()")
    return [item.get("name")[0]["family"] for item in program(bundle)]


@pytest.mark.parametrize(
    ("holder", "reference", "target"),
    [
        ("http://a.org/fhir/Observation/2", "Patient/1", "http://a.org/fhir/Patient/1"),
        ("urn:uuid:2", "http://a.org/fhir/Patient/1", "http://a.org/fhir/Patient/1"),
        ("urn:uuid:2", "urn:uuid:1", "urn:uuid:1"),
        ("urn:uuid:2", "Patient/1", "urn:uuid:1"),
        (None, "Patient/1", None),
        (None, "Patient/1/_history/1", None),
    ],
)
def test_a_reference_is_found_in_the_bundle(holder, reference, target) -> None:
    assert families((holder, observation(reference)), (target, patient("Berg"))) == ["Berg"]


@pytest.mark.parametrize(
    ("holder", "reference", "target"),
    [
        ("http://a.org/fhir/Observation/2", "Patient/1", "http://b.org/fhir/Patient/1"),
        (None, "Patient/2", None),
        (None, "Patient/1/_history/2", None),
        ("urn:uuid:2", "http://a.org/fhir/Patient/1", "urn:uuid:1"),
    ],
)
def test_another_servers_patient_is_not_taken_for_this_one(holder, reference, target) -> None:
    assert families((holder, observation(reference)), (target, patient("Berg"))) == []


def test_the_same_name_twice_is_not_decided() -> None:
    both = (("urn:uuid:1", patient("Berg")), ("urn:uuid:3", patient("Dal")))
    assert families(("urn:uuid:2", observation("Patient/1")), *both) == []


def test_a_version_tells_two_of_the_same_name_apart() -> None:
    both = (("urn:uuid:1", patient("Berg", "1")), ("urn:uuid:3", patient("Dal", "2")))
    assert families(("urn:uuid:2", observation("Patient/1/_history/2")), *both) == ["Dal"]


def test_what_is_not_in_the_bundle_is_unknown() -> None:
    bundle = {"resourceType": "Bundle", "entry": [{"resource": observation("Patient/1")}]}
    answer = compile_expression("Bundle.entry.resource.subject.resolve().exists()")(bundle)
    assert isinstance(answer, Incomplete)


@pytest.mark.parametrize("entry", [None, "x", [None], [{"resource": "x"}], {"resource": {}}])
def test_a_bundle_that_is_malformed_holds_nothing(entry) -> None:
    program = compile_expression("'Patient/1'.resolve()")
    assert isinstance(program({"resourceType": "Bundle", "entry": entry}), Incomplete)


def test_contained_that_is_malformed_holds_nothing() -> None:
    resource = {**observation("#a"), "contained": ["x", {"id": 3}]}
    assert isinstance(compile_expression("subject.resolve()")(resource), Incomplete)
