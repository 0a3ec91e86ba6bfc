"""What is different between two versions of one guideline file, as far as cases can notice it.

Only a plan or a Library of which nothing but expressions, texts and actions changed can be compiled
again by itself. Anything else that a file can be may reach everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cds_service.authoring.expressions import places
from cds_service.authoring.mutation_order import stale
from cds_service.engine.canonicals import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cds_service.authoring.mutation_order import Footprint
    from cds_service.engine import Source
    from cds_service.engine.plan_definition import ActionKey
    from cds_service.engine.source import Element


@dataclass(frozen=True, slots=True)
class FileChange:
    """What a saved file makes another: the actions to compile again, and those it is about.

    An action that changed touches all below it, where its definitions are known too. `names` are
    the changed definitions of a Library; None means that the actions alone decide.
    """

    file: str
    stale: frozenset[ActionKey]
    touched: frozenset[ActionKey]
    names: frozenset[str] | None = None

    def may_show_in(self, footprint: Footprint) -> bool:
        """Whether a case that evaluated this may be answered otherwise now."""
        if self.touched.isdisjoint(footprint.actions):
            return False
        return self.names is None or not self.names.isdisjoint(footprint.names)


def change_of(
    old: Source, new: Source, reads: Mapping[ActionKey, frozenset[str]]
) -> FileChange | None:
    """The change from `old` to `new`; None where everything must be compiled again.

    `reads` are the definitions that each action led to before.
    """
    kind = old.resource.get("resourceType")
    same = ("resourceType", "url", "contained", "id")
    if any(old.resource.get(member) != new.resource.get(member) for member in same):
        return None
    if kind == "Library":
        return _of_library(old, new, reads)
    return _of_plan(old, new, reads) if kind == "PlanDefinition" else None


def _of_library(
    old: Source, new: Source, reads: Mapping[ActionKey, frozenset[str]]
) -> FileChange | None:
    if _without_definitions(old.resource) != _without_definitions(new.resource):
        return None
    before, after = _definitions(old), _definitions(new)
    names = frozenset(
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    )
    changed = [place for place in (*places([old]), *places([new])) if place.name in names]
    found = [stale(place, reads) for place in changed]
    if not all(found):  # what nothing reads is only looked at where everything is
        return None
    touched = frozenset().union(*found)
    return FileChange(new.file, touched, touched, names)


def _without_definitions(resource: Mapping[str, Any]) -> dict[str, Any]:
    """The resource without what is its own affair, and without its definitions."""
    rest = {key: value for key, value in resource.items() if key not in {"version", "date"}}
    rest["extension"] = [item for item in rest.get("extension", ()) if item.get("url") != VARIABLE]
    return rest


def _definitions(source: Source) -> dict[str, list[Any]]:
    """The extensions that define each name."""
    found: dict[str, list[Any]] = {}
    for item in source.root.extensions(VARIABLE):
        name = item.json.get("valueExpression", {}).get("name")
        found.setdefault(str(name), []).append(item.json)
    return found


def _of_plan(
    old: Source, new: Source, reads: Mapping[ActionKey, frozenset[str]]
) -> FileChange | None:
    every = frozenset(key for key in reads if key[0] == old.file)
    if not every:
        return None
    before, after = dict(_actions(old.root)), dict(_actions(new.root))
    if before.keys() != after.keys() or _own(old.resource) != _own(new.resource):
        return FileChange(new.file, every, every)
    changed = tuple(f"{key[1]}." for key in before if before[key] != after[key])
    touched = frozenset(key for key in every if f"{key[1]}.".startswith(changed))
    return FileChange(new.file, every, touched)


def _own(resource: Mapping[str, Any]) -> dict[str, Any]:
    """An action or a plan without the actions below it."""
    return {key: value for key, value in resource.items() if key != "action"}


def _actions(owner: Element) -> Iterator[tuple[ActionKey, dict[str, Any]]]:
    """Every action below an element with what it says itself, by file and path."""
    for action in owner.elements("action"):
        place = action.place()
        yield (place.file, place.path), _own(action.json)
        yield from _actions(action)
