"""What the context of each published hook must hold; that of another hook passes as it is (HK-0).

A table: a guideline that answers a hook needs no code of ours. What published examples write
otherwise than the definition of the hook is understood.
Source: the hooks of the CDS Hooks library; section 9 of the requirements.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003  the table is part of the interface

from cds_service.hooks.message_fields import (
    Bundle,
    ListOf,
    Member,
    Object,
    Resource,
    Text,
    id_of,
)  # fmt: skip

_OLDER_DISPATCH = {
    "dispatched-orders": "dispatchedOrders",
    "order": "dispatchedOrders",
    "fulfillment-tasks": "fulfillmentTasks",
    "task": "fulfillmentTasks",
}
"""Members of order-dispatch as its ballot and its published example name them (HK-OD-2)."""


def _context(
    *,
    user: bool = True,
    encounter: bool = False,
    older: Mapping[str, str] | None = None,
    **more: Member,
) -> Object:
    return Object(
        required=True,
        older=older,
        members={
            "userId": Text(required=user),
            "patientId": id_of("Patient", required=True),
            "encounterId": id_of("Encounter", required=encounter),
            **more,
        },
    )


def _references() -> ListOf:
    return ListOf(Text(required=True), "an array of strings", required=True)


def _tasks() -> ListOf:
    return ListOf(Object(required=True), "an array of objects")


CONTEXTS: Mapping[str, Object] = {
    "patient-view": _context(),
    "encounter-start": _context(encounter=True),
    "encounter-discharge": _context(encounter=True),
    "order-sign": _context(draftOrders=Bundle()),
    "order-select": _context(draftOrders=Bundle(), selections=_references()),
    "order-dispatch": _context(
        user=False,
        older=_OLDER_DISPATCH,
        dispatchedOrders=_references(),
        performer=Text(required=True),
        fulfillmentTasks=_tasks(),
    ),
    "appointment-book": _context(appointments=Bundle(takes_array=True)),
    "allergyintolerance-create": _context(allergyIntolerance=Resource("AllergyIntolerance")),
    "medication-refill": _context(user=False, medications=Bundle()),
    "medication-verify": _context(medication=Resource("MedicationRequest")),
    "medication-prescribe": _context(medications=Bundle()),
    "order-review": _context(orders=Bundle()),
    "problem-list-item-create": _context(conditions=Bundle()),
}
