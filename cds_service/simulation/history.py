"""The chart as it stood at a moment in the past: what was known by then, and nothing of later.

A resource is known from the moment at which it was recorded, issued or authored, and where that is
not told from the moment that it is about. What ended later has not ended yet. Pure.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from zoneinfo import ZoneInfo

KNOWN_FROM: Mapping[str, tuple[str, ...]] = {
    "AllergyIntolerance": ("recordedDate", "onsetDateTime"),
    "Condition": ("recordedDate", "onsetDateTime", "onsetPeriod.start"),
    "DiagnosticReport": ("issued", "effectiveDateTime", "effectivePeriod.start"),
    "Encounter": ("period.start",),
    "ImagingStudy": ("started",),
    "MedicationRequest": ("authoredOn",),
    "MedicationStatement": ("dateAsserted", "effectiveDateTime", "effectivePeriod.start"),
    "Observation": ("issued", "effectiveDateTime", "effectiveInstant", "effectivePeriod.start"),
    "Procedure": ("performedDateTime", "performedPeriod.start"),
    "QuestionnaireResponse": ("authored",),
    "ServiceRequest": ("authoredOn", "occurrenceDateTime", "occurrencePeriod.start"),
}
"""Where each type says since when it has been known: the first element that is there counts."""

TIMELESS = frozenset({"Patient"})
"""Types that have no date and are in every chart."""

_PARTIAL = re.compile(r"(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?")


@dataclass(frozen=True, slots=True)
class _End:
    """How a type says that it is over: where, and its status before and after."""

    places: tuple[str, ...]
    status: str
    over: frozenset[str] = frozenset()
    before: str = ""


_ENDS: Mapping[str, _End] = {
    "Condition": _End(
        ("abatementDateTime", "abatementPeriod.start"),
        "clinicalStatus",
        frozenset({"inactive", "remission", "resolved"}),
        "active",
    ),
    "Encounter": _End(("period.end",), "status", frozenset({"finished"}), "in-progress"),
    "MedicationStatement": _End(
        ("effectivePeriod.end",), "status", frozenset({"completed", "stopped"}), "active"
    ),
    "Patient": _End(("deceasedDateTime",), ""),
    "Procedure": _End(("performedPeriod.end",), "status", frozenset({"completed"}), "in-progress"),
}
_CLINICAL_STATUS = "http://terminology.hl7.org/CodeSystem/condition-clinical"


def moment_of(text: object, zone: ZoneInfo) -> datetime | None:
    """The moment from which a FHIR date, dateTime or instant is surely past; None for no date.

    A day counts from its start, in `zone`; a month or a year from the start of its last day, so
    that nothing is known too early.
    """
    if not isinstance(text, str):
        return None
    day = _day(text)
    if day is not None:
        return datetime.combine(day, time.min, zone)
    try:
        parsed = datetime.fromisoformat(text) if "T" in text else None
    except ValueError:
        return None
    if parsed is None:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)


def is_day(text: object) -> bool:
    """Whether a date is told to the day and no finer."""
    return isinstance(text, str) and len(text) == len("2024-06-01") and _day(text) is not None


def _day(text: str) -> date | None:
    """The last day of a date, which may be a month or a year."""
    match = _PARTIAL.fullmatch(text)
    if match is None:
        return None
    year, month = int(match[1]), int(match[2] or 12)
    try:
        last = int(match[3]) if match[3] else calendar.monthrange(year, month)[1]
        return date(year, month, last)
    except ValueError:
        return None


def known_from(resource: Mapping[str, Any], zone: ZoneInfo) -> datetime | None:
    """Since when a resource has been in the chart; None where it does not say."""
    for place in KNOWN_FROM.get(resource["resourceType"], ()):
        found = moment_of(member(resource, place), zone)
        if found is not None:
            return found
    return None


def member(resource: Mapping[str, Any], place: str) -> Any:
    """The value at a place of one or two names, `period.start`; None where there is none."""
    first, _, second = place.partition(".")
    value = resource.get(first)
    if not second:
        return value
    return value.get(second) if isinstance(value, dict) else None


def is_undated(resource: Mapping[str, Any], zone: ZoneInfo) -> bool:
    """Whether nobody can tell since when a resource has been known."""
    return resource["resourceType"] not in TIMELESS and known_from(resource, zone) is None


def chart_at(
    record: Iterable[Mapping[str, Any]], moment: datetime, zone: ZoneInfo, *, keeps_undated: bool
) -> list[Mapping[str, Any]]:
    """What of a record was in the chart at a moment, as it stood then."""
    chart = []
    for resource in record:
        since = known_from(resource, zone)
        is_there = since <= moment if since else keeps_undated
        if is_there or resource["resourceType"] in TIMELESS:
            chart.append(as_of(resource, moment, zone))
    return chart


def as_of(resource: Mapping[str, Any], moment: datetime, zone: ZoneInfo) -> Mapping[str, Any]:
    """A resource before an end that came later: without that end, and with the status before it."""
    end = _ENDS.get(resource["resourceType"])
    later = [
        place
        for place in (end.places if end else ())
        if (ended := moment_of(member(resource, place), zone)) is not None and ended > moment
    ]
    if end is None or not later:
        return resource
    running = dict(resource)
    for place in later:
        _remove(running, place)
    if end.status in running:
        running[end.status] = _before(running[end.status], end)
    return running


def _remove(resource: dict[str, Any], place: str) -> None:
    first, _, second = place.partition(".")
    if second and first == "abatementPeriod":
        del resource[first]
    elif second:
        resource[first] = {key: item for key, item in resource[first].items() if key != second}
    else:
        del resource[first]


def _before(status: Any, end: _End) -> Any:
    """The status before the end; one that does not say that it is over stays."""
    if isinstance(status, str):
        return end.before if status in end.over else status
    codings = status.get("coding") if isinstance(status, dict) else None
    codes = {item.get("code") for item in codings or () if isinstance(item, dict)}
    if codes & end.over:
        return {"coding": [{"system": _CLINICAL_STATUS, "code": end.before}]}
    return status
