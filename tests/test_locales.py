"""Numbers, dates, lists and plural categories in the four languages (Unicode CLDR)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cds_service import locales


@pytest.mark.parametrize(
    ("language", "decimal", "thousands"),
    [("en", "38.60", "1,234"), ("de", "38,60", "1.234"), ("nl", "38,60", "1.234")],
)
def test_numbers_have_the_marks_of_the_language_and_keep_their_decimals(
    language, decimal, thousands
):
    assert locales.number(Decimal("38.60"), language) == decimal
    assert locales.number(1234, language) == thousands


def test_norwegian_numbers_have_a_decimal_comma_and_a_space_that_does_not_break():
    assert locales.number(Decimal("38.60"), "nb") == "38,60"
    assert locales.number(1234, "nb").split() == ["1", "234"]
    assert " " not in locales.number(1234, "nb")


@pytest.mark.parametrize(
    ("language", "day", "month"),
    [
        ("en", "8 May 2024", "May 2024"),
        ("de", "08.05.2024", "Mai 2024"),
        ("nl", "8 mei 2024", "mei 2024"),
        ("nb", "8. mai 2024", "mai 2024"),
    ],
)
def test_dates_are_as_precise_as_they_were_recorded(language, day, month):
    assert locales.day((2024, 5, 8), language) == day
    assert locales.day((2024, 5), language) == month
    assert locales.day((2024,), language) == "2024"


def test_a_year_that_no_calendar_has_is_shown_as_recorded():
    assert locales.day((0, 5, 8), "de") == "00-05-08"


@pytest.mark.parametrize(
    ("language", "joined"),
    [("en", "a, b and c"), ("de", "a, b und c"), ("nl", "a, b en c"), ("nb", "a, b og c")],
)
def test_several_are_joined_as_the_language_joins_them(language, joined):
    assert locales.listing(["a", "b", "c"], language) == joined


@pytest.mark.parametrize("language", locales.LANGUAGES)
def test_one_is_singular_and_none_and_two_are_plural(language):
    categories = [locales.plural_category(number, language) for number in (0, 1, 2)]

    assert categories == ["other", "one", "other"]
