"""What changed between two versions of a guideline, in words: resources, actions, logic, codes.

Compared are the resources by their url (of several versions each with its own, else the newest with
the newest), actions by their ids, definitions by their names, value sets by their codes; so that
moving a file or turning members round is no change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cds_service.engine.canonicals import TRANSLATION, VARIABLE
from cds_service.versions import precedence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from cds_service.engine import Source

_NUMBER = re.compile(r"(?<![\w.'-])\d+(?:\.\d+)?(?![\w.])")
_TEXTS = ("title", "description")
_PLAN_MEMBERS = (
    "version", "title", "description", "purpose", "usage", "status", "publisher", "lastReviewDate",
    "effectivePeriod", "library", "relatedArtifact", "topic",
)  # fmt: skip
_ACTION_MEMBERS = (
    "title", "description", "priority", "groupingBehavior", "selectionBehavior",
    "definitionCanonical", "documentation", "dynamicValue", "trigger", "input", "code", "reason",
)  # fmt: skip

_OF_KIND = {
    "ValueSet": ("compose", "concept", "expansion"),
    "CodeSystem": ("concept",),
    "Library": ("dataRequirement",),
}
"""What sentences of their own tell of a kind of resource."""

_TOLD = {"id", "resourceType", "url", "date", "name", "action", "condition", *_ACTION_MEMBERS}
"""What is told in another way or is a matter of form; `_others` tells the rest."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Changed:
    """The changes of one resource: what it is called, and a sentence for each change."""

    name: str
    sentences: tuple[str, ...]


def differences(old: Iterable[Source], new: Iterable[Source]) -> Iterator[Changed]:
    """Each resource that is new, gone or says something else, in the order of the new files."""
    before, after = list(old), list(new)
    partners = _pairs(before, after)
    for source in after:
        resource, was = source.resource, partners.get(source.file)
        if was is None:
            yield Changed(_name(resource), (f"new: {_titled(resource)}",))
        elif was.resource != resource:
            found = tuple(_resource(dict(was.resource), dict(resource)))
            yield Changed(_name(resource), found or ("changed in a detail that no sentence names",))
    kept = {source.file for source in partners.values()}
    for source in before:
        if source.file not in kept:
            yield Changed(_name(source.resource), (f"gone: {_titled(source.resource)}",))


def _pairs(old: Iterable[Source], new: Iterable[Source]) -> dict[str, Source]:
    """What each new file was before, by its name; a file that is new is not in it."""
    before, after = _newest_first(old), _newest_first(new)
    pairs: dict[str, Source] = {}
    for identity, files in after.items():
        was = before.get(identity, [])
        own = {item.version: item for item in was}
        pairs |= {item.file: own[item.version] for item in files if item.version in own}
        numbers = {item.version for item in files}
        rest = [item for item in was if item.version not in numbers]
        fresh = [item for item in files if item.version not in own]
        pairs |= {item.file: partner for item, partner in zip(fresh, rest, strict=False)}
    return pairs


def _newest_first(sources: Iterable[Source]) -> dict[str, list[Source]]:
    """The versions of each resource, by its url; of one without a url by its file."""
    found: dict[str, list[Source]] = {}
    for source in sorted(sources, key=lambda item: precedence(item.version), reverse=True):
        found.setdefault(source.canonical or source.file, []).append(source)
    return found


def _name(resource: Mapping[str, Any]) -> str:
    return f"{resource.get('resourceType')} {resource.get('id', resource.get('url'))}"


def _titled(resource: Mapping[str, Any]) -> str:
    names = (resource.get(key) for key in ("title", "name", "description", "id"))
    return f"'{next((name for name in names if name), None)}'"


def _resource(old: Json, new: Json) -> Iterator[str]:
    kind = new.get("resourceType")
    yield from _members("", old, new, _PLAN_MEMBERS)
    yield from _others("", old, new, {*_TOLD, *_PLAN_MEMBERS, *_OF_KIND.get(str(kind), ())})
    yield from _definitions("", old, new)
    if kind == "PlanDefinition":
        yield from _actions("", old, new)
    elif kind in {"ValueSet", "CodeSystem"}:
        yield from _codes(old, new)
    elif kind == "Library":
        yield from _keyed(
            "data requirement", _by_id(old, "dataRequirement"), _by_id(new, "dataRequirement")
        )


# -- plans ----------------------------------------------------------------------------------


def _actions(path: str, old: Json, new: Json) -> Iterator[str]:
    before, after = _by_id(old, "action"), _by_id(new, "action")
    for name, action in after.items():
        here = f"{path}/{name}" if path else name
        if name not in before:
            yield f"action {here} is new: {_titled(action)}"
        elif before[name] != action:
            yield from _action(here, before[name], action)
    yield from (
        f"action {path + '/' if path else ''}{name} is gone: {_titled(action)}"
        for name, action in before.items()
        if name not in after
    )
    common = [name for name in before if name in after]
    if common != [name for name in after if name in before]:
        yield f"actions{' of ' + path if path else ''} stand in another order: {', '.join(after)}"


def _action(path: str, old: Json, new: Json) -> Iterator[str]:
    yield from _members(f"action {path}: ", old, new, _ACTION_MEMBERS)
    yield from _definitions(f"action {path}: ", old, new)
    yield from _conditions(path, old, new)
    yield from _others(f"action {path}: ", old, new, _TOLD)
    yield from _actions(path, old, new)


def _conditions(path: str, old: Json, new: Json) -> Iterator[str]:
    """Conditions that came, went or ask something else; told by their words, else by place."""
    before, after = _expressions(old), _expressions(new)
    for key, text in after.items():
        if key not in before:
            yield f"action {path}: new condition{_words(key)}: {text}"
        elif before[key] != text:
            yield from _expression(f"action {path}: condition{_words(key)}", before[key], text)
    for key, text in before.items():
        if key not in after:
            yield f"action {path}: condition{_words(key)} is gone: {text}"


def _expressions(action: Json) -> dict[str, str]:
    found = {}
    for number, condition in enumerate(action.get("condition", ()), 1):
        expression = condition.get("expression", {})
        found[str(expression.get("description", number))] = str(expression.get("expression", ""))
    return found


def _words(key: str) -> str:
    return f" {key}" if key.isdigit() else f" '{key}'"


def _definitions(prefix: str, old: Json, new: Json) -> Iterator[str]:
    before, after = _variables(old), _variables(new)
    for name, text in after.items():
        if name not in before:
            yield f"{prefix}definition %{name} is new: {text}"
        elif before[name] != text:
            yield from _expression(f"{prefix}definition %{name}", before[name], text)
    yield from (f"{prefix}definition %{name} is gone" for name in before if name not in after)


def _variables(holder: Json) -> dict[str, str]:
    found = {}
    for extension in holder.get("extension", ()):
        value = extension.get("valueExpression", {})
        if extension.get("url") == VARIABLE and "name" in value:
            found[str(value["name"])] = str(value.get("expression", ""))
    return found


def _expression(what: str, old: str, new: str) -> Iterator[str]:
    """A changed expression; a changed number alone is a threshold."""
    before, after = _NUMBER.findall(old), _NUMBER.findall(new)
    is_threshold = _NUMBER.sub("#", old) == _NUMBER.sub("#", new)
    if is_threshold and before != after:
        pairs = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
        changes = ", ".join(f"{a} → {b}" for a, b in pairs)
        yield f"{what}: threshold {changes}, now: {new}"
    else:
        yield f"{what}: was: {old}; now: {new}"


# -- members, lists, codes ------------------------------------------------------------------


def _members(prefix: str, old: Json, new: Json, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        before, after = old.get(name), new.get(name)
        yield from _member(f"{prefix}{name}", before, after)
        if name in _TEXTS:
            yield from _translations(f"{prefix}{name}", old.get(f"_{name}"), new.get(f"_{name}"))


def _others(prefix: str, old: Json, new: Json, told: AbstractSet[str]) -> Iterator[str]:
    """What changed in members that no other sentence is about; an extension by its name."""
    texts = {f"_{name}" for name in _TEXTS}
    for name in {**old, **new}:
        if name == "extension":
            before, after = _extensions(old), _extensions(new)
            for url in {**before, **after}:
                yield from _member(f"{prefix}{url}", before.get(url), after.get(url))
        elif name not in told | texts:
            yield from _member(f"{prefix}{name}", old.get(name), new.get(name))


def _extensions(holder: Json) -> dict[str, list[Json]]:
    """The extensions that are no definitions, by the last part of their url, without it."""
    found: dict[str, list[Json]] = {}
    for extension in holder.get("extension", ()):
        if extension.get("url") != VARIABLE:
            value = {key: item for key, item in extension.items() if key != "url"}
            found.setdefault(str(extension.get("url")).rsplit("/", 1)[-1], []).append(value)
    return found


def _member(what: str, old: Any, new: Any) -> Iterator[str]:
    """The change of a value: of an object by its members, of a list by what came and went."""
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            yield from _member(f"{what}.{key}", old.get(key), new.get(key))
    elif isinstance(old, list | None) and isinstance(new, list | None):
        before, after = old or [], new or []
        gone = [item for item in before if item not in after]
        added = [item for item in after if item not in before]
        if len(gone) == len(added) == 1:
            yield from _member(what, gone[0], added[0])
            return
        yield from (f"{what}: taken out: {_shown(item)}" for item in gone)
        yield from (f"{what}: added: {_shown(item)}" for item in added)
        if not gone and not added:
            yield f"{what}: in another order, or repeated: {_shown(new)}"
    else:
        yield f"{what}: {_shown(old)} → {_shown(new)}"


def _translations(what: str, old: Any, new: Any) -> Iterator[str]:
    before, after = _by_language(old), _by_language(new)
    for language in {**before, **after}:
        if before.get(language) != after.get(language):
            told = _shown(before.get(language)), _shown(after.get(language))
            yield f"{what} in '{language}': {told[0]} → {told[1]}"


def _by_language(companion: Any) -> dict[str, str]:
    found = {}
    for extension in (companion or {}).get("extension", ()):
        if extension.get("url") == TRANSLATION:
            parts = {part.get("url"): part for part in extension.get("extension", ())}
            language = parts.get("lang", {}).get("valueCode", "")
            found[str(language)] = str(parts.get("content", {}).get("valueString", ""))
    return found


def _shown(value: Any) -> str:
    """A value in a sentence: a text in quotation marks, a list or object as the texts in it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"'{value}'"
    if isinstance(value, list):
        return "[" + ", ".join(map(_shown, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_shown(item)}" for key, item in value.items()) + "}"
    return str(value)


def _by_id(holder: Json, member: str) -> dict[str, Json]:
    """The objects of a list by their id, else by their place."""
    entries = enumerate(holder.get(member, ()), 1)
    return {str(item.get("id", number)): item for number, item in entries}


def _keyed(what: str, old: dict[str, Json], new: dict[str, Json]) -> Iterator[str]:
    for key, item in new.items():
        if key not in old:
            yield f"{what} {key} is new"
        elif old[key] != item:
            yield f"{what} {key}: {_shown(old[key])} → {_shown(item)}"
    yield from (f"{what} {key} is gone" for key in old if key not in new)


def _codes(old: Json, new: Json) -> Iterator[str]:
    before, after = dict(_concepts(old)), dict(_concepts(new))
    yield from (f"code added: {_coded(key, after[key])}" for key in after if key not in before)
    yield from (f"code taken out: {_coded(key, before[key])}" for key in before if key not in after)
    for key, concept in after.items():
        if key in before and before[key] != concept:
            told = before[key].get("display"), concept.get("display")
            words = f"display {_shown(told[0])} → {_shown(told[1])}"
            yield f"code {key[1]}: {words if told[0] != told[1] else 'its translations changed'}"
    for part in ("include", "exclude"):
        rules = [_rules(old, part), _rules(new, part)]
        if rules[0] != rules[1]:
            yield f"{part}: {_shown(rules[0])} → {_shown(rules[1])}"


def _concepts(resource: Json) -> Iterator[tuple[tuple[str, str], Json]]:
    """Every listed concept by part, system and code; those below others included."""
    for concept in resource.get("concept", ()):
        yield from _nested(str(resource.get("url")), concept)
    for part in ("include", "exclude"):
        for entry in resource.get("compose", {}).get(part, ()):
            system = str(entry.get("system")) + (" (excluded)" if part == "exclude" else "")
            for concept in entry.get("concept", ()):
                yield from _nested(system, concept)


def _nested(system: str, concept: Json) -> Iterator[tuple[tuple[str, str], Json]]:
    own = {key: value for key, value in concept.items() if key != "concept"}
    yield (system, str(concept.get("code"))), own
    for child in concept.get("concept", ()):
        yield from _nested(system, child)


def _coded(key: tuple[str, str], concept: Json) -> str:
    display = f" '{concept['display']}'" if "display" in concept else ""
    return f"{key[1]}{display} ({key[0]})"


def _rules(resource: Json, part: str) -> list[Json]:
    """The includes or excludes without their lists of codes: filters and other sets."""
    entries = resource.get("compose", {}).get(part, ())
    return [{key: item for key, item in entry.items() if key != "concept"} for entry in entries]
