"""Reading the texts of guideline JSON: a text, its translations, and the messages by code.

Translations stand where FHIR puts them: the `translation` extension of a primitive, the
`designation` of a concept. A text that does not parse, or a translation that names other facts
than the text, stops the load.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cds_service.engine.canonicals import MESSAGE_SYSTEM, TRANSLATION, TRANSLATION_REVIEW
from cds_service.errors import ExpressionError, did_you_mean
from cds_service.messages import Text, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cds_service.engine.source import Element, Problems, Source

Step = str | int


def text_of(element: Element, key: str, problems: Problems) -> Text | None:
    """The text under `key` with its translations (`translation` extensions of `_key`)."""
    default = element.string(key)
    if default is None:
        return None
    found = {language: (where, text) for language, text, where in translations_of(element, key)}
    return _checked(default, (key,), found, element, problems)


def translations_of(element: Element, key: str) -> Iterator[tuple[str, str, tuple[Step, ...]]]:
    """Language, text and place (steps from `element`) of each translation of a primitive."""
    companion = element.element(f"_{key}")
    for extension in companion.extensions(TRANSLATION) if companion else ():
        parts = {part.json.get("url"): part for part in extension.elements("extension")}
        language, content = parts.get("lang"), parts.get("content")
        if language is None or content is None:
            continue
        for member in ("valueString", "valueMarkdown"):
            text = content.string(member)
            if text is not None:
                steps = (*content.steps[len(element.steps) :], member)
                yield str(language.json.get("valueCode")), text, steps
                break


def concept_text(concept: Element, problems: Problems) -> Text | None:
    """The display of a CodeSystem concept with its designations."""
    default = concept.string("display")
    if default is None:
        return None
    found = {language: (where, text) for language, text, where in designations_of(concept)}
    return _checked(default, ("display",), found, concept, problems)


def designations_of(concept: Element) -> Iterator[tuple[str, str, tuple[Step, ...]]]:
    """Language, text and place (steps from `concept`) of each designation."""
    for index, designation in enumerate(concept.elements("designation")):
        language, text = designation.string("language"), designation.string("value")
        if language is not None and text is not None:
            yield language, text, ("designation", index, "value")


def messages_in(sources: Iterable[Source], problems: Problems) -> dict[str, Text]:
    """The messages by code: the concepts of every CodeSystem that is marked to hold them."""
    found: dict[str, Text] = {}
    for source in sources:
        if not is_message_system(source.root):
            continue
        for concept in source.root.elements("concept"):
            code, text = concept.string("code"), concept_text(concept, problems)
            if code is None or text is None:
                problems.add(concept.problem("a message needs code and display", code="message"))
            elif code in found:
                problems.add(
                    concept.problem(f"the message '{code}' stands twice", "code", code="message")
                )
            else:
                found[code] = text
    return found


def is_message_system(root: Element) -> bool:
    """Whether this is a CodeSystem whose concepts are messages."""
    extension = root.extension(MESSAGE_SYSTEM)
    return extension is not None and extension.json.get("valueBoolean") is True


def translation_notes(root: Element) -> dict[str, str]:
    """By language, the sentence that a resource says of its translation, as long as it is a draft.

    Source: our extension `translation-review` with `lang`, `status` and `note`.
    """
    notes = {}
    for review in root.extensions(TRANSLATION_REVIEW):
        parts = {part.json.get("url"): part for part in review.elements("extension")}
        language, status, note = (parts.get(name) for name in ("lang", "status", "note"))
        if language and status and note and status.json.get("valueCode") == "draft":
            notes[str(language.json.get("valueCode"))] = str(note.json.get("valueString"))
    return notes


def _checked(
    default: str,
    key: tuple[Step, ...],
    translations: dict[str, tuple[tuple[Step, ...], str]],
    element: Element,
    problems: Problems,
) -> Text:
    """The text; what does not parse, or names facts that the text does not, is a problem."""
    names = _names(default, element, key, problems)
    if names is None:
        return Text("", {})
    kept = {}
    for language, (steps, text) in translations.items():
        own = _names(text, element, steps, problems)
        for name in sorted((own or frozenset()) - names):
            problems.add(
                element.problem(
                    f"the translation names {{{name}}}, which the text does not",
                    *steps,
                    code="message",
                    hint=did_you_mean(name, names),
                )
            )
        if own is not None:
            kept[language] = text
    return Text(default, kept)


def _names(
    text: str, element: Element, steps: tuple[Step, ...], problems: Problems
) -> frozenset[str] | None:
    try:
        return parse(text).names
    except ExpressionError as error:
        problems.add(element.expression_problem(error, *steps))
        return None
