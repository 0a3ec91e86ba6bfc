"""What a case asks of the guideline beyond its services: the versions that it names, and its rules.

A case can say which version of a plan, activity, Library or questionnaire counts in it, in the
words of CRMI's operations: `forceArtifactVersion`. The whole guideline is then compiled with every
reference to that url naming that version; once for all cases that say the same.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from cds_service import collecting
from cds_service.engine import compile_content
from cds_service.errors import ContentError, Where, did_you_mean
from cds_service.versions import split

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from cds_service.data.plan_library import PlanLibrary
    from cds_service.engine import Content
    from cds_service.hooks.service import HookService

WARNINGS = frozenset({"unknown-rule"})
FORCED = "forceArtifactVersion"

_UNFORCED = frozenset({"ValueSet", "CodeSystem"})
"""What a case cannot choose the version of: expansions are made once, before anything else."""


@dataclass(frozen=True, slots=True)
class _Made:
    """The services over one library with other versions in force, by the versions."""

    library: PlanLibrary
    services: dict[tuple[str, ...], HookService] = field(default_factory=dict)


_MADE: WeakKeyDictionary[HookService, _Made] = WeakKeyDictionary()


def service_for(json: Mapping[str, Any], service: HookService, file: str) -> HookService:
    """The service with the versions in force that a case of `file` names.

    Raises ContentError where one is not loaded, ContentErrors where the content cannot be compiled
    with them.
    """
    wanted = tuple(json.get(FORCED, ()))
    if not wanted:
        return service
    made = _MADE.get(service)
    if made is None or made.library is not service.library:
        made = _MADE[service] = _Made(service.library)
    if wanted not in made.services:
        made.services[wanted] = _versioned(service, wanted, file)
    return made.services[wanted]


def check_versions(json: Mapping[str, Any], content: Content, file: str) -> None:
    """Raises ContentError for a version that a case of `file` names and that is not loaded."""
    for canonical in json.get(FORCED, ()):
        _forced(canonical, content, file)


def _versioned(service: HookService, wanted: Sequence[str], file: str) -> HookService:
    content = service.library.content
    forced = dict(_forced(canonical, content, file) for canonical in wanted)
    made = copy(service)
    with collecting.paused():
        compiled = compile_content(content.sources, traced=content.is_traced, forced=forced)
    made.library = replace(service.library, content=compiled)
    return made


def _forced(canonical: str, content: Content, file: str) -> tuple[str, str]:
    """The url and the version of a canonical that is loaded."""
    url, number = split(canonical)
    where = Where(file, FORCED)
    if number is None:
        message = f"'{canonical}' names no version: write url|version"
        raise ContentError(message, code="case", where=where)
    found = content.versions.find(canonical)
    if found is None:
        told = content.versions.without(canonical)
        hint = None if told else did_you_mean(url, content.versions)
        message = told or f"nothing here has the url {url}"
        raise ContentError(message, code="case", hint=hint, where=where)
    kind = {source.canonical: source.resource["resourceType"] for source in content.sources}[url]
    if kind in _UNFORCED:
        message = f"a case cannot choose the version of a {kind}"
        hint = "choose that of the plan or Library that names it"
        raise ContentError(message, code="case", hint=hint, where=where)
    return url, number


# -- rules ----------------------------------------------------------------------------------


def rules_in(content: Content) -> frozenset[str]:
    """Every code that a card can carry as its rule."""
    coded = [plan.topic for plan in content.plans.values()]
    coded += [item.topic for item in content.left_out]
    coded += [action.code for plan in content.plans.values() for action in plan.walk()]
    return frozenset(item.code for item in coded if item is not None)


def named_rules(json: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The rules that a case says something about, each with its place below `expect`."""
    expect = json["expect"]
    for number, card in enumerate(expect.get("cards", ())):
        yield f"cards[{number}].rule", card["rule"]
    for member in ("absent", "shadow"):
        for number, rule in enumerate(expect.get(member, ())):
            yield f"{member}[{number}]", rule


def unknown_rules(
    json: Mapping[str, Any], known: AbstractSet[str], file: str
) -> Iterator[ContentError]:
    """The rules that a case names and no card can carry.

    One that is excluded and misspelt would be absent for ever.
    """
    for place, rule in named_rules(json):
        if rule not in known:
            yield ContentError(
                f"no card of this guideline carries the rule '{rule}'",
                code="unknown-rule",
                hint=did_you_mean(rule, known) or "a rule is the code of a plan's topic",
                where=Where(file, f"expect.{place}"),
            )
