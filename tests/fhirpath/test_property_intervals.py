"""How long the back pain has lasted, and ages: the definitions of the Library against date objects.

An onset that is a year, a month, a day, a period or an age is an interval of days. The oracle
below knows nothing of FHIRPath.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from dateutil.relativedelta import relativedelta
from fhirpath_answers import bounded
from hypothesis import assume, example, given
from hypothesis import strategies as st

from cds_service.data import plan_library
from cds_service.engine.scope import REQUEST_TYPES, definitions_in, requirements_in
from cds_service.engine.source import Problems
from cds_service.fhirpath import Evaluation, Library, Truth, truth

PLANS = Path(__file__).parents[2] / "plan_definitions"
TODAY = date(2024, 6, 1)
SNOMED = "http://snomed.info/sct"
BACK_PAIN = {"coding": [{"system": SNOMED, "code": "279039007"}]}
BIRTH = date(1960, 2, 29)


@cache
def library() -> Library:
    """The definitions as they are shipped."""
    content = plan_library.load(PLANS).content
    definitions, types, problems = {}, dict(REQUEST_TYPES), Problems()
    for source in content.sources:
        if source.resource["resourceType"] == "Library":
            written = definitions_in(source.root, problems)
            definitions |= {item.definition.name: item.definition for item in written}
            needed = requirements_in([source.root], "dataRequirement", problems)
            types |= {name: item.resource_type for name, item in needed.items()}
    return Library(definitions, types, content.value_sets, root_type="Patient")


@dataclass(frozen=True)
class Interval:
    """The first and the last day that something can mean."""

    first: date
    last: date


def month_of(year: int, month: int) -> Interval:
    last = calendar.monthrange(year, month)[1]
    return Interval(date(year, month, 1), date(year, month, last))


def meaning(text: str) -> Interval:
    """The days that a date or partial date can mean."""
    parts = [int(part) for part in text.split("-")]
    if len(parts) == 1:
        return Interval(date(parts[0], 1, 1), date(parts[0], 12, 31))
    if len(parts) == 2:
        return month_of(*parts)
    return Interval(date(*parts), date(*parts))


@dataclass(frozen=True)
class Lasted:
    """At least and at most so many days."""

    least: int
    most: int


def lasted(onsets: list[Interval], today: date) -> Lasted:
    """Since the earliest onset that has come; those of the last five years before older ones."""
    come = [item for item in onsets if item.first <= today]
    recent = [item for item in come if item.last >= today - relativedelta(years=5)]
    chosen = recent or come
    last = min(min(item.last, today) for item in chosen)
    return Lasted((today - last).days, (today - min(item.first for item in chosen)).days)


def condition(onset: dict[str, Any]) -> dict[str, Any]:
    active = {"coding": [{"code": "active"}]}
    return {"resourceType": "Condition", "code": BACK_PAIN, "clinicalStatus": active, **onset}


def asked(expression: str, *onsets: dict[str, Any], birth: str = str(BIRTH), today: date = TODAY):
    patient = {"resourceType": "Patient", "birthDate": birth}
    names = set(library().types) - {"patient", "conditions"}
    variables: dict[str, Any] = {name: [] for name in names}
    variables |= {"patient": [patient], "conditions": [condition(onset) for onset in onsets]}
    now = datetime(today.year, today.month, today.day, 12, tzinfo=UTC)
    evaluation = Evaluation(variables=variables, now=now, resource=patient)
    return library().compile(expression, root_type="Patient").evaluate(evaluation, [patient])


DAYS = st.dates(min_value=date(2012, 1, 1), max_value=TODAY + timedelta(days=200))
TEXTS = st.tuples(DAYS, st.sampled_from(["%Y", "%Y-%m", "%Y-%m-%d"])).map(
    lambda found: found[0].strftime(found[1])
)
ONSETS = st.lists(TEXTS, min_size=1, max_size=3)
TODAYS = st.sampled_from([TODAY, date(2024, 2, 29), date(2024, 3, 1), date(2023, 12, 31)])


def onsets_of(texts: list[str]) -> list[dict[str, Any]]:
    return [{"onsetDateTime": text} for text in texts]


@bounded
@given(texts=ONSETS, today=TODAYS)
@example(texts=["2024-02"], today=date(2024, 2, 29))
@example(texts=["2024"], today=TODAY)
@example(texts=["2018", "2024-05-31"], today=TODAY)
@example(texts=["2019-06"], today=TODAY)
def test_dmin_and_dmax_are_the_days_from_the_last_and_the_first_day_of_onset(texts, today) -> None:
    intervals = [meaning(text) for text in texts]
    assume(any(item.first <= today for item in intervals))
    expected = lasted(intervals, today)
    assert asked("%dmin", *onsets_of(texts), today=today) == [expected.least]
    assert asked("%dmax", *onsets_of(texts), today=today) == [expected.most]


@bounded
@given(texts=ONSETS, days=st.integers(0, 400))
@example(texts=["2024-05"], days=1)
@example(texts=["2024-05"], days=31)
@example(texts=["2024-05"], days=32)
def test_ge_is_true_or_false_only_where_every_possible_onset_says_so(texts, days) -> None:
    intervals = [meaning(text) for text in texts]
    assume(any(item.first <= TODAY for item in intervals))
    found = lasted(intervals, TODAY)
    expected = (
        Truth.TRUE if found.least >= days else Truth.FALSE if found.most < days else Truth.EMPTY
    )
    assert truth(asked(f"ge({days})", *onsets_of(texts))) is expected


@bounded
@given(day=DAYS.filter(lambda day: day <= TODAY), text=st.sampled_from(["%Y", "%Y-%m"]))
def test_a_partial_onset_never_contradicts_the_full_one(day, text) -> None:
    for days in (1, 29, 42, 85):
        full = truth(asked(f"ge({days})", {"onsetDateTime": str(day)}))
        partial = truth(asked(f"ge({days})", {"onsetDateTime": day.strftime(text)}))
        assert partial in {full, Truth.EMPTY}


@bounded
@given(start=TEXTS, end=TEXTS)
def test_a_period_counts_from_its_start(start, end) -> None:
    onset = {"onsetPeriod": {"start": start, "end": end}}
    interval = meaning(start)
    assume(interval.first <= TODAY)
    expected = lasted([interval], TODAY)
    assert asked("%dmin", onset) == [expected.least]
    assert asked("%dmax", onset) == [expected.most]


@bounded
@given(years=st.integers(20, 64), birth=st.sampled_from(["1960", "1960-02", "1960-02-29"]))
def test_an_onset_given_as_an_age_is_any_day_of_that_year_of_life(years, birth) -> None:
    onset = {
        "onsetAge": {"value": years, "system": "http://unitsofmeasure.org", "code": "a"},
    }
    born = meaning(birth)
    interval = Interval(
        born.first + relativedelta(years=years),
        born.last + relativedelta(years=years) + relativedelta(years=1) - timedelta(days=1),
    )
    assume(interval.first <= TODAY)
    expected = lasted([interval], TODAY)
    assert asked("%dmin", onset, birth=birth) == [expected.least]
    assert asked("%dmax", onset, birth=birth) == [expected.most]


@bounded
@given(texts=ONSETS)
def test_weeks_are_the_whole_weeks_of_the_shortest_duration(texts) -> None:
    intervals = [meaning(text) for text in texts]
    assume(any(item.first <= TODAY for item in intervals))
    assert asked("%w", *onsets_of(texts)) == [lasted(intervals, TODAY).least // 7]


@bounded
@given(days=st.integers(1, 200))
def test_an_onset_to_come_is_not_used_and_is_reported(days) -> None:
    onset = {"onsetDateTime": str(TODAY + timedelta(days=days))}
    assert asked("%onsetLatest", onset) == []
    assert asked("%hasFutureOnset", onset) == [True]


@bounded
@given(
    birth=st.dates(min_value=date(1920, 1, 1), max_value=TODAY),
    written=st.sampled_from(["%Y", "%Y-%m", "%Y-%m-%d"]),
    years=st.sampled_from([18, 45, 50, 60]),
    today=TODAYS,
)
@example(birth=date(2006, 6, 1), written="%Y-%m-%d", years=18, today=TODAY)
@example(birth=date(2006, 6, 2), written="%Y-%m-%d", years=18, today=TODAY)
@example(birth=date(2006, 6, 2), written="%Y-%m", years=18, today=TODAY)
def test_an_age_is_reached_only_where_every_possible_birthday_says_so(
    birth, written, years, today
) -> None:
    born = meaning(birth.strftime(written))
    limit = today - relativedelta(years=years)
    expected = (
        Truth.TRUE if born.last <= limit else Truth.FALSE if born.first > limit else Truth.EMPTY
    )
    found = asked(f"ageAtLeast({years} years)", birth=birth.strftime(written), today=today)
    assert truth(found) is expected


@bounded
@given(text=TEXTS)
def test_the_first_and_last_day_of_a_date_are_those_of_the_calendar(text) -> None:
    onset = {"onsetDateTime": text}
    days = asked("%conditions.onset.select(firstDay($this) | lastDay($this))", onset)
    interval = meaning(text)
    assert [str(day) for day in days] == [str(interval.first), str(interval.last)][: len(days)]
    assert len(days) == (1 if interval.first == interval.last else 2)
