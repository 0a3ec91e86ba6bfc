"""Lint rules for translations: those that do not fit, those that are missing or look forgotten."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from cds_service.authoring.catalogue import TRANSLATED, unfit
from cds_service.authoring.translatable import places
from cds_service.engine.canonicals import SAME_IN_TRANSLATION
from cds_service.errors import ContentError
from cds_service.messages import Plural, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cds_service.authoring.translatable import Place
    from cds_service.engine import Content

WARNINGS = frozenset({"missing-translation", "same-translation"})
"""The codes of what is told and does not fail a lint."""

_QUOTED = 3
"""How many of the missing texts of a file a warning quotes."""


def findings(content: Content) -> Iterator[ContentError]:
    """What is to be said of the translations into each language that the content has."""
    found = places(content)
    same = _same_in_translation(content)
    for place in found:
        yield from _unfit(place)
        yield from _copied(place, same)
    used = {language for place in found for language in place.translations}
    for language in TRANSLATED:
        if language in used:
            yield from _missing(found, language)


def _unfit(place: Place) -> Iterator[ContentError]:
    for language, text in place.translations.items():
        for message, hint in unfit(place.text, text, is_summary=place.kind == "summary"):
            yield ContentError(
                f"in '{language}' {message}", code="translation", hint=hint, where=place.where
            )


def _copied(place: Place, same: frozenset[str]) -> Iterator[ContentError]:
    for language, text in place.translations.items():
        if text == place.text and text not in same and _has_words(text):
            yield ContentError(
                f"the text in '{language}' is the English one: '{text}'",
                code="same-translation",
                hint="translate it, or list it under same-in-translation if it is a name",
                where=place.where,
            )


def _has_words(text: str) -> bool:
    """Whether there is anything to translate beside the facts."""
    return any(isinstance(part, str) and part.strip(" ,;:.()") for part in parse(text).parts) or (
        any(isinstance(part, Plural) for part in parse(text).parts)
    )


def _missing(found: Iterable[Place], language: str) -> Iterator[ContentError]:
    by_file: dict[str, list[Place]] = defaultdict(list)
    for place in found:
        if language not in place.translations:
            by_file[place.element.source.file].append(place)
    for missing in by_file.values():
        yield ContentError(
            f"not translated to '{language}': {_quoted(missing)}",
            code="missing-translation",
            hint=f"cds-service translations export --language {language}",
            where=missing[0].where,
        )


def _quoted(missing: Sequence[Place]) -> str:
    texts = list(dict.fromkeys(place.text for place in missing))
    more = f" and {len(texts) - _QUOTED} more" if len(texts) > _QUOTED else ""
    return ", ".join(f"'{text}'" for text in texts[:_QUOTED]) + more


def _same_in_translation(content: Content) -> frozenset[str]:
    """The names and terms that are the same in every language, as the content lists them."""
    return frozenset(
        text
        for source in content.sources
        for extension in source.root.extensions(SAME_IN_TRANSLATION)
        if (text := extension.string("valueString")) is not None
    )
