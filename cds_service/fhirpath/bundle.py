"""References between the entries of a Bundle, by FHIR's rules for `fullUrl` (Bundle, 2.36.4).

Plain JSON in, plain JSON out; what is not in the Bundle, or in it twice, is not found.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

_RESTFUL = re.compile(r"(?P<base>.+/)[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}")
_ABSOLUTE = re.compile(r"[a-z][a-z0-9+.\-]*:", re.IGNORECASE)


class BundleEntries:
    """The resources of one Bundle by `fullUrl` and by `Type/id`."""

    __slots__ = ("_by_name", "_by_url", "_url_of")

    def __init__(self, bundle: dict[str, Any]) -> None:
        self._by_url: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._by_name: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._url_of: dict[int, str] = {}
        entries = bundle.get("entry")
        for entry in entries if isinstance(entries, list) else []:
            resource = entry.get("resource") if isinstance(entry, dict) else None
            if isinstance(resource, dict):
                self._add(entry.get("fullUrl"), resource)

    def _add(self, url: Any, resource: dict[str, Any]) -> None:
        self._by_name[f"{resource.get('resourceType')}/{resource.get('id')}"].append(resource)
        if isinstance(url, str):
            self._by_url[url].append(resource)
            self._url_of[id(resource)] = url

    def resource(self, reference: str, holder: Any) -> dict[str, Any] | None:
        """The resource that a reference in the resource `holder` means, None if not one of these.

        A relative reference starts from the base of its holder's own `fullUrl`; where that tells
        no base, the type and the id decide.
        """
        name, _, version = reference.partition("/_history/")
        if _ABSOLUTE.match(name):
            found = self._by_url.get(name, [])
        else:
            base = _RESTFUL.fullmatch(self._url_of.get(id(holder), ""))
            found = self._by_url.get(base["base"] + name, []) if base else self._by_name[name]
        if version:
            found = [resource for resource in found if _version(resource) == version]
        return found[0] if len(found) == 1 else None


def _version(resource: dict[str, Any]) -> Any:
    meta = resource.get("meta")
    return meta.get("versionId") if isinstance(meta, dict) else None
