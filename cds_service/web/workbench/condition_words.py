"""What a condition asks and what a plan is about, in the reader's language.

An author describes both in English. The translations are those of the message with that very text
(CodeSystem `lbp-conditions` in our guideline); a text without any stays as it stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cds_service.messages import DEFAULT_LANGUAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cds_service.data.plan_library import PlanLibrary
    from cds_service.messages import Text


@dataclass(frozen=True, slots=True)
class ConditionWords:
    """Says descriptions in one language; `texts` are the messages by their English text."""

    texts: Mapping[str, Text]
    language: str

    @classmethod
    def of(cls, library: PlanLibrary, language: str) -> ConditionWords:
        """The words of this library for a reader of this language."""
        return cls({text.default: text for text in library.content.messages.values()}, language)

    def __call__(self, description: str) -> str:
        """The description in the reader's language, else as its author wrote it."""
        text = self.texts.get(description)
        return text.in_language(self.language) if text else description

    def language_of(self, description: str) -> str:
        """The language in which it is said."""
        text = self.texts.get(description)
        return text.language_for(self.language) if text else DEFAULT_LANGUAGE
