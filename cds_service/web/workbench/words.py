"""The workbench's own words in the languages of the cards, and which of them a reader gets.

`words.json` holds one object per word or sentence, by key, with a text for each language.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from cds_service import fhir_json
from cds_service.hooks.languages import DEFAULT_LANGUAGE, LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES = {"en": "English", "de": "Deutsch", "nl": "Nederlands", "nb": "Norsk bokmål"}
"""What each language calls itself."""


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language; called with a key and the facts that its sentence names."""

    language: str

    def __call__(self, key: str, **facts: object) -> str:
        """The text of `key`; a KeyError for one that is not in the catalogue is a bug of ours."""
        texts = catalogue()[key]
        return texts.get(self.language, texts[DEFAULT_LANGUAGE]).format(**facts)

    def starting_with(self, prefix: str) -> dict[str, str]:
        """The texts whose key starts with `prefix`, by the rest of their key (for scripts)."""
        return {
            key.removeprefix(prefix): texts[self.language]
            for key, texts in catalogue().items()
            if key.startswith(prefix)
        }


@cache
def catalogue() -> Mapping[str, Mapping[str, str]]:
    """Every text by key and language."""
    path = Path(__file__).with_name("words.json")
    loaded: dict[str, dict[str, str]] = fhir_json.decode_content(
        path.read_text(encoding="utf-8"), path.name
    )
    return loaded


def is_known(language: str | None) -> bool:
    """Whether there are words in this language."""
    return language in LANGUAGES
