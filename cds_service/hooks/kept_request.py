"""What is kept of a hook call so that its decision can be taken again: patient data, no secrets.

The message as it came, without its `fhirAuthorization`, and in `prefetch` what was read from the
FHIR server besides. Answered without any FHIR server it gives the same cards. Pure.
Source: risk L2; AUTHZ-11 (an access token is never kept).
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Any

from cds_service import fhir_json
from cds_service.data.prefetch_values import entries, has_lost_page
from cds_service.store import KeptRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cds_service.data.prefetch import Prefetched, Reading

_AUTHORIZATION = frozenset({"fhirauthorization", "authorization", "access_token"})
_USER_IN_URL = re.compile(r"//[^/@]*@")
_REMOVED = b"removed"
_SHORTEST_SECRET = 8
"""A shorter token is no secret, and its letters may stand anywhere in a chart."""
_NOT_KEPT = {"relation": "next", "url": "not-kept"}
_LOST = {"relation": "next"}


def of(body: Any, data: Prefetched, language: str) -> KeptRequest:
    """What is kept of a checked message, with what its call read, and the answer's language."""
    kept = {name: value for name, value in body.items() if name.lower() not in _AUTHORIZATION}
    server = kept.get("fhirServer")
    if isinstance(server, str):
        kept["fhirServer"] = _USER_IN_URL.sub("//", server)
    if data.readings:
        read = {key: _one_document(reading) for key, reading in data.readings.items()}
        kept["prefetch"] = {**(body.get("prefetch") or {}), **read}
    return KeptRequest(_without_token(fhir_json.encode(kept), body), language)


def _one_document(reading: Reading) -> Mapping[str, Any]:
    """All pages in one Bundle, which says that there are further ones where some were not had."""
    first = reading.documents[0]
    if first["resourceType"] != "Bundle":
        return first
    links = first.get("link")
    own = [
        link
        for link in (links if isinstance(links, list) else ())
        if not (isinstance(link, dict) and link.get("relation") == "next")
    ]
    is_lost = any(map(has_lost_page, reading.documents))
    return {
        **first,
        "link": [*own, *[_NOT_KEPT] * reading.is_cut, *[_LOST] * is_lost],
        "entry": list(chain.from_iterable(map(entries, reading.documents))),
    }


def _without_token(text: bytes, body: Mapping[str, Any]) -> bytes:
    """The text with the call's access token taken out wherever else the client repeated it."""
    token = (body.get("fhirAuthorization") or {}).get("access_token")
    if not isinstance(token, str) or len(token) < _SHORTEST_SECRET:
        return text
    return text.replace(fhir_json.encode(token)[1:-1], _REMOVED)
