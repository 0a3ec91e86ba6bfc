"""Lint rules for prefetch templates: what no EHR, or hardly one, can answer.

The restricted subset of queries is CDS Hooks 2.0.1, Prefetch query restrictions.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cds_service.engine.canonicals import QUERY_PATTERN
from cds_service.errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cds_service.engine import Content
    from cds_service.engine.source import Element
    from cds_service.errors import ContentError

TOKENS = frozenset(
    {
        "context.patientId", "context.encounterId", "context.userId", "userPractitionerId",
        "userPractitionerRoleId", "userPatientId", "userRelatedPersonId",
    }
)  # fmt: skip
"""What a template may name: fields that our hooks mark as tokens, and identifiers of the user."""

_PATIENT_PARAMETERS = ("patient", "subject", "beneficiary", "_id")
_RESULT_PARAMETERS = ("_include", "_revinclude", "_has", "_filter", "_query", "_contained")
_BEFORE_R4 = {"sort": "_sort=-date, as R4 has it", "count": "_count"}
_OTHER_PREFIX = re.compile(r"(ne|sa|eb|ap)\d{4}", re.ASCII)
_TOKEN = re.compile(r"\{\{(.*?)\}\}")
_TYPED_USER = re.compile(r"[A-Z]\w+/\{\{\s*context\.userId\s*\}\}")


def findings(content: Content) -> Iterator[ContentError]:
    """What is wrong with the query of each data requirement, at the query."""
    for source in content.sources:
        for requirement in source.root.elements("dataRequirement"):
            yield from _requirement(requirement)
        for action in source.root.elements("action"):
            for requirement in action.elements("input"):
                yield from _requirement(requirement)


def _requirement(requirement: Element) -> Iterator[ContentError]:
    extension = requirement.extension(QUERY_PATTERN)
    query = extension.string("valueString") if extension else None
    if extension is None or query is None:
        return
    for message, hint in (*_tokens(query), *_search(query, requirement.string("type"))):
        yield extension.problem(message, "valueString", code="impossible-prefetch", hint=hint)


def _tokens(query: str) -> Iterator[tuple[str, str]]:
    for token in _TOKEN.findall(query):
        if token.strip() not in TOKENS:
            close = did_you_mean(token.strip(), TOKENS)
            known = f"the tokens are: {', '.join(sorted(TOKENS))}"
            yield f"no hook gives the token '{token}'", close or known
    if _TYPED_USER.search(query):
        yield (
            "context.userId holds its type already, so this asks for Type/Type/id",
            "write {{context.userId}} alone",
        )


def _search(query: str, resource_type: str | None) -> Iterator[tuple[str, str]]:
    """What is wrong with a search, as message and hint; nothing for a read."""
    asked, mark, parameters = query.partition("?")
    if not mark:
        return
    if resource_type and asked != resource_type:
        yield f"the query asks for {asked}, the requirement is of {resource_type}", "make them one"
    asked_for = [part.partition("=")[::2] for part in parameters.split("&")]
    if not any(name.split(":")[0] in _PATIENT_PARAMETERS for name, _ in asked_for):
        yield (
            "the search is not limited to the patient",
            "add patient={{context.patientId}}",
        )
    if asked == "Patient":
        yield "a search for the patient brings a Bundle", "read Patient/{{context.patientId}}"
    for name, value in asked_for:
        yield from _parameter(name, value)


def _parameter(name: str, value: str) -> Iterator[tuple[str, str]]:
    base, _, modifier = name.partition(":")
    if base in _BEFORE_R4:
        yield f"no R4 server knows the parameter '{base}'", f"write {_BEFORE_R4[base]}"
    elif base in _RESULT_PARAMETERS or "." in base:
        yield (
            f"'{base}' is outside what EHRs answer for prefetch",
            "ask for each type of resource under a key of its own",
        )
    elif modifier and modifier != "in":
        yield (
            f"the modifier ':{modifier}' is outside what EHRs answer for prefetch",
            "ask for more, and judge it in the expressions",
        )
    elif prefix := _OTHER_PREFIX.match(value):
        yield (
            f"the prefix '{prefix[1]}' is outside what EHRs answer for prefetch",
            "compare with eq, lt, gt, ge or le, or judge it in the expressions",
        )
