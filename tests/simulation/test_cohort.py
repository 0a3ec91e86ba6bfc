"""Cohort files → records by patient: NDJSON and Bundles alike, problems with file and line."""

from __future__ import annotations

import json

import pytest
from simulation.cohorts import bundle, condition, encounter, patient, write_ndjson

from cds_service.errors import CohortError
from cds_service.simulation import cohort

KINDS = frozenset({"Patient", "Condition", "Encounter"})
ANNA = [patient("anna"), condition("anna", 1, "279039007"), encounter("anna", 1, "2024-06-01")]
BEN = [patient("ben"), condition("ben", 1, "73211009")]


def indexed(folder):
    return cohort.index(cohort.files_of(folder), KINDS)


def names(record):
    return [(item["resourceType"], item["id"]) for item in record]


def test_bulk_data_files_by_type_become_records_by_patient(tmp_path):
    found = indexed(write_ndjson(tmp_path / "export", [*ANNA, *BEN]))

    assert set(found.patients) == {"anna", "ben"}
    assert names(found.record("ben")) == [("Condition", "ben-1"), ("Patient", "ben")]


def test_one_file_with_mixed_resources_is_the_same_cohort(tmp_path):
    mixed = tmp_path / "all.ndjson"
    mixed.write_text("\n\n".join(json.dumps(item) for item in [*BEN, *ANNA]))
    apart = indexed(write_ndjson(tmp_path / "export", [*ANNA, *BEN]))

    found = indexed(mixed)

    assert {name: found.record(name) for name in found.patients} == {
        name: apart.record(name) for name in apart.patients
    }


def test_references_inside_a_bundle_lead_to_the_ids_of_its_entries(tmp_path):
    moved = [item | {"subject": {"reference": "urn:uuid:anna"}} for item in ANNA[1:]]
    (tmp_path / "anna.json").write_text(json.dumps(bundle(ANNA[0], *moved)))

    record = indexed(tmp_path).record("anna")

    assert len(record) == 3
    assert {item["subject"]["reference"] for item in record if "subject" in item} == {
        "Patient/anna"
    }


def test_a_bundle_of_several_patients_is_parted(tmp_path):
    (tmp_path / "both.json").write_text(json.dumps(bundle(*ANNA, *BEN)))

    found = indexed(tmp_path)

    assert names(found.record("ben")) == [("Condition", "ben-1"), ("Patient", "ben")]


def test_the_newest_version_of_a_resource_counts_wherever_it_stands(tmp_path):
    versions = [
        patient("anna", gender=gender, meta={"lastUpdated": day})
        for gender, day in [("female", "2024-02-01"), ("unknown", "2024-01-01")]
    ]

    (found,) = indexed(write_ndjson(tmp_path / "export", versions)).record("anna")

    assert found["gender"] == "female"


def test_who_has_no_patient_resource_is_counted_and_left_out(tmp_path):
    found = indexed(write_ndjson(tmp_path / "export", [*ANNA, BEN[1]]))

    assert found.patients == ("anna",)
    assert found.strangers == 1


@pytest.mark.parametrize(
    ("line", "what", "place"),
    [
        ('{"resourceType": "Patient", "id": }', "not usable JSON", ":2:35"),
        ('{"resourceType": "Patient"', "ends before the value is complete", ":2:"),
        ('{"id": "x"}', "there is no resourceType", ":2"),
        ('[{"resourceType": "Patient"}]', "there is no resourceType", ":2"),
    ],
)
def test_a_line_that_is_no_resource_is_named_with_its_file(tmp_path, line, what, place):
    file = tmp_path / "Patient.ndjson"
    file.write_text(json.dumps(ANNA[0]) + "\n" + line + "\n")

    with pytest.raises(CohortError) as raised:
        indexed(tmp_path)

    assert what in str(raised.value)
    assert str(raised.value).startswith(f"{file}{place}")


def test_ndjson_named_json_is_refused_with_the_way_out(tmp_path):
    (tmp_path / "Patient.json").write_text(f"{json.dumps(ANNA[0])}\n{json.dumps(BEN[0])}\n")

    with pytest.raises(CohortError, match=r"name files with one per line \.ndjson"):
        indexed(tmp_path)


def test_a_folder_without_data_says_what_is_wanted(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")

    with pytest.raises(CohortError, match=r"no \.ndjson and no \.json"):
        cohort.files_of(tmp_path)
