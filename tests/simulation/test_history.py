"""The chart as it stood: nothing of later, and what ended later has not ended."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from simulation.cohorts import about, condition, patient

from cds_service.simulation.history import as_of, chart_at, known_from, moment_of

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
ZONE = ZoneInfo("UTC")
JUNE = datetime(2024, 6, 1, 12, tzinfo=UTC)


def ids(chart):
    return [item["id"] for item in chart]


def test_what_is_recorded_after_the_moment_is_not_in_the_chart():
    record = [
        condition("p", "old", "1", recordedDate="2024-06-01T11:59:00Z"),
        condition("p", "new", "1", recordedDate="2024-06-01T12:01:00Z"),
    ]

    assert ids(chart_at(record, JUNE, ZONE, keeps_undated=True)) == ["p-old"]


def test_a_condition_that_began_before_it_was_recorded_is_known_from_its_recording():
    late = condition("p", "1", "1", onsetDateTime="2016-01-01", recordedDate="2024-06-02")

    assert chart_at([late], JUNE, ZONE, keeps_undated=True) == []


def test_a_result_is_known_when_it_is_issued_not_when_the_sample_was_taken():
    result = about(
        "p", "Observation", 1, effectiveDateTime="2024-05-30", issued="2024-06-03T08:00:00Z"
    )

    assert known_from(result, ZONE) == datetime(2024, 6, 3, 8, tzinfo=UTC)


def test_what_is_dated_to_the_day_is_known_all_of_that_day():
    today = condition("p", "1", "1", onsetDateTime="2024-06-01")

    assert ids(chart_at([today], JUNE, ZONE, keeps_undated=True)) == ["p-1"]


@pytest.mark.parametrize(
    ("text", "day"),
    [("2024", (2024, 12, 31)), ("2024-02", (2024, 2, 29)), ("2023-02", (2023, 2, 28))],
)
def test_a_month_or_year_is_surely_past_on_its_last_day(text, day):
    assert moment_of(text, ZONE) == datetime(*day, tzinfo=ZONE)


def test_a_day_begins_at_midnight_in_the_zone_of_the_site():
    began = moment_of("2024-06-01", AMSTERDAM)

    assert began.astimezone(UTC) == datetime(2024, 5, 31, 22, tzinfo=UTC)


@pytest.mark.parametrize("text", [None, "", "soon", "2024-13-01", "2024-06-01Tnoon", 2024])
def test_what_is_no_date_is_none(text):
    assert moment_of(text, ZONE) is None


@pytest.mark.parametrize(("keeps", "found"), [(True, ["p-1"]), (False, [])])
def test_data_without_a_date_are_kept_or_dropped_as_asked(keeps, found):
    assert ids(chart_at([condition("p", 1, "1")], JUNE, ZONE, keeps_undated=keeps)) == found


def test_a_patient_is_in_every_chart():
    assert ids(chart_at([patient("p")], JUNE, ZONE, keeps_undated=False)) == ["p"]


def test_a_condition_that_ended_later_is_still_active():
    resolved = {"coding": [{"code": "resolved"}]}
    later = condition("p", 1, "1", abatementDateTime="2024-07-01") | {"clinicalStatus": resolved}

    then = as_of(later, JUNE, ZONE)

    assert "abatementDateTime" not in then
    assert then["clinicalStatus"]["coding"][0]["code"] == "active"


def test_a_condition_that_ended_before_stays_as_it_is():
    ended = condition("p", 1, "1", abatementDateTime="2024-05-01")

    assert as_of(ended, JUNE, ZONE) is ended


def test_an_encounter_that_ended_later_is_in_progress():
    visit = about(
        "p", "Encounter", 1, status="finished", period={"start": "2024-06-01", "end": "2024-06-03"}
    )

    assert as_of(visit, JUNE, ZONE) == {
        **visit, "status": "in-progress", "period": {"start": "2024-06-01"},
    }  # fmt: skip


def test_a_patient_who_died_later_is_alive():
    assert as_of(patient("p", deceasedDateTime="2025-01-01"), JUNE, ZONE) == patient("p")
