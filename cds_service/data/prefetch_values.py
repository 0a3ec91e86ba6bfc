"""What one prefetch key is worth: data, known empty, unknown, or not satisfied (section 4.3).

Unknown never reads as empty (PF-15): whatever leaves a doubt ends as unknown or incomplete.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Source = Literal["prefetch", "fhir-server", "none"]


_DIGITS = re.compile(r"\d{1,9}", re.ASCII)
_BESIDE = ("include", "outcome")  # modes of what came with the results


class State(Enum):
    """What is known about a key."""

    DATA = "data"
    EMPTY = "empty"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Key:
    """One prefetch key: its state, the resources of its type, and where they came from.

    `is_complete` is False for unknown keys and for data of which a part is missing; `reason` then
    says why, without patient data. `related` are the other resources that came with them.
    """

    key: str
    state: State
    resources: tuple[Mapping[str, Any], ...] = ()
    is_complete: bool = True
    source: Source = "none"
    reason: str | None = None
    related: tuple[Mapping[str, Any], ...] = ()


class Mismatch(Exception):
    """The value does not answer the template (PF-13); the text says why."""


def unknown(key: str, reason: str, source: Source = "none") -> Key:
    """A key about which nothing is known."""
    return Key(key, State.UNKNOWN, is_complete=False, source=source, reason=reason)


def entries(bundle: Mapping[str, Any]) -> Sequence[Any]:
    """The entries of a Bundle as they stand; of what is no array one that is nothing.

    They may be anything: what is no object is a hole in the results, and not their end.
    """
    value = bundle.get("entry")
    if value is None:
        return ()
    return value if isinstance(value, list) else (None,)


def has_lost_page(bundle: Mapping[str, Any]) -> bool:
    """Whether a Bundle says that there is a next page, and not where in the way that FHIR wants."""
    links = bundle.get("link")
    for link in links if isinstance(links, list) else (links,):
        if isinstance(link, dict) and link.get("relation") == "next":
            url = link.get("url")
            if link is links or not isinstance(url, str) or not url.strip():
                return True
    return False


def is_resource(value: Any) -> bool:
    """Whether this JSON value is an object with a resourceType."""
    return isinstance(value, dict) and isinstance(value.get("resourceType"), str)


def read(
    key: str,
    resource_type: str | None,
    documents: Sequence[Mapping[str, Any]],
    source: Source,
    failure: str | None = None,
) -> Key:
    """The key that one resource, or the Bundles of a search in order, amounts to.

    `failure` is the reason why further pages are missing.

    Raises:
        Mismatch: the documents do not answer a query for `resource_type`.
    """
    first = documents[0]
    kind = first["resourceType"]
    if kind == "OperationOutcome":
        return unknown(key, "an OperationOutcome stands in its place", source)
    if kind == "Bundle":
        return _read_bundles(key, resource_type, documents, source, failure)
    if resource_type not in {None, kind}:
        raise Mismatch(f"it is {_article(kind)}, not a {resource_type}")
    return Key(key, State.DATA, (first,), source=source)


def _read_bundles(
    key: str,
    resource_type: str | None,
    bundles: Sequence[Mapping[str, Any]],
    source: Source,
    failure: str | None,
) -> Key:
    found = _sort(resource_type, bundles)
    if found.has_failed:
        failure = "an OperationOutcome in the Bundle reports an error"
    gap = _gap(found, bundles)
    if found.own:
        doubt = failure or gap
        others = found.others + found.included
        return Key(key, State.DATA, found.own, doubt is None, source, doubt, others)
    if failure:
        return unknown(key, failure, source)
    if gap:
        raise Mismatch(gap)
    if found.others:
        raise Mismatch(f"the Bundle holds other resources but no {resource_type}")
    if any(beside["resourceType"] == resource_type for beside in found.included):
        raise Mismatch(f"the Bundle holds a {resource_type} only beside its results")
    return Key(key, State.EMPTY, source=source, related=found.included)


def _article(kind: str) -> str:
    """`a Patient`; a name that is none is not repeated, because it is the client's own text."""
    return f"a {kind}" if kind.isalpha() and kind.isascii() and len(kind) < 40 else "something else"


@dataclass(frozen=True, slots=True)
class _Sorted:
    own: tuple[Mapping[str, Any], ...]
    others: tuple[Mapping[str, Any], ...]
    included: tuple[Mapping[str, Any], ...]
    has_failed: bool
    has_holes: bool


def _sort(resource_type: str | None, bundles: Sequence[Mapping[str, Any]]) -> _Sorted:
    """The resources of the Bundles by what they are there for, as `search.mode` says it.

    One on two pages counts once, by its id. All entries of a call pass here: no call for each.
    """
    own: dict[object, Mapping[str, Any]] = {}
    others: list[Mapping[str, Any]] = []
    included: list[Mapping[str, Any]] = []
    has_failed = has_holes = False
    for entry in chain.from_iterable(map(entries, bundles)):
        if not isinstance(entry, dict):
            has_holes = True
            continue
        resource = entry.get("resource")
        kind = resource.get("resourceType") if isinstance(resource, dict) else None
        search = entry.get("search")
        mode = search.get("mode") if isinstance(search, dict) else None
        if not isinstance(resource, dict) or not isinstance(kind, str):
            has_holes |= mode != "outcome"
        elif kind == "OperationOutcome":
            has_failed |= _is_error(resource)
        elif mode in _BESIDE:
            included.append(resource)
        elif resource_type is not None and kind != resource_type:
            others.append(resource)
        else:
            identifier = resource.get("id")
            is_named = isinstance(identifier, str) and identifier
            own.setdefault((kind, identifier) if is_named else id(resource), resource)
    return _Sorted(tuple(own.values()), tuple(others), tuple(included), has_failed, has_holes)


def _gap(found: _Sorted, bundles: Sequence[Mapping[str, Any]]) -> str | None:
    """How the Bundles show that results are missing, or may be."""
    if found.has_holes:
        return "the Bundle has entries without a resource"
    if any(map(has_lost_page, bundles)):
        return "the Bundle has a next page, and does not say where"
    total = _number(bundles[0].get("total"))
    if total is None:
        return "the Bundle has a total that is no number"
    if total > len(found.own):
        return f"the Bundle holds {len(found.own)} of {total} results"
    return None


def _number(total: Any) -> int | None:
    """A total, also in digits; 0 where there is none, None for what is no number."""
    if total is None:
        return 0
    if isinstance(total, str):
        return int(total) if _DIGITS.fullmatch(total) else None
    is_number = isinstance(total, int | Decimal) and not isinstance(total, bool)
    return int(total) if is_number else None


def _is_error(outcome: Mapping[str, Any]) -> bool:
    """Whether an issue is graver than a warning: Epic marks an empty search by one (PF-12)."""
    issues = outcome.get("issue")
    listed = issues if isinstance(issues, list) else []
    mild = ("warning", "information", "success")
    return not listed or any(
        not isinstance(issue, dict) or issue.get("severity") not in mild for issue in listed
    )
