"""Which URLs may be called: `fhirServer` and paging links are input from outside (OUT-1, PF-11)."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

_PORTS = {"http": 80, "https": 443}
_URL = re.compile(r"[!-\[\]-~]{1,4000}")  # printable ASCII without space and backslash


class _Place(NamedTuple):
    scheme: str
    host: str
    port: int
    path: str


def base_problem(base: str) -> str | None:
    """Why `base` cannot be the base URL of a FHIR server, as the end of a sentence; None if it can.

    A base is an http or https URL of ASCII characters with a host and without user, query,
    fragment, backslash or dot segments.
    """
    if _place(base) is None:
        return "is not a plain http or https URL"
    if "?" in base or "#" in base:
        return "has a query or a fragment"
    return None


def is_below(url: str, base: str) -> bool:
    """Whether `url` has the scheme, host and port of `base` and lies at or under its path."""
    place, home = _place(url), _place(base)
    if place is None or home is None or place[:3] != home[:3]:
        return False
    root = home.path.rstrip("/")
    return place.path == root or place.path.startswith(f"{root}/")


def _place(url: str) -> _Place | None:
    if not _URL.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname
    if parts.scheme not in _PORTS or not host or {"@", "%"} & set(parts.netloc):
        return None
    if {".", ".."} & set(re.split(r"[/\\]", unquote(parts.path))):
        return None
    return _Place(parts.scheme, host, port or _PORTS[parts.scheme], parts.path)
