"""Checks of the discovery document and its prefetch templates (CDS Hooks 2.0.1, Discovery)."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from cds_service.conformance import shape
from cds_service.conformance.checking import Level, NotSeen, check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cds_service.conformance.observation import Observed

_TOKEN = re.compile(r"\{\{(.*?)\}\}")
_KNOWN_TOKENS = re.compile(
    r"context\.\w+|userPractitionerId|userPractitionerRoleId|userPatientId|userRelatedPersonId"
)
_RELATIVE = re.compile(r"[A-Z][A-Za-z]*(?:[/?].*)?|\{\{.*")
_NO_PREFETCH_TOKEN = frozenset({"appointments", "draftOrders", "medications", "selections"})
"""Fields of the context that hold no text: the hooks' own tables keep them out of templates."""
_TYPED_USER = re.compile(r"\w+/\{\{\s*context\.userId\s*\}\}")
_URL_SAFE = re.compile(r"[A-Za-z0-9._~-]+")


@check("DISC-1", "DISC-2")
def discovery_is_an_object_with_services(seen: Observed) -> Iterator[str]:
    """GET /cds-services answers 200 with a JSON object that holds an array of services."""
    if seen.discovery.status != 200:
        yield f"{seen.discovery}, not 200"
    elif not isinstance(seen.discovery.json, dict):
        yield "the body is no JSON object"
    elif not isinstance(seen.discovery.json.get("services"), list):
        yield "'services' is no array"
    else:
        yield from shape.array_of_objects("$", seen.discovery.json, "services")


@check("DISC-4", "DISC-5", "DISC-6")
def entries_have_what_every_client_needs(seen: Observed) -> Iterator[str]:
    """Each service has a hook, an id and a description, as strings that are not blank."""
    for place, service in _entries(seen):
        for member in ("hook", "id", "description"):
            yield from shape.text(place, service, member)


@check("DISC-7", level=Level.SHOULD)
def entries_have_a_title(seen: Observed) -> Iterator[str]:
    """Each service has a title for people."""
    for place, service in _entries(seen):
        yield from shape.text(place, service, "title")


@check("DISC-8", "DISC-9")
def optional_members_have_their_type(seen: Observed) -> Iterator[str]:
    """Where present, prefetch is an object of strings and usageRequirements a string."""
    for place, service in _entries(seen):
        yield from shape.text(place, service, "usageRequirements", needed=False)
        prefetch = service.get("prefetch", {"key": "query"})
        if not isinstance(prefetch, dict):
            yield f"{place}.prefetch must be an object"
            continue
        for key in prefetch:
            yield from shape.text(f"{place}.prefetch", prefetch, key)


@check("PFT-2", "PFT-3", "PFT-4")
def templates_can_be_filled(seen: Observed) -> Iterator[str]:
    """Prefetch templates are reads or searches whose tokens every client of 2.0.1 knows."""
    for place, template in _templates(seen):
        for token in _TOKEN.findall(template):
            if not _KNOWN_TOKENS.fullmatch(token.strip()):
                yield f"{place}: {{{{{token}}}}} is not a context path or a user token"
        if re.search(r"[{}\s]", _TOKEN.sub("x", template)):
            yield f"{place}: {template!r} has a space or half a token"


@check("PFT-2", "PFT-6", "PFT-8")
def templates_lead_to_the_data(seen: Observed) -> Iterator[str]:
    """Templates are relative, and their tokens stand for text: userId brings its own type."""
    for place, template in _templates(seen):
        if not _RELATIVE.fullmatch(template):
            yield f"{place}: {template!r:.60} is not a read or search below the FHIR server's base"
        if _TYPED_USER.search(template):
            yield f"{place}: {template!r:.60} repeats the type that context.userId begins with"
        for token in _TOKEN.findall(template):
            field = token.strip().removeprefix("context.")
            if field in _NO_PREFETCH_TOKEN:
                yield f"{place}: {{{{{token}}}}} is no prefetch token: it holds no text"


@check("DISC-19", "DISC-25", level=Level.ADVICE)
def ids_are_unique_and_safe_in_a_url(seen: Observed) -> Iterator[str]:
    """Ids can stand in a URL, and no two entries share one."""
    _entries(seen)
    ids = [service["id"] for service in seen.services]
    for name, count in Counter(ids).items():
        if count > 1:
            yield f"{name!r} is the id of {count} entries; some clients keep the last only"
        if not _URL_SAFE.fullmatch(name):
            yield f"{name!r} must be escaped in a URL"


@check("DISC-24", level=Level.ADVICE)
def a_slash_at_the_end_does_not_redirect(seen: Observed) -> Iterator[str]:
    """/cds-services/ is answered like /cds-services: a redirect would drop bodies and preflight."""
    if 300 <= seen.slashed.status < 400:
        yield f"{seen.slashed} is a redirect"


def _entries(seen: Observed) -> list[tuple[str, dict[str, Any]]]:
    body = seen.discovery.json
    found = shape.objects("$", body, "services") if isinstance(body, dict) else []
    if not found:
        raise NotSeen("discovery lists no service")
    return found


def _templates(seen: Observed) -> list[tuple[str, str]]:
    found = [
        (f"{service['id']}.{key}", template)
        for service in seen.services
        if isinstance(service.get("prefetch"), dict)
        for key, template in service["prefetch"].items()
        if isinstance(template, str)
    ]
    if not found:
        raise NotSeen("no service has prefetch templates")
    return found
