"""Which language a reader gets, and texts with their facts filled in.

Pure. Facts from the chart are escaped: nothing that a chart holds can become markup in a card.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from cds_service.engine.plan_definition import PLACEHOLDER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cds_service.engine.plan_definition import Text

DEFAULT_LANGUAGE = "en"
LANGUAGES = ("en", "de", "nl", "nb")
_ALIASES = {"no": "nb", "nn": "nb"}

NOT_KNOWN = "–"
"""What stands for a fact that is not there."""

_MARKUP = re.compile(r"[\\`*_{}\[\]()<>#+!|~&@]|(?<=:)/|(?<=www)\.", re.IGNORECASE)
_SPACES = re.compile(r"[\s\u0000-\u001f\u007f\u200b-\u200f\u2028-\u202e\u2066-\u2069]+")


def negotiate(accept_language: str | None) -> str:
    """The best of our languages for an `Accept-Language` header (RFC 9110 12.5.4), else English."""
    best, best_quality = DEFAULT_LANGUAGE, 0.0
    for part in (accept_language or "").split(","):
        tag, _, parameters = part.strip().partition(";")
        primary = tag.strip().lower().replace("_", "-").split("-", 1)[0]
        language = _ALIASES.get(primary, primary)
        quality = _quality(parameters)
        if language in LANGUAGES and quality > best_quality:
            best, best_quality = language, quality
    return best


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return min(max(float(value), 0.0), 1.0)
    except ValueError:
        return 0.0


def plain_text(text: Text, language: str, values: Mapping[str, Sequence[Any]]) -> str:
    """The text in this language with its facts, for a member that holds plain text."""
    return _filled(text.in_language(language), values, _one_line)


def markdown(text: Text, language: str, values: Mapping[str, Sequence[Any]]) -> str:
    """The text in this language with its facts escaped, for a member that holds markdown."""
    return _filled(text.in_language(language), values, escape)


def escape(value: str) -> str:
    """A fact as markdown that shows just its characters (GitHub-Flavored Markdown, CARD-28)."""
    return _MARKUP.sub(lambda match: "\\" + match[0], _one_line(value))


def _one_line(value: str) -> str:
    return _SPACES.sub(" ", value).strip()


def _filled(template: str, values: Mapping[str, Sequence[Any]], show: Any) -> str:
    def value_of(match: re.Match[str]) -> str:
        facts = values.get(match[1], ())
        return ", ".join(_shown(fact, show) for fact in facts) or NOT_KNOWN

    return PLACEHOLDER.sub(value_of, template)


def _shown(fact: Any, show: Any) -> str:
    """Dates and numbers are ours and safe; texts from the chart go through `show`."""
    return str(show(fact)) if isinstance(fact, str) else str(fact)
