"""Prefetch templates, and the query that one becomes for a given hook context (PFT-1 to PFT-8)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from cds_service.errors import RequestError, Where

if TYPE_CHECKING:
    from collections.abc import Mapping

Need = Literal["must", "should", "may"]


@dataclass(frozen=True, slots=True)
class Template:
    """One prefetch key: its query (`Condition?patient={{context.patientId}}`) and its type.

    `resource_type` None takes a resource of any type (the user). `need` says what follows when the
    key cannot be obtained: 412 for `must`; for `should` and `may` an unknown key.
    """

    key: str
    query: str
    resource_type: str | None
    need: Need


@dataclass(frozen=True, slots=True)
class Query:
    """A filled template: `text` relative to the FHIR base, or None and the `problem`, a clause."""

    text: str | None
    problem: str | None = None


_TOKEN = re.compile(r"\{\{(.*?)\}\}")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_REFERENCE = re.compile(r"([A-Z][A-Za-z]*)/([^/]*)")
_TYPE_OF_FIELD = {"patientId": "Patient", "encounterId": "Encounter"}
_TYPE_OF_USER_TOKEN = {
    "userPractitionerId": "Practitioner",
    "userPractitionerRoleId": "PractitionerRole",
    "userPatientId": "Patient",
    "userRelatedPersonId": "RelatedPerson",
}


def patient_id(context: Mapping[str, Any]) -> str:
    """The bare id in `context.patientId`, which may come as `Patient/123` (REQ-20).

    Raises:
        RequestError: code `invalid-id`, when it is missing or no FHIR id.
    """
    return _bare_id(context.get("patientId"), "patientId")


def fill(template: Template, context: Mapping[str, Any]) -> Query:
    """The template's query with every token replaced by its URL-encoded value.

    A token whose value the request does not carry leaves the query without text (PFT-23).

    Raises:
        RequestError: code `invalid-id`, when an id in the context is no FHIR id.
    """
    filled: list[str] = []
    for text, token in _pieces(template.query):
        filled.append(text)
        if token is None:
            continue
        value = _token_value(token, context)
        if value is None:
            return Query(None, f"it needs {_source(token)}, which the request does not carry")
        filled.append(value)
    return Query("".join(filled))


@lru_cache(maxsize=1024)  # of the guidelines' own queries, which are the same in every call
def _pieces(query: str) -> tuple[tuple[str, str | None], ...]:
    """The text of a query, URL-encoded, up to each token; behind the last one there is none."""
    texts = _TOKEN.split(query)
    tokens = [token.strip() for token in texts[1::2]]
    return tuple(zip(map(_quoted, texts[::2]), [*tokens, None], strict=True))


def _token_value(token: str, context: Mapping[str, Any]) -> str | None:
    if token in _TYPE_OF_USER_TOKEN:
        user = _user(context)
        return user[1] if user and user[0] == _TYPE_OF_USER_TOKEN[token] else None
    if token == "context.userId":  # noqa: S105  # the name of a prefetch token
        user = _user(context)
        return f"{user[0]}/{user[1]}" if user else None
    field = token.removeprefix("context.")
    value = context.get(field) if field != token else None
    if value is None:
        return None
    if field in _TYPE_OF_FIELD:
        return _bare_id(value, field)
    is_simple = isinstance(value, str | int) and not isinstance(value, bool)
    return quote(str(value), safe="") if is_simple else None


def _source(token: str) -> str:
    if token == "context.userId":  # noqa: S105  the name of a prefetch token
        return "a user in context.userId"
    if token in _TYPE_OF_USER_TOKEN:
        return f"a {_TYPE_OF_USER_TOKEN[token]} in context.userId"
    return token


def _user(context: Mapping[str, Any]) -> tuple[str, str] | None:
    """Type and id in `context.userId`; None when it is not of the form `Type/id`.

    Nor when the type is none of a user: the token of a call opens nothing else (OUT-2).
    """
    value = context.get("userId")
    match = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[1] not in _TYPE_OF_USER_TOKEN.values():
        return None
    return match[1], _bare_id(match[2], "userId")


def _bare_id(value: Any, field: str) -> str:
    text = value if isinstance(value, str) else ""
    text = text.removeprefix(f"{_TYPE_OF_FIELD.get(field, '')}/")
    if not _ID.fullmatch(text) or not text.strip("."):
        raise RequestError(
            f"context.{field} is not a FHIR id.",
            code="invalid-id",
            hint="an id has 1 to 64 letters, digits, hyphens and points",
            where=Where(path=f"context.{field}"),
        )
    return text


def _quoted(text: str) -> str:
    return quote(text, safe="/?&=:,|$%-._~+*'();@!")
