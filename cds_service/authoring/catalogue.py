"""A translator's catalogue: every text of a guideline once, with its translation; and back.

What is imported is checked against the English text: the same facts, the same branches of
plurals, summaries that fit. Files keep their form; importing twice changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cds_service import fhir_json
from cds_service.authoring.translatable import Place, places
from cds_service.engine.actions import SUMMARY_LIMIT
from cds_service.engine.canonicals import TRANSLATION
from cds_service.errors import ContentError, ExpressionError, Where, did_you_mean
from cds_service.locales import LANGUAGES
from cds_service.messages import DEFAULT_LANGUAGE, longest, parse, shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cds_service.engine import Content, Source

TRANSLATED = tuple(language for language in LANGUAGES if language != DEFAULT_LANGUAGE)


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import comes to: the new text of each changed file, and what was refused."""

    files: Mapping[str, str]
    written: int
    problems: tuple[ContentError, ...]


def export(content: Content, language: str) -> dict[str, Any]:
    """The catalogue of a language: one entry for each distinct English text, in file order."""
    entries = []
    for text, written in by_text(content).items():
        known = (place.translations.get(language) for place in written)
        entries.append(
            {
                "text": text,
                "translation": next((item for item in known if item), ""),
                "kind": _kind(written),
                "where": [str(place) for place in written],
            }
        )
    return {"language": language, "entries": entries}


def by_text(content: Content) -> dict[str, list[Place]]:
    """The places of each distinct English text."""
    found: dict[str, list[Place]] = defaultdict(list)
    for place in places(content):
        found[place.text].append(place)
    return dict(found)


def _kind(written: Sequence[Place]) -> str:
    """What the text is for; a summary anywhere is held to the limit of summaries."""
    kinds = [place.kind for place in written]
    return "summary" if "summary" in kinds else kinds[0]


def load(content: Content, catalogue: object, language: str) -> Imported:
    """Write a catalogue's translations into the files of `content`.

    A translation that does not fit its text is refused and told; the others are written. An empty
    one changes nothing. Raises ContentError for a catalogue that is none, or of another language.
    """
    entries = _entries(catalogue, language)
    known, problems = by_text(content), []
    changes: dict[str, list[tuple[Place, str]]] = defaultdict(list)
    for text, translation in entries:
        problem = _refused(text, translation, known)
        if problem is not None:
            problems.append(problem)
            continue
        for place in known[text]:
            if place.translations.get(language) != translation:
                changes[place.element.source.file].append((place, translation))
    files = {}
    for source in content.sources:
        if source.file in changes:
            try:
                files[source.file] = _rewritten(source, changes[source.file], language)
            except ContentError as error:
                problems.append(error)
    written = sum(len(changes[file]) for file in files)
    return Imported(files, written, tuple(problems))


def _entries(catalogue: object, language: str) -> list[tuple[str, str]]:
    """Text and translation of each entry that has one."""
    hint = "export one with: cds-service translations export"
    entries = catalogue.get("entries") if isinstance(catalogue, dict) else None
    if not isinstance(catalogue, dict) or not isinstance(entries, list):
        raise ContentError("this is no catalogue of translations", code="catalogue", hint=hint)
    if catalogue.get("language") != language:
        raise ContentError(
            f"the catalogue is of '{catalogue.get('language')}', not of '{language}'",
            code="catalogue",
        )
    found = []
    for index, entry in enumerate(entries):
        text, translation = _pair(entry)
        if text is None or translation is None:
            raise ContentError(
                "an entry needs text and translation",
                code="catalogue",
                where=Where(path=f"entries[{index}]"),
            )
        if translation.strip():
            found.append((text, translation.strip()))
    return found


def _pair(entry: object) -> tuple[str | None, str | None]:
    if not isinstance(entry, dict):
        return None, None
    text, translation = entry.get("text"), entry.get("translation", "")
    return (
        text if isinstance(text, str) else None,
        translation if isinstance(translation, str) else None,
    )


def _refused(
    text: str, translation: str, known: Mapping[str, Sequence[Place]]
) -> ContentError | None:
    """Why a translation cannot be taken; None when it can."""
    if text not in known:
        hint = did_you_mean(text, known) or "it may have changed: export the catalogue again"
        return ContentError(f"no text is '{text}'", code="catalogue", hint=hint)
    for message, hint in unfit(text, translation, is_summary=_kind(known[text]) == "summary"):
        return ContentError(
            f"{message}: '{translation}'", code="translation", hint=hint, where=known[text][0].where
        )
    return None


def unfit(text: str, translation: str, *, is_summary: bool) -> Iterator[tuple[str, str]]:
    """What is wrong with a translation of `text`: a message and a hint for each thing."""
    try:
        pattern = parse(translation)
    except ExpressionError as error:
        yield f"{error.message} (at character {error.offset + 1})", error.hint or ""
        return
    wanted, found = shape(parse(text)), shape(pattern)
    if wanted != found:
        yield (
            "the facts or the branches of plurals are not those of the text",
            _difference(wanted, found),
        )
    length = longest(pattern)
    if is_summary and length > SUMMARY_LIMIT:
        hint = f"it has {length} characters with its facts; a summary has at most {SUMMARY_LIMIT}"
        yield "this is too long for a summary", hint


def _difference(
    wanted: frozenset[tuple[str, tuple[str, ...]]], found: frozenset[tuple[str, tuple[str, ...]]]
) -> str:
    parts = [("missing", wanted - found), ("too many", found - wanted)]
    return "; ".join(
        f"{word}: {', '.join(sorted(map(_placeholder, items)))}" for word, items in parts if items
    )


def _placeholder(item: tuple[str, tuple[str, ...]]) -> str:
    name, branches = item
    return f"{{{name}, plural, {' '.join(branches)}}}" if branches else f"{{{name}}}"


# -- writing --------------------------------------------------------------------------------


def _rewritten(source: Source, changes: Sequence[tuple[Place, str]], language: str) -> str:
    """The text of a file with these translations in it."""
    resource = fhir_json.decode(source.text.encode())
    if fhir_json.pretty(resource) + "\n" != source.text:
        raise source.root.problem(
            "the file is not written in the usual form, so it was not changed",
            code="catalogue",
            hint="format it as JSON with two spaces, and one line break at the end",
        )
    for place, translation in changes:
        element: Any = resource
        for step in place.element.steps:
            element = element[step]
        if place.is_concept:
            _designate(element, translation, language)
        else:
            _translate(element, place.key, translation, language)
    return fhir_json.pretty(resource) + "\n"


def _designate(concept: dict[str, Any], translation: str, language: str) -> None:
    kept = [item for item in concept.get("designation", ()) if item.get("language") != language]
    kept.append({"language": language, "value": translation})
    concept["designation"] = sorted(kept, key=lambda item: _rank(item.get("language")))


def _translate(element: dict[str, Any], key: str, translation: str, language: str) -> None:
    """Set the `translation` extension of a primitive; `_key` stands right after `key`."""
    companion = element.get(f"_{key}", {})
    others = [item for item in companion.get("extension", ()) if _language(item) != language]
    others.append(
        {
            "extension": [
                {"url": "lang", "valueCode": language},
                {"url": "content", "valueString": translation},
            ],
            "url": TRANSLATION,
        }
    )
    companion = {**companion, "extension": sorted(others, key=lambda item: _rank(_language(item)))}
    members = [(name, value) for name, value in element.items() if name != f"_{key}"]
    position = 1 + next(index for index, (name, _) in enumerate(members) if name == key)
    members.insert(position, (f"_{key}", companion))
    element.clear()
    element.update(members)


def _language(extension: Mapping[str, Any]) -> str | None:
    """The language of a `translation` extension; None for another extension."""
    if extension.get("url") != TRANSLATION:
        return None
    return next(
        (part["valueCode"] for part in extension["extension"] if part.get("url") == "lang"), None
    )


def _rank(language: str | None) -> int:
    """Translations in the order of our languages; what else is there stays before them."""
    return TRANSLATED.index(language) if language in TRANSLATED else -1
