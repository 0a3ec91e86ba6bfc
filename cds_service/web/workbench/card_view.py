"""Cards as a page shows them: details from markdown to safe HTML, suggestions with what they do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markdown_it import MarkdownIt
from markupsafe import Markup

from cds_service.hooks.cards import EXTENSION, INDICATORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


@dataclass(frozen=True, slots=True)
class CardView:
    """One card: its JSON, the safe HTML of its detail, and the rules that speak through it."""

    json: Mapping[str, Any]
    detail: Markup
    rules: tuple[str, ...]

    @property
    def indicator(self) -> str:
        """`critical`, `warning` or `info`; anything else is shown as information."""
        indicator = str(self.json.get("indicator"))
        return indicator if indicator in INDICATORS else "info"


def views(cards: Iterable[Mapping[str, Any]]) -> list[CardView]:
    """The cards of one answer, in its order."""
    return [CardView(card, rendered(str(card.get("detail", ""))), _rules(card)) for card in cards]


def rendered(markdown: str) -> Markup:
    """Markdown as HTML that holds no markup of the text's own: HTML in it is shown as it stands."""
    return Markup(_MARKDOWN.render(markdown))  # noqa: S704 - raw HTML is off, so it is escaped


def _rules(card: Mapping[str, Any]) -> tuple[str, ...]:
    extension = card.get("extension", {}).get(EXTENSION, {})
    return tuple(str(rule) for rule in extension.get("rules", ()))
