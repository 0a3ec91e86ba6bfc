"""Which language a reader gets, and texts with their facts filled in.

Pure. Facts from the chart are escaped: nothing that a chart holds can become markup in a card.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from cds_service.engine.wording import worded
from cds_service.fhirpath import Message
from cds_service.locales import LANGUAGES
from cds_service.messages import DEFAULT_LANGUAGE, Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cds_service.engine.outcome import ActionOutcome

__all__ = [
    "DEFAULT_LANGUAGE", "LANGUAGES", "escape", "markdown", "negotiate", "plain_text", "said",
    "sentence", "untranslated",
]  # fmt: skip

_ALIASES = {"no": "nb", "nn": "nb"}
_COMPUTED = Text("{text}", {})

_MARKUP = re.compile(r"[\\`*_{}\[\]()<>#+!|~&@]|(?<=:)/|(?<=www)\.", re.IGNORECASE)
_SPACES = re.compile(r"[\s\u0000-\u001f\u007f-\u009f\u2028\u2029]+")
_WITHOUT_SHAPE = re.compile(  # zero-width signs, bidi controls, annotations, tags: Unicode's Cf
    r"[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\U000e0000-\U000e007f]"
)


def negotiate(accept_language: str | None, *, otherwise: str = DEFAULT_LANGUAGE) -> str:
    """The best of our languages for an `Accept-Language` header (RFC 9110 12.5.4).

    Without a header it is `otherwise`; with one that names none of ours it is English.
    """
    if not (accept_language or "").strip():
        return otherwise
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


def said(
    outcome: ActionOutcome, member: Literal["title", "description"]
) -> tuple[Text | None, Mapping[str, Sequence[Any]]]:
    """This text of an action with its facts; one set by a dynamic value is a fact as a whole."""
    computed = outcome.changes.get(member)
    if isinstance(computed, Message):
        return computed.text, computed.facts
    if computed is not None:
        return _COMPUTED, {"text": [computed]}
    action = outcome.action
    return (action.title if member == "title" else action.description), outcome.values


def sentence(outcome: ActionOutcome) -> tuple[Text | None, Mapping[str, Sequence[Any]]]:
    """What an action says in one text, with its facts: its description, else its title."""
    described = said(outcome, "description")
    return said(outcome, "title") if described[0] is None else described


def plain_text(text: Text, language: str, values: Mapping[str, Sequence[Any]]) -> str:
    """The text in this language with its facts, for a member that holds plain text."""
    return worded(text, language, values, _one_line)


def markdown(text: Text, language: str, values: Mapping[str, Sequence[Any]]) -> str:
    """The text in this language with its facts escaped, for a member that holds markdown."""
    return worded(text, language, values, escape)


def untranslated(outcome: ActionOutcome, language: str) -> int:
    """How many texts that an action shows, its lines and suggestions included, are in English."""
    if language == DEFAULT_LANGUAGE:
        return 0
    texts = [text for item in _shown(outcome) for text in _texts(item)]
    return sum(language not in text.translations for text in texts)


def _shown(outcome: ActionOutcome) -> Iterator[ActionOutcome]:
    yield outcome
    for child in outcome.fired:
        yield from _shown(child)


def _texts(outcome: ActionOutcome) -> Iterator[Text]:
    action = outcome.action
    yield from (text for text in (action.title, action.description) if text is not None)
    for values in outcome.values.values():
        yield from (value.text for value in values if isinstance(value, Message))


def escape(value: str) -> str:
    """A fact as markdown that shows just its characters (GitHub-Flavored Markdown, CARD-28)."""
    return _MARKUP.sub(lambda match: "\\" + match[0], _one_line(value))


def _one_line(value: str) -> str:
    return _SPACES.sub(" ", _WITHOUT_SHAPE.sub("", value)).strip()
