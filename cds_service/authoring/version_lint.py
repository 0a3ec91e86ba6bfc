"""The lint rule for versions: what has changed since a revision has a higher version than there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_service.versions import precedence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cds_service.engine import Source
    from cds_service.errors import ContentError


def findings(
    before: Iterable[Source], now: Iterable[Source], revision: str
) -> Iterator[ContentError]:
    """Each resource that says something else than at the revision and has no higher version.

    Resources are told by their url, so that a file may be moved. What was written differently and
    says the same has not changed. A new version beside those that stay may have any number; where
    some are gone, it must be higher than one of these.
    """
    was, now = _by_url(before), list(now)
    says = _by_url(now)
    for source in now:
        versions = was.get(source.canonical, {})
        if source.version in versions:
            old = versions[source.version]
            if old != source.resource and "version" in old:
                yield _not_raised(source, old, revision)
            continue
        gone = [old for key, old in versions.items() if key not in says[source.canonical]]
        lowest = min(gone, key=_precedence, default=None)
        if (
            lowest is not None
            and "version" in lowest
            and _precedence(lowest) >= _precedence(source.resource)
        ):
            yield _not_raised(source, lowest, revision)


def _by_url(sources: Iterable[Source]) -> dict[str, dict[str | None, Mapping[str, Any]]]:
    """The resources by url and version."""
    found: dict[str, dict[str | None, Mapping[str, Any]]] = {}
    for source in sources:
        if source.canonical:
            found.setdefault(source.canonical, {})[source.version] = source.resource
    return found


def _precedence(resource: Mapping[str, Any]) -> tuple[Any, ...]:
    version = resource.get("version")
    return precedence(str(version) if version else None)


def _not_raised(source: Source, was: Mapping[str, Any], revision: str) -> ContentError:
    return source.root.problem(
        f"changed since {revision} ({_members(was, source.resource)}), and the version "
        f"is {source.version}; it was {was['version']}",
        *_version(source.resource),
        code="version-not-raised",
        hint="raise it: a decision is traced to its content by url and version",
    )


def _version(resource: Mapping[str, Any]) -> tuple[str, ...]:
    return ("version",) if "version" in resource else ()


def _members(was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    return ", ".join(key for key in {**was, **now} if was.get(key) != now.get(key))
