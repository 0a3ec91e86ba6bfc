"""The lint rule for versions: what has changed since a revision has a higher version than there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cds_service.engine import Source
    from cds_service.errors import ContentError


def findings(
    before: Iterable[Source], now: Iterable[Source], revision: str
) -> Iterator[ContentError]:
    """Each resource that says something else than at the revision and has no higher version.

    Resources are told by their url, so that a file may be moved. What was written differently and
    says the same has not changed.
    """
    old = {source.canonical: source.resource for source in before if source.canonical}
    for source in now:
        was = old.get(source.canonical)
        if was is None or was == source.resource or "version" not in was:
            continue
        said, says = str(was["version"]), str(source.resource.get("version"))
        if not _is_higher(says, said):
            yield source.root.problem(
                f"changed since {revision} ({_members(was, source.resource)}), and the version "
                f"is {says}; it was {said}",
                *_version(source.resource),
                code="version-not-raised",
                hint="raise it: a decision is traced to its content by url and version",
            )


def _version(resource: Mapping[str, Any]) -> tuple[str, ...]:
    return ("version",) if "version" in resource else ()


def _members(was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    return ", ".join(key for key in {**was, **now} if was.get(key) != now.get(key))


def _is_higher(version: str, than: str) -> bool:
    """Whether a version is higher; by numbers where both have them, else just another one."""
    try:
        return _numbers(version) > _numbers(than)
    except ValueError:
        return version != than


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
