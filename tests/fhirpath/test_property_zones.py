"""The day and the hour at changes of daylight saving time, in three zones, against zoneinfo."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from fhirpath_answers import answer, bounded, text
from hypothesis import given
from hypothesis import strategies as st

ZONES = {name: ZoneInfo(name) for name in ("America/New_York", "Europe/Amsterdam", "UTC")}
CHANGES = {
    "America/New_York": [
        datetime(2024, 3, 10, 7, tzinfo=UTC),
        datetime(2024, 11, 3, 6, tzinfo=UTC),
    ],
    "Europe/Amsterdam": [
        datetime(2024, 3, 31, 1, tzinfo=UTC),
        datetime(2024, 10, 27, 1, tzinfo=UTC),
    ],
    "UTC": [datetime(2024, 3, 31, 1, tzinfo=UTC)],
}
"""The instants at which the clocks of 2024 are changed."""

AROUND = st.tuples(st.sampled_from(sorted(ZONES)), st.integers(0, 1), st.integers(-2000, 2000))


def moment(around: tuple[str, int, int]) -> datetime:
    """Up to a day and a half before or after a change, in local time."""
    name, which, minutes = around
    changes = CHANGES[name]
    instant = changes[which % len(changes)] + timedelta(minutes=minutes)
    return instant.astimezone(ZONES[name])


@bounded
@given(around=AROUND)
@pytest.mark.requirement("A10")
def test_today_is_the_day_on_the_local_calendar(around) -> None:
    now = moment(around)
    assert text("today()", now=now) == now.date().isoformat()


@bounded
@given(around=AROUND)
def test_now_is_the_instant_with_the_offset_that_is_in_force(around) -> None:
    now = moment(around)
    found = text("now()", now=now)
    assert datetime.fromisoformat(found).timestamp() == now.timestamp()
    assert datetime.fromisoformat(found).utcoffset() == now.utcoffset()
    assert text("timeOfDay()", now=now) == now.time().isoformat("milliseconds")


@bounded
@given(around=AROUND, hours=st.integers(-40, 40))
def test_the_local_day_of_an_instant_in_utc_is_that_of_the_zone_at_that_instant(
    around, hours
) -> None:
    now = moment(around)
    instant = now.astimezone(UTC) + timedelta(hours=hours)
    expected = instant.astimezone(now.tzinfo).date().isoformat()
    assert text(f"@{instant:%Y-%m-%dT%H:%M:%S}Z.localDate()", now=now) == expected


@bounded
@given(around=AROUND)
@pytest.mark.requirement("A10")
def test_yesterday_is_the_day_before_although_it_had_23_or_25_hours(around) -> None:
    now = moment(around)
    assert text("today() - 1 day", now=now) == (now.date() - timedelta(days=1)).isoformat()


@bounded
@given(around=AROUND, minutes=st.integers(1, 3000))
def test_instants_written_in_two_offsets_keep_their_order(around, minutes) -> None:
    now = moment(around)
    later = (now.astimezone(UTC) + timedelta(minutes=minutes)).astimezone(now.tzinfo)
    first, second = (f"@{item:%Y-%m-%dT%H:%M:%S}{offset(item)}" for item in (now, later))
    assert answer(f"{first} < {second}") == [True]
    assert answer(f"{second} > {first}") == [True]
    assert answer(f"{first} = {second}") == [False]


@bounded
@given(around=AROUND)
def test_the_same_instant_is_equal_in_every_zone(around) -> None:
    now = moment(around)
    texts = [
        f"@{item:%Y-%m-%dT%H:%M:%S}{offset(item)}"
        for item in (now.astimezone(zone) for zone in ZONES.values())
    ]
    for other in texts[1:]:
        assert answer(f"{texts[0]} = {other}") == [True]


@pytest.mark.parametrize("name", sorted(ZONES))
def test_a_date_keeps_its_day_in_every_zone(name) -> None:
    now = datetime(2024, 3, 31, 1, 30, tzinfo=ZONES[name])
    assert text("@2024-03-30.localDate() | @2024-03.localDate() | @2024.localDate()", now=now) == (
        "2024-03-30, 2024-03, 2024"
    )


def offset(item: datetime) -> str:
    written = item.strftime("%z")
    return f"{written[:3]}:{written[3:]}"
