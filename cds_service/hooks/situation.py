"""A hook call as the plan sees it: one name per prefetch key, the drafts, and who asks. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_service import fhir_json
from cds_service.data import prefetch
from cds_service.engine import Situation
from cds_service.fhirpath import Incomplete

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID


def of_call(
    message: Mapping[str, Any],
    data: prefetch.Prefetched,
    profile: str,
    now: datetime,
    decision_id: UUID,
) -> Situation:
    """The situation of `$apply`: what was obtained, under the names that plans use.

    A key whose data is known in part only is Incomplete, so that *no* is never said of it.
    """
    context = message["context"]
    patient = _only(data, "patient")
    practitioner = _only(data, "user")
    drafts = list(fhir_json.resources(context.get("draftOrders") or {}))
    variables: dict[str, Any] = {
        key: list(found.resources) if found.is_complete else Incomplete(found.resources)
        for key, found in data.keys.items()
    }
    variables |= {
        "context": context,
        "hook": message["hook"],
        "profile": profile,
        "userId": context.get("userId") or [],
        "draftOrders": drafts,
        "selected": _selected(drafts, context.get("selections")),
        "unavailable": list(data.unavailable),
        "patient": variables.get("patient", Incomplete()),
        "subject": patient or Incomplete(),
        "practitioner": practitioner or variables.get("user", Incomplete()),
    }
    return Situation(
        subject=f"Patient/{prefetch.patient_id(context)}",
        resource=patient,
        variables=variables,
        now=now,
        decision_id=decision_id,
        resolve=data.resolve,
        encounter=f"Encounter/{context['encounterId']}" if context.get("encounterId") else None,
        practitioner=context.get("userId"),
    )


def _only(data: prefetch.Prefetched, key: str) -> Mapping[str, Any] | None:
    found = data.keys.get(key)
    return found.resources[0] if found is not None and found.resources else None


def _selected(drafts: list[dict[str, Any]], selections: object) -> list[dict[str, Any]]:
    """The drafts that the clinician has just selected; all of them when the hook names none."""
    if not isinstance(selections, list):
        return drafts
    wanted = {fhir_json.reference_key(item) for item in selections if isinstance(item, str)}
    return [draft for draft in drafts if (draft.get("resourceType"), draft.get("id")) in wanted]
