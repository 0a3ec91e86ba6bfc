"""A text in a language, with its facts as that language writes them.

Numbers keep their recorded decimals, dates their recorded precision; several facts become a list.
What comes from the chart goes through `show`, which escapes it where that is needed.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cds_service import locales
from cds_service.fhirpath import Date, DateTime, Message, Quantity
from cds_service.messages import DEFAULT_LANGUAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cds_service.messages import Text

    Show = Callable[[str], str]

NOT_KNOWN = "–"
"""What stands for a fact that is not there."""

UNIT_SYMBOLS = {
    "1": "",
    "{score}": "",
    "Cel": "°C",
    "[degF]": "°F",
    "[lb_av]": "lb",
    "10*9/L": "10⁹/L",
    "umol/L": "µmol/L",
    "mL/min/{1.73_m2}": "mL/min/1.73 m²",
}
"""UCUM codes that nobody writes by hand, as readers know them. Source: UCUM, print symbols."""


def worded(text: Text, language: str, facts: Mapping[str, Sequence[Any]], show: Show = str) -> str:
    """The text in this language, or in English where it is not translated, with its facts."""
    language = text.language_for(language)
    pattern = text.pattern(language)
    if not pattern.names:
        return pattern.words

    def fact(name: str) -> str:
        shown = [shown_value(value, language, show) for value in facts.get(name, ())]
        return locales.listing(shown, language) or NOT_KNOWN

    def choose(name: str, branches: Sequence[str]) -> str:
        return _branch(facts.get(name, ()), branches, language)

    return pattern.render(fact, choose)


def _branch(values: Sequence[Any], branches: Sequence[str], language: str) -> str:
    """The branch of a plural for these values: `other` when they are not one number."""
    value = values[0] if len(values) == 1 else None
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return "other"
    if f"={value}" in branches:
        return f"={value}"
    category = locales.plural_category(value, language)
    return category if category in branches else "other"


def shown_value(value: Any, language: str, show: Show = str) -> str:
    """One fact as this language writes it."""
    if isinstance(value, str):
        return show(value)
    if isinstance(value, Message):
        return worded(value.text, language, value.facts, show)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | Decimal):
        return locales.number(value, language)
    if isinstance(value, Date | DateTime):
        return _moment(value, language)
    if isinstance(value, Quantity):
        return _with_unit(value.value, value.unit, language, show)
    if isinstance(value, dict):
        return _element(value, language, show)
    return show(str(value))


def _moment(value: Date | DateTime, language: str) -> str:
    day = locales.day(value.parts[:3], language)
    if len(value.parts) < 5:
        return day
    return f"{day} {locales.clock(value.parts[3], value.parts[4], language)}"


def _with_unit(number: Any, unit: Any, language: str, show: Show) -> str:
    shown = locales.number(number, language)
    symbol = UNIT_SYMBOLS.get(str(unit), str(unit)) if unit is not None else ""
    return f"{shown} {show(symbol)}" if symbol else shown


def _element(value: Mapping[str, Any], language: str, show: Show) -> str:
    """A Quantity with its unit; a coded element or resource by the name that the chart gives it."""
    number = value.get("value")
    if isinstance(number, int | Decimal):
        written = _with_unit(number, value.get("unit") or value.get("code"), language, show)
        return f"{show(str(value['comparator']))} {written}" if "comparator" in value else written
    return show(_name(value) or NOT_KNOWN)


def _name(value: Mapping[str, Any]) -> str | None:
    """What the chart calls it: text, else the display or code of its first coding."""
    concept = value.get("code") or value.get("medicationCodeableConcept")
    if isinstance(concept, dict):
        return _name(concept)
    codings = value.get("coding")
    first = codings[0] if isinstance(codings, list) and codings else value
    if not isinstance(first, dict):
        return None
    name = value.get("text") or first.get("display") or first.get("code")
    return name if isinstance(name, str) else None


def with_words(json: Any, language: str) -> Any:
    """FHIR JSON with each Message in it as its words in this language."""
    if isinstance(json, Message):
        return worded(json.text, language, json.facts)
    if isinstance(json, dict):
        return {key: with_words(value, language) for key, value in json.items()}
    if isinstance(json, list):
        return [with_words(value, language) for value in json]
    return json


def in_english(value: Any) -> str:
    """A fact for those who read no card: explanations and the Bundle of `$apply`."""
    return shown_value(value, DEFAULT_LANGUAGE)
