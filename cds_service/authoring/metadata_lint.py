"""Lint rules for what is to be known of a resource: its version, its source, until when it holds.

And that each code which leaves in an order or a card is one of those shipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_service.authoring.translatable import places

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cds_service.engine import Content
    from cds_service.engine.source import Element
    from cds_service.errors import ContentError

WARNINGS = frozenset(
    {"no-source", "no-review-date", "no-version", "unlisted-code", "insecure-link"}
)

_CODED = ("code", "productCodeableConcept", "topic", "reason", "medicationCodeableConcept")
"""Members whose codes leave the service in orders and cards."""

_HL7 = ("http://terminology.hl7.org/", "http://hl7.org/fhir/", "urn:")
"""Code systems that FHIR itself defines; `fhir` judges their bindings."""


def findings(content: Content) -> Iterator[ContentError]:
    """What is missing in the descriptions of resources."""
    yield from _without_source(content)
    for source in content.sources:
        if source.resource.get("resourceType") == "PlanDefinition":
            yield from _plan(source.root)
        yield from _links(source.root)
    yield from _unlisted(content)


def _without_source(content: Content) -> Iterator[ContentError]:
    """Cards without a source; those of a strategy collect the cards of others."""
    strategies = {service.plan.canonical for service in content.strategies.values()}
    for place in places(content):
        card = place.element
        is_card = place.kind == "summary" and card.source.canonical not in strategies
        if is_card and not card.json.get("documentation"):
            hint = "add `documentation` with the citation, its year and a link"
            yield card.problem("the card names no source", "title", code="no-source", hint=hint)


def _plan(root: Element) -> Iterator[ContentError]:
    if root.string("version") is None:
        yield root.problem("the plan has no version", code="no-version", hint="start with 1.0.0")
    period = root.element("effectivePeriod")
    if root.string("lastReviewDate") is None or period is None or period.string("end") is None:
        yield root.problem(
            "the plan does not say when it was reviewed, or until when it holds",
            code="no-review-date",
            hint="add lastReviewDate and effectivePeriod.end",
        )


def _links(root: Element) -> Iterator[ContentError]:
    """Citations with an address that no card takes along, because it is not https."""
    for action in root.elements("action"):
        for cited in action.elements("documentation"):
            holder = cited if "url" in cited.json else cited.element("document")
            url = holder.string("url") if holder else None
            if holder and url and not url.startswith("https://"):
                yield holder.problem(
                    "the address is not https, so that the card goes without it",
                    "url",
                    code="insecure-link",
                    hint="write https://… as the publisher has it, or leave the address out",
                )
        yield from _links(action)


def _unlisted(content: Content) -> Iterator[ContentError]:
    """Codes of orders and reasons that no ValueSet or CodeSystem here lists; each once."""
    listed = {pair for source in content.sources for pair in _listed(source.resource)}
    urls = [item.versioned for item in content.sources if item.resource.get("compose")]
    sets = [found for url in urls if (found := content.value_sets.resolve(url))]
    for source in content.sources:
        for coding in _codings(source.root):
            pair = coding.string("system") or "", coding.string("code") or ""
            if pair in listed or not all(pair) or pair[0].startswith(_HL7):
                continue
            listed.add(pair)
            if not any(is_member(*pair) for is_member in sets):
                yield coding.problem(
                    f"the code {pair[1]} of {pair[0]} is in no ValueSet or CodeSystem here",
                    "code",
                    code="unlisted-code",
                    hint="check it where it is published, and list it with its display",
                )


def _listed(resource: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """System and code of each concept that a ValueSet or CodeSystem names."""
    if resource.get("resourceType") == "CodeSystem":
        yield from ((str(resource.get("url")), code) for code in _codes(resource))
    elif resource.get("resourceType") == "ValueSet":
        for include in resource.get("compose", {}).get("include", ()):
            yield from ((str(include.get("system")), code) for code in _codes(include))


def _codes(holder: Mapping[str, Any]) -> Iterator[str]:
    for concept in holder.get("concept", ()):
        yield str(concept.get("code"))
        yield from _codes(concept)


def _codings(element: Element) -> Iterator[Element]:
    """The codings of an ActivityDefinition or of actions that go into orders and cards."""
    for member in _CODED:
        concept = element.element(member)
        for holder in (concept,) if concept else element.elements(member):
            yield from holder.elements("coding")
    for member in ("action", "contained"):
        for child in element.elements(member):
            yield from _codings(child)
