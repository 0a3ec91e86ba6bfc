"""Cohorts for tests: resources of invented patients, as NDJSON files and as Bundles."""

from __future__ import annotations

import json

LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"
LOW_BACK_PAIN, SADDLE_NUMBNESS = "279039007", "449813001"
MRI_LUMBAR = "24968-0"


def patient(name, **more):
    return {"resourceType": "Patient", "id": name, "birthDate": "1980-03-01", **more}


def about(name, kind, number, **more):
    reference = {"reference": f"Patient/{name}"}
    return {"resourceType": kind, "id": f"{name}-{number}", "subject": reference, **more}


def condition(name, number, code, **more):
    return about(
        name,
        "Condition",
        number,
        clinicalStatus={"coding": [{"code": "active"}]},
        code={"coding": [{"system": SNOMED, "code": code}]},
        **more,
    )


def encounter(name, number, start, **more):
    return about(
        name,
        "Encounter",
        number,
        **{"status": "finished", "class": {"code": "AMB"}, "period": {"start": start}, **more},
    )


def mri(name, number, authored, **more):
    return about(
        name,
        "ServiceRequest",
        number,
        **{
            "status": "active",
            "intent": "order",
            "code": {"coding": [{"system": LOINC, "code": MRI_LUMBAR}]},
            "authoredOn": authored,
            **more,
        },
    )


def early_mri(name):
    """Two weeks of back pain, and an MRI that is ordered at a visit."""
    return [
        patient(name),
        condition(name, "lbp", LOW_BACK_PAIN, onsetDateTime="2024-05-18"),
        encounter(name, "visit", "2024-06-01T09:00:00Z"),
        mri(name, "mri", "2024-06-01T09:10:00Z"),
    ]


def write_ndjson(folder, resources):
    """Bulk-data files: one for each type, in the order in which resources come."""
    folder.mkdir(exist_ok=True)
    for item in resources:
        with (folder / f"{item['resourceType']}.ndjson").open("a") as file:
            file.write(json.dumps(item) + "\n")
    return folder


def bundle(*resources, base="urn:uuid:"):
    entries = [{"fullUrl": f"{base}{item['id']}", "resource": item} for item in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}
