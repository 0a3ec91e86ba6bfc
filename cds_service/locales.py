"""Numbers, dates, lists and plural categories as a language writes them; the only user of Babel.

Pure: the same arguments give the same text. Formats are those of Unicode CLDR.
"""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from babel import Locale, dates, lists, numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

LANGUAGES = ("en", "de", "nl", "nb")

_LOCALES = {"en": "en_GB"}
"""English for readers in Europe: the day before the month, the clock with 24 hours."""

_PARTIAL = {1: "y", 2: "yMMM"}
"""The CLDR skeleton of a date of which only the year, or year and month, are known."""


@lru_cache(maxsize=16)
def _locale(language: str) -> Locale:
    return Locale.parse(_LOCALES.get(language, language))


def number(value: int | Decimal, language: str) -> str:
    """A number with every recorded decimal, zeros at the end as well."""
    return _number(str(value), language)


@lru_cache(maxsize=4096)
def _number(written: str, language: str) -> str:
    """The same for its digits: equal numbers may have been recorded with other decimals."""
    value = Decimal(written)
    exponent = value.as_tuple().exponent
    digits = -exponent if isinstance(exponent, int) and exponent < 0 else 0
    pattern = "#,##0." + "0" * digits if digits else "#,##0"
    return str(numbers.format_decimal(value, format=pattern, locale=_locale(language)))


def day(parts: Sequence[int], language: str) -> str:
    """A date of which year, year and month, or all three are known, like `May 2024`."""
    return _day(tuple(parts), language)


@lru_cache(maxsize=4096)
def _day(parts: tuple[int, ...], language: str) -> str:
    year, month, day_of_month = (*parts, 1, 1)[:3]
    if year == 0:  # a date for FHIR, none for the calendar
        return "-".join(f"{part:02}" for part in parts)
    value = date(year, month, day_of_month)
    skeleton = _PARTIAL.get(len(parts))
    if skeleton:
        return str(dates.format_skeleton(skeleton, value, locale=_locale(language)))
    return str(dates.format_date(value, "medium", locale=_locale(language)))


def clock(hour: int, minute: int, language: str) -> str:
    """A time of day, to the minute."""
    return str(dates.format_time(time(hour, minute), "short", locale=_locale(language)))


def listing(items: Sequence[str], language: str) -> str:
    """The items as the end of a sentence: `a, b and c`."""
    if len(items) == 1:
        return items[0]
    return str(lists.format_list(items, style="standard", locale=_locale(language)))


def plural_category(value: Any, language: str) -> str:
    """`one`, `other`, …: the CLDR category of an int or Decimal in this language."""
    return str(_locale(language).plural_form(value))
