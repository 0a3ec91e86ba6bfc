"""The whole guideline in words, as one Markdown document made from the plans alone.

Contents, rules by profile, conflicts between the sources, every rule, and the definitions and
value sets that the rules share. The same files give the same text: no date, no path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cds_service.authoring import guideline_appendix, guideline_rule
from cds_service.authoring.guideline_cards import rules_of
from cds_service.authoring.guideline_names import names_of
from cds_service.authoring.guideline_text import anchor, link, table, wording
from cds_service.hooks.service import PROFILES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cds_service.authoring.guideline_cards import Rule
    from cds_service.data.plan_library import PlanLibrary

INTRODUCTION = """# The guideline in words

Made from the files in `plan_definitions/` by `make golden`; do not edit it. Everything here is a \
draft: a practising clinician must sign it off before it is used with patients. How to read the \
expressions stands in the [author's guide](author-guide.md).

In a card, `{name}` is a fact that is filled in. A line that names a fact which is not there is \
left out.
"""
PROFILES_TEXT = """
How urgent a card can be, by the profile that a site has chosen: all that its conditions allow, \
most urgent first. A dash: never shown there.
"""
CONFLICTS_TEXT = """
The sources come from three health systems and do not agree. The service does not average them: \
the profile decides, and every card that is touched says who differs.
"""


def document(library: PlanLibrary) -> str:
    """The document for the guideline that this library holds."""
    rules, names = rules_of(library), names_of(library)
    topics = list(dict.fromkeys(rule.topic for rule in sorted(rules, key=lambda r: r.topic)))
    lines = [
        INTRODUCTION,
        *_contents(rules, topics),
        "## Rules by profile",
        PROFILES_TEXT,
        *_matrix(rules),
        "",
        "## Where the sources disagree",
        CONFLICTS_TEXT,
        *_conflicts(rules, library),
        "",
    ]
    for topic in topics:
        lines += [f"## {topic.capitalize()}", ""]
        for rule in rules:
            if rule.topic == topic:
                folder = library.directory / rule.file.parent
                lines += guideline_rule.section(rule, folder, names)
    lines += guideline_appendix.definitions(names)
    lines += guideline_appendix.value_sets(
        library, {x for rule in rules for x in names.value_sets(rule)}
    )
    return "\n".join(lines).rstrip("\n") + "\n"


def _contents(rules: Sequence[Rule], topics: Sequence[str]) -> Iterator[str]:
    yield "## Contents"
    yield ""
    yield "- [Rules by profile](#rules-by-profile)"
    yield "- [Where the sources disagree](#where-the-sources-disagree)"
    for topic in topics:
        yield f"- [{topic.capitalize()}](#{topic})"
        for rule in rules:
            if rule.topic == topic:
                shown = f"{rule.number} {wording(rule.plan.title)}"
                yield f"  - {link('rule', rule.number, shown)}"
    yield "- [Shared definitions](#shared-definitions)"
    yield "- [Value sets](#value-sets)"
    yield ""


def _matrix(rules: Sequence[Rule]) -> list[str]:
    rows = [
        [
            link("rule", rule.number),
            wording(rule.plan.title),
            *(" / ".join(rule.indicators(profile)) or "–" for profile in PROFILES),
            ", ".join(rule.hooks),
        ]
        for rule in rules
    ]
    return table(["rule", "", *PROFILES, "hooks"], rows)


def _conflicts(rules: Sequence[Rule], library: PlanLibrary) -> list[str]:
    rows = []
    for system in library.content.sources:
        if system.resource.get("id") != "lbp-conflicts":
            continue
        for concept in system.resource["concept"]:
            told = [(item["code"], item["valueString"]) for item in concept["property"]]
            touched = [rule.number for rule in rules if concept["code"] in rule.conflicts]
            rows.append(
                [
                    anchor("conflict", concept["code"]) + concept["code"],
                    concept["display"],
                    " ".join(text for kind, text in told if kind == "position"),
                    " ".join(text for kind, text in told if kind == "presentation"),
                    ", ".join(link("rule", number) for number in touched),
                ]
            )
    return table(["no.", "question", "who says what", "how the cards show it", "rules"], rows)
