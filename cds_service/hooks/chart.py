"""A chart without a hook → the situation that `$apply` judges; for commands and the FHIR face.

A Bundle is the complete chart: a key without resources is known to be empty. Without a Bundle
nothing is known about any key, nor about the subject.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cds_service import fhir_json
from cds_service.data.prefetch_values import is_resource
from cds_service.data.resource_index import (
    ResourceIndex,
    is_of_another_patient,
    listed,
    patient_names,
)
from cds_service.engine import Situation
from cds_service.engine.scope import REQUEST_TYPES, requirements_in
from cds_service.engine.source import Problems
from cds_service.errors import RequestError, Where, did_you_mean
from cds_service.fhirpath import Incomplete
from cds_service.hooks.service import PROFILES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from cds_service.data.plan_library import PlanLibrary

_OF_THE_RUN = frozenset({"action", "patient", "subject"})
_NOTHING_KNOWN = ("context", "draftOrders", "selected", "practitioner", "userId", "hook")


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom a plan is applied to, for whom, and with what.

    References are literal (`Patient/1`). `chart` is a Bundle, or None when no data came along;
    `parameters` set `%names` by hand.
    """

    subject: str
    chart: Mapping[str, Any] | None
    encounter: str | None = None
    practitioner: str | None = None
    parameters: Mapping[str, list[Any]] = field(default_factory=dict)


def situation(
    library: PlanLibrary, asked: Asked, *, profile: str, now: datetime, decision_id: UUID
) -> Situation:
    """What the plans of a library see of this chart.

    Raises RequestError when the subject is not in it, when data of another patient is, and for
    parameters that no plan reads.
    """
    if asked.chart is not None and not _is_bundle(asked.chart):
        raise RequestError("must be a Bundle", where=Where(path="data"))
    types = _types(library)
    _check_parameters(asked.parameters, {*types, *REQUEST_TYPES} - _OF_THE_RUN)
    documents = [asked.chart] if asked.chart is not None else []
    documents += [
        value for values in asked.parameters.values() for value in values if is_resource(value)
    ]
    index = ResourceIndex(documents)
    patient = _patient(asked, index)
    _refuse_other_patients(documents, patient, asked.subject)
    variables = _of_keys(types, asked.chart)
    variables["unavailable"] = [
        key
        for key, value in variables.items()
        if isinstance(value, Incomplete) and key not in asked.parameters
    ]
    nothing: list[Any] = []
    variables |= dict.fromkeys(_NOTHING_KNOWN, nothing)
    variables |= {"profile": profile, "subject": patient or Incomplete()}
    variables |= _of_references(asked, index)
    variables |= _of_parameters(asked.parameters)
    return Situation(
        subject=asked.subject,
        resource=patient,
        variables=variables,
        now=now,
        decision_id=decision_id,
        resolve=index.resolve,
        encounter=asked.encounter,
        practitioner=asked.practitioner,
    )


def _types(library: PlanLibrary) -> dict[str, str | None]:
    """Every data requirement of the content: its key, and the resource type behind it."""
    found: dict[str, str | None] = {"patient": "Patient"}
    for source in library.content.sources:
        kind = source.resource.get("resourceType")
        if kind == "Library":
            requirements = requirements_in([source.root], "dataRequirement", Problems())
        elif kind == "PlanDefinition":
            actions = source.root.elements("action")
            requirements = requirements_in(actions, "input", Problems())
        else:
            continue
        found |= {key: item.resource_type for key, item in requirements.items()}
    return found


def _of_keys(types: Mapping[str, str | None], chart: Mapping[str, Any] | None) -> dict[str, Any]:
    """The chart under every key, by type; a key without a type may hold any resource."""
    if chart is None:
        return {key: Incomplete() for key in types}
    resources = list(fhir_json.resources(chart))
    return {
        key: [item for item in resources if kind in {None, item["resourceType"]}]
        for key, kind in types.items()
    }


def _of_references(asked: Asked, index: ResourceIndex) -> dict[str, Any]:
    """The encounter and who asks, when they are named: the resource, or unknown without it."""
    variables: dict[str, Any] = {}
    if asked.encounter:
        variables["encounter"] = index.resolve(asked.encounter) or Incomplete()
    if asked.practitioner:
        found = index.resolve(asked.practitioner) or Incomplete()
        variables |= {"practitioner": found, "user": found, "userId": asked.practitioner}
    return variables


def _of_parameters(parameters: Mapping[str, list[Any]]) -> dict[str, Any]:
    """The names set by hand: a Bundle counts as its resources; all drafts count as selected."""
    variables: dict[str, Any] = {}
    for name, values in parameters.items():
        items: list[Any] = []
        for value in values:
            items += fhir_json.resources(value) if _is_bundle(value) else [value]
        variables[name] = items
    if "draftOrders" in variables:
        variables.setdefault("selected", variables["draftOrders"])
    return variables


def _patient(asked: Asked, index: ResourceIndex) -> Mapping[str, Any] | None:
    """The subject's resource; None when no chart came along."""
    found = index.resolve(asked.subject)
    if found is not None and found["resourceType"] == "Patient":
        return found
    key = fhir_json.reference_key(asked.subject)
    where = Where(path="subject")
    if found is not None or key is None or key[0] not in {"Patient", "urn:uuid"}:
        raise RequestError("must refer to a Patient, such as Patient/123", where=where)
    if asked.chart is not None:
        raise RequestError("the Patient it names is not in the data", where=where)
    return None


def _refuse_other_patients(
    documents: list[Mapping[str, Any]], patient: Mapping[str, Any] | None, subject: str
) -> None:
    key = fhir_json.reference_key(subject)
    patient_id = str((patient or {}).get("id") or (key[1] if key else subject))
    resources = list(listed(documents))
    names = patient_names(patient_id, resources)
    if any(is_of_another_patient(item, patient_id, names) for _, item in resources):
        raise RequestError(
            "there is data of another patient; nothing was evaluated",
            hint="send only data of the subject",
            where=Where(path="data"),
        )


def _check_parameters(parameters: Mapping[str, list[Any]], known: set[str]) -> None:
    if parameters.get("profile", [PROFILES[0]])[0] not in PROFILES:
        allowed = ", ".join(PROFILES)
        raise RequestError(f"must be one of {allowed}", where=Where(path="parameters.profile"))
    for name in parameters:
        if name not in known:
            raise RequestError(
                f"no plan reads %{name}",
                code="unknown-parameter",
                hint=did_you_mean(name, known) or f"known: {', '.join(sorted(known))}",
                where=Where(path=f"parameters.{name}"),
            )


def _is_bundle(value: object) -> bool:
    return isinstance(value, dict) and value.get("resourceType") == "Bundle"
