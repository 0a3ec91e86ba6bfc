"""Lint rules for what leads nowhere: definitions, files, data, plans and actions without a use.

And for data that a plan reads and its service does not ask for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from cds_service.authoring.expressions import places
from cds_service.engine.plan_definition import Plan
from cds_service.engine.source import steps_of
from cds_service.errors import ContentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cds_service.authoring.expressions import Place
    from cds_service.engine import Action, Content, Service, Source

WARNINGS = frozenset(
    {"unused-definition", "unused-resource", "unused-data", "unreachable", "idle-version"}
)

_NAMED = ("ValueSet", "ActivityDefinition", "Library", "Questionnaire")
"""The types of resources that exist only to be named by others."""

_ALWAYS_READ = frozenset({"patient", "user", "encounter"})
"""What the service itself reads of every request: the subject, who asks, and the visit."""

_USED_IN_EXPRESSION = re.compile(r"%`?(\w+)|\b(\w+)\s*\(")
_USED_IN_TEXT = re.compile(r"\{\s*(\w+)")
_QUOTED = re.compile(r"'([^']*)'")


def findings(content: Content) -> Iterator[ContentError]:
    """What is to be said of the use of each definition, resource and prefetch key."""
    yield from _unused_definitions(content.sources)
    yield from _unused_resources(content)
    for service in content.services.values():
        yield from _data(service, content)
    if content.services:
        yield from _plans_of_no_service(content)
    for plan in content.plans.values():
        for action in plan.actions:
            yield from _behind_one_that_always_applies(action, content.sources)


# -- definitions ----------------------------------------------------------------------------


def _unused_definitions(sources: Iterable[Source]) -> Iterator[ContentError]:
    """Definitions whose name stands in no expression and in no text that could read it."""
    used = {source.file: _names(source.resource) for source in sources}
    is_plan = {source.file: _type(source) == "PlanDefinition" for source in sources}
    shared = _union(names for file, names in used.items() if not is_plan[file])
    everywhere = _union(used.values())
    for place in places(sources):
        if place.kind == "definition" and place.name not in (
            used[place.file] | shared if is_plan[place.file] else everywhere
        ):
            yield _unused(place)


def _unused(place: Place) -> ContentError:
    return ContentError(
        f"nothing uses the definition {place.label}",
        code="unused-definition",
        hint="take it out, or name it where it belongs",
        where=place.element.where("name"),
    )


def _names(value: Any, member: str = "") -> frozenset[str]:
    """The names that the expressions and texts below a JSON value use."""
    if isinstance(value, dict):
        return _union(_names(item, key) for key, item in value.items())
    if isinstance(value, list):
        return _union(_names(item, member) for item in value)
    if not isinstance(value, str):
        return frozenset()
    if member == "expression":
        return frozenset(a or b for a, b in _USED_IN_EXPRESSION.findall(value))
    return frozenset(_USED_IN_TEXT.findall(value))


def _union(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*sets)


def _type(source: Source) -> str:
    return str(source.resource.get("resourceType"))


# -- resources ------------------------------------------------------------------------------


def _unused_resources(content: Content) -> Iterator[ContentError]:
    """Files that exist to be named, and that no other file names by canonical or id."""
    named = {source.file: _strings(source.resource) for source in content.sources}
    for source in content.sources:
        if _type(source) in _NAMED:
            own = {content.name_of(source), source.versioned, source.id}
            if not any(own & names for file, names in named.items() if file != source.file):
                yield _idle_version(source, content) or source.root.problem(
                    f"nothing names this {_type(source)}",
                    code="unused-resource",
                    hint="take the file out, or name it where it belongs",
                )


def _idle_version(source: Source, content: Content) -> ContentError | None:
    """That this is one of several versions, and not one that runs; None for an only one."""
    others = content.other_versions(source)
    if not others:
        return None
    return source.root.problem(
        f"nothing names version {source.version} of this {_type(source)}; beside it: "
        + ", ".join(others),
        "version",
        code="idle-version",
        hint=f"it runs where {source.versioned} is named, and keeps for the record until then",
    )


def _strings(value: Any, member: str = "") -> frozenset[str]:
    """Every string below a JSON value; of expressions the string literals."""
    if isinstance(value, dict):
        return _union(_strings(item, key) for key, item in value.items())
    if isinstance(value, list):
        return _union(_strings(item, member) for item in value)
    if not isinstance(value, str):
        return frozenset()
    return frozenset(_QUOTED.findall(value)) | {value}


# -- data -----------------------------------------------------------------------------------


def _data(service: Service, content: Content) -> Iterator[ContentError]:
    """Keys that plans of the service read and it does not ask for; keys that nothing reads."""
    declared = frozenset(service.prefetch)
    asked_for = (other.prefetch for other in content.services.values())
    known = _required_anywhere(content.sources).union(*asked_for)
    sources = {source.file: source for source in content.sources}
    read: frozenset[str] = frozenset()
    for action in service.plan.reached():
        needs = _union(item.program.reads for item in action.expressions())
        read |= needs
        for key in sorted((needs & known) - declared):
            yield sources[str(action.where.file)].root.problem(
                f"%{key} is read here, and the service {service.id} does not ask for it",
                *steps_of(str(action.where.path)),
                code="undeclared-data",
                hint=f"list the Library that declares '{key}' in the strategy's `library` too",
            )
    yield from _unread(service, declared - read - _ALWAYS_READ, sources.values())


def _unread(
    service: Service, keys: Iterable[str], sources: Iterable[Source]
) -> Iterator[ContentError]:
    plan = next(item for item in sources if item.versioned == service.plan.versioned)
    for key in sorted(keys):
        yield plan.root.problem(
            f"the service {service.id} asks for '{key}', and no plan of it reads %{key}",
            code="unused-data",
            hint="leave the data requirement out: each one is a query for the EHR on every call",
        )


def _required_anywhere(sources: Iterable[Source]) -> frozenset[str]:
    """The ids of all data requirements of Libraries."""
    return frozenset(
        str(item.json["id"])
        for source in sources
        for item in source.root.elements("dataRequirement")
        if item.string("id")
    )


# -- reach ----------------------------------------------------------------------------------


def _plans_of_no_service(content: Content) -> Iterator[ContentError]:
    reached = {
        plan.versioned
        for service in content.services.values()
        for plan in service.plan.reached_plans()
    }
    for source in content.sources:
        if _type(source) == "PlanDefinition" and source.versioned not in reached:
            yield _idle_version(source, content) or source.root.problem(
                "no strategy leads to this plan, so no hook ever shows it",
                "url",
                code="unreachable",
                hint="name it as definitionCanonical in the strategies that are to show it",
            )


def _behind_one_that_always_applies(
    action: Action, sources: Iterable[Source]
) -> Iterator[ContentError]:
    """Actions of a first-match group that stand behind one without any condition."""
    files = {source.file: source for source in sources}
    is_decided = False
    for child in action.actions:
        if action.first_match and is_decided:
            yield files[str(child.where.file)].root.problem(
                f"'{child.key}' is never reached: of this group only the first that applies is "
                "shown, and one before it has no condition",
                *steps_of(str(child.where.path)),
                code="unreachable",
                hint="put the action without condition last",
            )
        is_decided = is_decided or not (
            child.conditions or child.for_each or isinstance(child.definition, Plan)
        )
        yield from _behind_one_that_always_applies(child, files.values())
