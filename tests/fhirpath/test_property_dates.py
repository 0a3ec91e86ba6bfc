"""Date arithmetic against dateutil and calendar: leap days, month ends, partial dates."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from dateutil.relativedelta import relativedelta
from fhirpath_answers import answer, bounded, text
from hypothesis import example, given
from hypothesis import strategies as st

from cds_service.fhirpath.quantity import literal_quantity

if TYPE_CHECKING:
    from cds_service.fhirpath import Quantity

DAYS = st.dates(min_value=date(1900, 1, 1), max_value=date(2100, 12, 31))
COUNTS = st.integers(-500, 500)
LEAP, MONTH_END = date(2024, 2, 29), date(2024, 1, 31)


@bounded
@given(day=DAYS, count=COUNTS)
@example(day=LEAP, count=1)
@example(day=LEAP, count=-4)
@example(day=LEAP, count=4)
@pytest.mark.requirement("A10")
def test_adding_years_ends_in_the_same_month_on_the_same_or_the_last_day(day, count) -> None:
    assert text(f"@{day} + {count % 90} years") == str(day + relativedelta(years=count % 90))


@bounded
@given(day=DAYS, count=COUNTS)
@example(day=MONTH_END, count=1)
@example(day=MONTH_END, count=13)
@example(day=date(2023, 3, 31), count=-1)
def test_adding_months_stays_on_the_day_or_on_the_last_of_a_shorter_month(day, count) -> None:
    assert text(f"@{day} + %n", n=quantity(count, "months")) == str(
        day + relativedelta(months=count)
    )


@bounded
@given(day=DAYS, count=COUNTS)
@example(day=date(2024, 2, 28), count=1)
@example(day=date(1900, 2, 28), count=1)
@example(day=date(2000, 2, 28), count=1)
def test_adding_days_and_weeks_counts_calendar_days(day, count) -> None:
    assert text(f"@{day} + %n", n=quantity(count, "days")) == str(day + timedelta(days=count))
    assert text(f"@{day} + %n", n=quantity(count, "weeks")) == str(day + timedelta(weeks=count))


@bounded
@given(day=DAYS, count=st.integers(0, 500))
def test_taking_away_is_adding_the_negative(day, count) -> None:
    for unit in ("years", "months", "weeks", "days"):
        number = count % 90 if unit == "years" else count
        expected = day - relativedelta(**{unit: number})
        assert text(f"@{day} - {number} {unit}") == str(expected)


@bounded
@given(day=DAYS, count=st.integers(0, 60))
def test_a_number_of_days_taken_away_and_added_again_changes_nothing(day, count) -> None:
    assert answer(f"@{day} - {count} days + {count} days = @{day}") == [True]


@bounded
@given(year=st.integers(1900, 2100), count=st.integers(0, 800))
def test_a_year_moves_by_whole_years_and_stays_a_year(year, count) -> None:
    assert text(f"@{year} + {count % 100} years") == str(year + count % 100)
    assert text(f"@{year} + {count} months") == str(year + count // 12)
    assert text(f"@{year} + {count} days") == str(year + count // 365)


@bounded
@given(day=DAYS, count=st.integers(0, 800))
def test_a_month_moves_by_whole_months_and_stays_a_month(day, count) -> None:
    month = day.replace(day=1)
    assert (
        text(f"@{month:%Y-%m} + {count} months") == f"{month + relativedelta(months=count):%Y-%m}"
    )
    moved = month + relativedelta(months=count // 30)
    assert text(f"@{month:%Y-%m} + {count} days") == f"{moved:%Y-%m}"


@bounded
@given(
    moment=st.integers(0, 4_000_000_000),
    count=st.integers(0, 10_000),
)
def test_hours_minutes_and_seconds_run_over_midnight_and_month_ends(moment, count) -> None:
    moment = datetime.fromtimestamp(moment, UTC).replace(tzinfo=None)
    for unit in ("hours", "minutes", "seconds"):
        expected = (moment + timedelta(**{unit: count})).isoformat()
        assert text(f"@{moment.isoformat()} + {count} {unit}") == expected


@bounded
@given(day=DAYS)
@example(day=LEAP)
@example(day=date(1900, 2, 1))
def test_the_boundaries_of_a_partial_date_are_its_first_and_last_day(day) -> None:
    last = calendar.monthrange(day.year, day.month)[1]
    assert text(f"@{day:%Y-%m}.lowBoundary()") == f"{day:%Y-%m}-01"
    assert text(f"@{day:%Y-%m}.highBoundary()") == f"{day:%Y-%m}-{last}"
    assert text(f"@{day.year}.lowBoundary()") == f"{day.year}-01-01"
    assert text(f"@{day.year}.highBoundary()") == f"{day.year}-12-31"
    assert text(f"@{day}.lowBoundary() | @{day}.highBoundary()") == str(day)


@bounded
@given(one=DAYS, other=DAYS)
def test_full_dates_are_ordered_as_in_the_calendar(one, other) -> None:
    assert answer(f"@{one} < @{other}") == [one < other]
    assert answer(f"@{one} >= @{other}") == [one >= other]
    assert answer(f"@{one} = @{other}") == [one == other]


@bounded
@given(day=DAYS, other=DAYS)
@example(day=date(2024, 2, 1), other=date(2024, 2, 15))
def test_a_partial_date_is_before_another_only_when_every_day_of_it_is(day, other) -> None:
    last = day.replace(day=calendar.monthrange(day.year, day.month)[1])
    expected = [True] if last < other else [False] if day.replace(day=1) > other else []
    assert answer(f"@{day:%Y-%m} < @{other}") == expected


@bounded
@given(one=DAYS, other=DAYS)
@example(one=LEAP, other=date(2025, 2, 28))
@example(one=date(2000, 2, 29), other=LEAP)
def test_the_difference_in_days_is_that_of_the_calendar(one, other) -> None:
    assert answer(f"@{one}.difference(@{other}, 'days')") == [(other - one).days]


@bounded
@given(one=DAYS, other=DAYS)
@example(one=date(2000, 5, 2), other=date(2024, 5, 1))
@pytest.mark.requirement("A10")
def test_the_duration_in_years_is_an_age_in_whole_years(one, other) -> None:
    one, other = sorted([one, other])
    had_birthday = (other.month, other.day) >= (one.month, one.day)
    expected = other.year - one.year - (not had_birthday)
    assert answer(f"@{one}.duration(@{other}, 'years')") == [expected]


def quantity(count: int, unit: str) -> Quantity:
    """A duration that may be negative, which a literal cannot be."""
    return literal_quantity(Decimal(count), unit)
