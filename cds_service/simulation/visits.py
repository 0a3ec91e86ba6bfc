"""The moments of a record at which an EHR would have called: encounters that start, orders signed.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

from cds_service import fhir_json
from cds_service.simulation.history import is_day, member, moment_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from zoneinfo import ZoneInfo

ENCOUNTER_HOOKS = ("encounter-start", "patient-view")
ORDER_HOOKS = ("order-select", "order-sign")
HOOKS = (*ENCOUNTER_HOOKS, *ORDER_HOOKS)

_NO_ENCOUNTER = frozenset({"planned", "cancelled", "entered-in-error"})
_UNDER_WAY = frozenset({"arrived", "triaged", "in-progress", "onleave"})
_ORDERS = frozenset({"MedicationRequest", "ServiceRequest"})
_NO_ORDER = frozenset({"entered-in-error", "draft"})
_NO_INTENT = frozenset({"proposal", "plan", "directive", "option"})


@dataclass(frozen=True, slots=True)
class Period:
    """Which moments count: those of the days from `first` to `last`, in the site's time zone."""

    first: date | None = None
    last: date | None = None

    def holds(self, moment: datetime, zone: ZoneInfo) -> bool:
        """Whether a moment is in it."""
        day = moment.astimezone(zone).date()
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment in care: when, which hooks fire, and of which visit of the patient.

    `visit` is equal for all moments of a visit and says nothing else. `drafts` are the orders that
    are being signed.
    """

    at: datetime
    hooks: tuple[str, ...]
    visit: str
    encounter: Mapping[str, Any] | None = None
    drafts: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Moments:
    """The moments of a record, in order of time; `undated` is the number of those without a date.

    Undated are encounters and orders that cannot be placed, and are not judged.
    """

    judged: tuple[Moment, ...] = ()
    undated: int = 0


@dataclass(slots=True)
class _Signing:
    """Orders of one visit and day, signed together: at the moment of the last of them."""

    at: datetime
    encounter: Mapping[str, Any] | None
    orders: list[Mapping[str, Any]] = field(default_factory=list)


def recorded(record: Sequence[Mapping[str, Any]], period: Period, zone: ZoneInfo) -> Moments:
    """Each encounter at its start, and the orders of each visit and day when the last is signed.

    What is dated to the day only counts at the end of that day.
    """
    encounters = [item for item in record if is_visit(item)]
    found, undated = [], 0
    for encounter in encounters:
        at = _happened(member(encounter, "period.start"), zone)
        if at is None:
            undated += 1
        else:
            found.append(Moment(at, ENCOUNTER_HOOKS, _visit(encounter, at, zone), encounter))
    orders = [item for item in record if is_order(item)]
    undated += sum(_happened(item.get("authoredOn"), zone) is None for item in orders)
    found += _signings(orders, encounters, zone)
    inside = (item for item in found if period.holds(item.at, zone))
    return Moments(tuple(sorted(inside, key=lambda item: (item.at, item.hooks))), undated)


def on(record: Sequence[Mapping[str, Any]], at: datetime, zone: ZoneInfo) -> Moments:
    """One visit at this moment, whatever was recorded, with the orders of that day."""
    under_way = [item for item in record if is_visit(item) and _is_under_way(item, at, zone)]
    encounter = under_way[-1] if under_way else None
    day = at.astimezone(zone).date()
    orders = [
        item
        for item in record
        if is_order(item)
        and (signed := _happened(item.get("authoredOn"), zone)) is not None
        and signed.astimezone(zone).date() == day
    ]
    moments = [Moment(at, ENCOUNTER_HOOKS, "on", encounter)]
    if orders:
        drafts = tuple(_draft(item) for item in orders)
        moments.append(Moment(at, ORDER_HOOKS, "on", encounter, drafts))
    return Moments(tuple(moments))


def is_visit(resource: Mapping[str, Any]) -> bool:
    """Whether a resource is an encounter that took place."""
    return resource["resourceType"] == "Encounter" and resource.get("status") not in _NO_ENCOUNTER


def is_order(resource: Mapping[str, Any]) -> bool:
    """Whether a resource is an order that was signed, not a plan, a proposal or a mistake."""
    return (
        resource["resourceType"] in _ORDERS
        and resource.get("status") not in _NO_ORDER
        and resource.get("intent") not in _NO_INTENT
        and resource.get("doNotPerform") is not True
    )


def end_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The last second of a day."""
    return datetime.combine(day, time(23, 59, 59), zone)


def _happened(text: object, zone: ZoneInfo) -> datetime | None:
    """The moment at which something dated is judged; None where not even the day is told."""
    if is_day(text):
        return end_of_day(date.fromisoformat(str(text)), zone)
    return moment_of(text, zone) if isinstance(text, str) and "T" in text else None


def _visit(encounter: Mapping[str, Any] | None, at: datetime, zone: ZoneInfo) -> str:
    """The encounter's id; a visit without an encounter is known by its day."""
    if encounter is not None and encounter.get("id"):
        return f"Encounter/{encounter['id']}"
    return at.astimezone(zone).date().isoformat()


def _signings(
    orders: Iterable[Mapping[str, Any]], encounters: Sequence[Mapping[str, Any]], zone: ZoneInfo
) -> list[Moment]:
    signings: dict[tuple[str, date], _Signing] = {}
    for order in orders:
        at = _happened(order.get("authoredOn"), zone)
        if at is None:
            continue
        encounter = _encounter_of(order, at, encounters, zone)
        key = (_visit(encounter, at, zone), at.astimezone(zone).date())
        signing = signings.setdefault(key, _Signing(at, encounter))
        signing.at = max(signing.at, at)
        signing.orders.append(order)
    return [
        Moment(item.at, ORDER_HOOKS, visit, item.encounter, tuple(map(_draft, item.orders)))
        for (visit, _), item in signings.items()
    ]


def _encounter_of(
    order: Mapping[str, Any],
    at: datetime,
    encounters: Sequence[Mapping[str, Any]],
    zone: ZoneInfo,
) -> Mapping[str, Any] | None:
    """The encounter that an order names, else the last one that began on the same day."""
    reference = member(order, "encounter.reference")
    if isinstance(reference, str):
        for encounter in encounters:
            if fhir_json.same_reference(reference, f"Encounter/{encounter.get('id')}"):
                return encounter
    same_day = None
    for encounter in encounters:
        began = _happened(member(encounter, "period.start"), zone)
        if began is not None and began.astimezone(zone).date() == at.astimezone(zone).date():
            same_day = encounter
    return same_day


def _is_under_way(encounter: Mapping[str, Any], at: datetime, zone: ZoneInfo) -> bool:
    began = moment_of(member(encounter, "period.start"), zone)
    ended = moment_of(member(encounter, "period.end"), zone)
    if began is not None and began > at:
        return False
    if ended is not None:
        return began is not None and ended > at
    return encounter.get("status") in _UNDER_WAY


def _draft(order: Mapping[str, Any]) -> Mapping[str, Any]:
    """The order as it was before it was signed."""
    return {**order, "status": "draft"}
