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
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from cds_service.data.plan_library import PlanLibrary
    from cds_service.engine import Content
    from cds_service.hooks.service import HookService

FORCED = "forceArtifactVersion"

_UNFORCED = frozenset({"ValueSet", "CodeSystem"})
"""What a case cannot choose the version of: expansions are made once, before anything else."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What was found out about one library."""

    library: PlanLibrary
    rules: frozenset[str]
    versioned: dict[tuple[str, ...], HookService] = field(default_factory=dict)


_KNOWN: WeakKeyDictionary[HookService, _Known] = WeakKeyDictionary()


def service_for(json: Mapping[str, Any], service: HookService, file: str) -> HookService:
    """The service with the versions in force that a case of `file` names.

    Raises ContentError where one is not loaded, ContentErrors where the content cannot be compiled
    with them, and ContentError for an expected or excluded rule that the guideline does not have.
    """
    known = _known(service)
    check(json, service.library.content, known.rules, file)
    wanted = tuple(json.get(FORCED, ()))
    if not wanted:
        return service
    if wanted not in known.versioned:
        known.versioned[wanted] = _versioned(service, wanted, file)
    return known.versioned[wanted]


def _known(service: HookService) -> _Known:
    known = _KNOWN.get(service)
    if known is None or known.library is not service.library:
        known = _KNOWN[service] = _Known(service.library, rules_in(service.library.content))
    return known


def check(json: Mapping[str, Any], content: Content, rules: AbstractSet[str], file: str) -> None:
    """Raises ContentError for a version or a rule that this content does not have."""
    _refuse_unknown_rules(json["expect"], rules, file)
    for canonical in json.get(FORCED, ()):
        _forced(canonical, content, file)


# -- versions -------------------------------------------------------------------------------


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


def _refuse_unknown_rules(expect: Mapping[str, Any], known: AbstractSet[str], file: str) -> None:
    """A rule that is excluded and misspelt would be absent for ever."""
    named = {
        "cards": [card["rule"] for card in expect.get("cards", ())],
        "absent": expect.get("absent", ()),
        "shadow": expect.get("shadow", ()),
    }
    for member, rules in named.items():
        for rule in rules:
            if rule not in known:
                raise ContentError(
                    f"no card of this guideline carries the rule '{rule}'",
                    code="case",
                    hint=did_you_mean(rule, known) or "a rule is the code of a plan's topic",
                    where=Where(file, f"expect.{member}"),
                )
