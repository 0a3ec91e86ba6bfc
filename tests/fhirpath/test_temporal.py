"""Dates and times: only what was written, compared by precision, moved in their own precision."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from cds_service.errors import EvaluationError
from cds_service.fhirpath import Evaluation, plain
from cds_service.fhirpath import compile as compile_expression

NOW = datetime(2024, 6, 1, 0, 30, 15, 250_000, tzinfo=ZoneInfo("Europe/Amsterdam"))


def evaluated(expression: str, **elements: object) -> list[object]:
    resource = {"resourceType": "Condition", **elements}
    return plain(
        compile_expression(expression).evaluate(
            Evaluation(variables={}, now=NOW, resource=resource), [resource]
        )
    )


def text(expression: str, **elements: object) -> str:
    return ", ".join(str(value) for value in evaluated(expression, **elements))


@pytest.mark.parametrize(
    "literal",
    ["2014", "2014-01", "2014-01-05", "2014-01-05T10", "2014-01-05T10:30",
     "2014-01-05T10:30:00", "2014-01-05T10:30:00.120", "2014-01-05T10:30:00Z",
     "2014-01-05T10:30:00.1234567+02:00", "2014-01-05T10:30:00-03:30"],
)  # fmt: skip
def test_a_literal_reads_back_as_it_was_written(literal) -> None:
    assert text(f"@{literal}") == literal


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("@2024-01 < @2024-02-01", [True]),
        ("@2024-01 < @2024-01-15", []),
        ("@2024 = @2024-01", []),
        ("@2024-01-15 = @2024-01-15T10:00", []),
        ("@2024-01-15T12:00+02:00 = @2024-01-15T10:00Z", [True]),
        ("@2024-01-15T23:30-05:00 > @2024-01-16T01:00Z", [True]),
        ("@2024-01-15T10:00Z < @2024-01-15T12:00", []),
        ("@2024-01-15T10:00Z < @2024-01-19T12:00", [True]),
        ("@2024-01-15T10:00:00 = @2024-01-15T10:00:00.000", [True]),
        ("@2024-01-15 = @T10:00", [False]),
        ("@2024-01-15 ~ @2024-01", [False]),
    ],
)
def test_comparison_answers_only_what_the_precision_supports(expression, answer) -> None:
    assert evaluated(expression) == answer


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("@2024-01-31 + 1 month", "2024-02-29"),
        ("@2023-01-31 + 1 month", "2023-02-28"),
        ("@2024-02-29 + 1 year", "2025-02-28"),
        ("@2024-02-29 - 1 year", "2023-02-28"),
        ("@2024-03-01 - 6 weeks", "2024-01-19"),
        ("@2024-03-01 - 1 'd'", "2024-02-29"),
        ("@2024 + 18 months", "2025"),
        ("@2024-05 + 31 days", "2024-06"),
        ("@2024-05-01 + 36 hours", "2024-05-02"),
        ("@2024-05-01T23:30 + 45 minutes", "2024-05-02T00:15"),
        ("@2024-05-01T23:30:00+02:00 + 1.5 seconds", "2024-05-01T23:30:01.500+02:00"),
        ("@T23:30 + 1 hour", "00:30"),
        ("@9999-12-31 + 1 day", ""),
        ("@0001-01-01 - 1 year", ""),
    ],
)
def test_arithmetic_keeps_the_precision_and_the_calendar(expression, answer) -> None:
    assert text(expression) == answer


@pytest.mark.parametrize(
    "expression", ["@2024-01-01 + 1 'mo'", "@2024-01-01 - 1 'cm'", "@T10:00 + 1 day", "@2024 + 1"]
)
def test_what_cannot_be_added_to_a_date_is_an_error(expression) -> None:
    with pytest.raises(EvaluationError):
        evaluated(expression)


def test_now_today_and_time_of_day_agree() -> None:
    assert text("now()") == "2024-06-01T00:30:15.250+02:00"
    assert text("today()") == "2024-06-01"
    assert text("timeOfDay()") == "00:30:15.250"


@pytest.mark.parametrize("expression", ["now()", "today()", "timeOfDay()"])
def test_without_a_clock_the_clock_functions_are_an_error(expression) -> None:
    with pytest.raises(EvaluationError, match="none was given"):
        compile_expression(expression)({"resourceType": "Patient"})


@pytest.mark.parametrize(
    ("recorded", "day"),
    [
        ("2024-05-31T22:30:00Z", "2024-06-01"),
        ("2024-05-31T23:30:00-02:00", "2024-06-01"),
        ("2024-05-31T23:30:00+02:00", "2024-05-31"),
        ("2024-05-31", "2024-05-31"),
        ("2024-05", "2024-05"),
        ("2024", "2024"),
    ],
)
def test_local_date_is_the_day_where_the_evaluation_takes_place(recorded, day) -> None:
    assert text("recordedDate.localDate()", recordedDate=recorded) == day
    assert evaluated("recordedDate.localDate() is Date", recordedDate=recorded) == [True]


def test_local_date_of_nothing_is_empty_and_of_a_string_an_error() -> None:
    assert evaluated("recordedDate.localDate()") == []
    with pytest.raises(EvaluationError, match="a date or dateTime"):
        evaluated("'2024'.localDate()")


def test_data_that_is_not_a_date_is_an_error_not_empty() -> None:
    with pytest.raises(EvaluationError, match="'2024-13-01' is not a valid dateTime"):
        evaluated("recordedDate > @2024", recordedDate="2024-13-01")


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("@2000-02-29.duration(@2024-02-28, 'years')", [23]),
        ("@2000-02-29.duration(@2024-02-29, 'years')", [24]),
        ("@2000-02-29.difference(@2024-01-01, 'years')", [24]),
        ("@2024-01-31.duration(@2024-02-29, 'months')", [0]),
        ("@2024-01-31.difference(@2024-02-01, 'months')", [1]),
        ("@2024-01-01.duration(@2024-01-15, 'weeks')", [2]),
        ("@2024-01-01.duration(@2024-03-01, 'days')", [60]),
        ("@2024-03-01.duration(@2024-01-01, 'days')", [-60]),
        ("@2024-01-01T10:00Z.duration(@2024-01-01T13:30+02:00, 'hours')", [1]),
        ("@2024-01.duration(@2024-03-01, 'days')", []),
        ("@2024-01.difference(@2024-03-01, 'months')", [2]),
    ],
)
def test_duration_counts_whole_periods_and_difference_boundaries(expression, answer) -> None:
    assert evaluated(expression) == answer


def test_the_moment_may_be_in_utc() -> None:
    program = compile_expression("now()")
    moment = datetime(2024, 1, 1, tzinfo=UTC)
    assert str(program({}, now=moment)[0]) == "2024-01-01T00:00:00.000Z"
