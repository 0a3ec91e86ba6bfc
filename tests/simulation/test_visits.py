"""Which moments are judged: encounters that start, and orders when they are signed."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from simulation.cohorts import encounter, mri

from cds_service.simulation import visits
from cds_service.simulation.visits import Period

ZONE = ZoneInfo("UTC")
ALWAYS = Period()


def recorded(*record, period=ALWAYS):
    return visits.recorded(record, period, ZONE)


def test_an_encounter_is_judged_at_its_start_by_the_hooks_of_encounters():
    (moment,) = recorded(encounter("p", 1, "2024-06-01T09:00:00Z")).judged

    assert moment.at == datetime(2024, 6, 1, 9, tzinfo=UTC)
    assert moment.hooks == ("encounter-start", "patient-view")


def test_an_order_is_judged_as_a_draft_when_it_is_signed():
    (moment,) = recorded(mri("p", 1, "2024-06-01T09:10:00Z")).judged

    assert moment.at == datetime(2024, 6, 1, 9, 10, tzinfo=UTC)
    assert moment.hooks == ("order-select", "order-sign")
    assert [draft["status"] for draft in moment.drafts] == ["draft"]


def test_the_orders_of_a_visit_and_day_are_signed_together_with_the_last():
    at = ("2024-06-01T09:10:00Z", "2024-06-01T09:20:00Z", "2024-06-02T09:00:00Z")
    named = {"encounter": {"reference": "Encounter/p-v"}}
    visit = encounter("p", "v", "2024-06-01T09:00:00Z")

    moments = recorded(visit, *(mri("p", n, text, **named) for n, text in enumerate(at))).judged

    signed = [(item.at.day, item.at.minute, len(item.drafts)) for item in moments if item.drafts]
    assert signed == [(1, 20, 2), (2, 0, 1)]
    assert {item.visit for item in moments} == {"Encounter/p-v"}


def test_an_order_without_an_encounter_belongs_to_the_visit_of_its_day():
    visit = encounter("p", "v", "2024-06-01T09:00:00Z")

    _, order = recorded(visit, mri("p", 1, "2024-06-01T10:00:00Z")).judged

    assert order.encounter == visit


def test_an_order_on_a_day_without_a_visit_is_a_visit_of_its_own():
    visit = encounter("p", "v", "2024-06-01T09:00:00Z")

    moments = recorded(visit, mri("p", 1, "2024-06-02T10:00:00Z")).judged

    assert len({item.visit for item in moments}) == 2


@pytest.mark.parametrize("status", ["planned", "cancelled", "entered-in-error"])
def test_an_encounter_that_did_not_take_place_is_not_judged(status):
    assert recorded(encounter("p", 1, "2024-06-01T09:00:00Z", status=status)).judged == ()


@pytest.mark.parametrize(
    "change", [{"status": "entered-in-error"}, {"intent": "plan"}, {"doNotPerform": True}]
)
def test_what_is_no_signed_order_is_not_judged(change):
    assert recorded(mri("p", 1, "2024-06-01T09:00:00Z", **change)).judged == ()


def test_only_days_of_the_period_count_with_its_first_and_its_last():
    days = ("2024-05-31", "2024-06-01", "2024-06-30", "2024-07-01")
    record = [encounter("p", day, f"{day}T12:00:00Z") for day in days]

    moments = recorded(*record, period=Period(date(2024, 6, 1), date(2024, 6, 30))).judged

    assert [str(item.at.date()) for item in moments] == ["2024-06-01", "2024-06-30"]


def test_encounters_and_orders_without_a_date_are_counted_and_not_judged():
    found = recorded(encounter("p", 1, None), mri("p", 2, None), mri("p", 3, "2024-06"))

    assert found.judged == ()
    assert found.undated == 3


def test_what_is_dated_to_the_day_is_judged_at_its_end():
    (moment,) = recorded(encounter("p", 1, "2024-06-01")).judged

    assert moment.at == datetime(2024, 6, 1, 23, 59, 59, tzinfo=UTC)


def test_one_visit_of_everybody_takes_the_encounter_that_is_under_way():
    over = encounter("p", "a", "2024-05-01", period={"start": "2024-05-01", "end": "2024-05-02"})
    now = encounter("p", "b", "2024-06-01T08:00:00Z", status="in-progress")

    (moment,) = visits.on([over, now], datetime(2024, 6, 1, 12, tzinfo=UTC), ZONE).judged

    assert moment.encounter == now
