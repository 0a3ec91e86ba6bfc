"""Guidelines: every plan as a clinician reads it, with its cases run as the page is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from flask import Blueprint, g, request

from cds_service.authoring import cases, guideline_cards
from cds_service.authoring.guideline_cards import Rule
from cds_service.engine.canonicals import QUALITY_OF_EVIDENCE, STRENGTH_OF_RECOMMENDATION
from cds_service.errors import ContentError, UnknownService, did_you_mean, short
from cds_service.hooks import languages
from cds_service.hooks.service import PROFILES
from cds_service.versions import precedence
from cds_service.web.workbench import card_view, flow_chart, why
from cds_service.web.workbench.condition_words import ConditionWords
from cds_service.web.workbench.seen import Seen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from cds_service.authoring.cases import CaseResult
    from cds_service.data.plan_library import PlanLibrary
    from cds_service.engine import Plan, Service
    from cds_service.hooks.service import HookService
    from cds_service.web.workbench.bench import Bench


@dataclass(frozen=True, slots=True)
class Listed:
    """One plan in the list: where its file lies, and the services that show it."""

    plan: Plan
    file: PurePath
    services: tuple[Service, ...]
    has_versions: bool = False

    @property
    def topic(self) -> str:
        """The folder that it lies in, as the author named it."""
        return self.file.parts[0]

    def description(self, said: ConditionWords) -> str:
        """What it is for, in the reader's language; a strategy's with the profiles it knows."""
        own = next((item for item in self.services if item.plan is self.plan), None)
        if own is None:
            return said(str(self.plan.json.get("description", "")))
        return languages.plain_text(own.description, said.language, {"profile": PROFILES})


@dataclass(frozen=True, slots=True)
class Codes:
    """A value set that a plan names, with the codes that it lists."""

    name: str
    codings: tuple[dict[str, Any], ...]


def routes(bench: Bench) -> Blueprint:
    """The list of plans, and a page for each."""
    pages = Blueprint("guidelines", __name__)
    coverage_of = Seen()

    @pages.get("/guidelines")
    def plans() -> str:
        """Every plan, by topic; the strategies, which name the others, first."""
        listed = list(_listed(bench.hooks.library))
        topics = sorted({item.topic for item in listed}, key=lambda name: name != "strategies")
        grouped = [(topic, [item for item in listed if item.topic == topic]) for topic in topics]
        said = ConditionWords.of(bench.hooks.library, g.words.language)
        return bench.page("guidelines.html", here="guidelines", topics=grouped, said=said)

    @pages.get("/guidelines/<plan_id>")
    def plan(plan_id: str) -> str:
        """One plan: what it says and when, its sources, its codes and its cases."""
        library = bench.hooks.library
        listed = find(plan_id, library)
        wanted = listed.plan
        results, broken = run_cases(listed, bench.hooks, bench.settings.zone)
        if request.args.get("cases") == "all":
            coverage_of.count_all(bench.hooks, bench.settings.zone)
        seen = coverage_of.by(results, wanted.id, library)
        own = [service for service in listed.services if service.plan is wanted]
        rule, said = _rule(listed, library), ConditionWords.of(library, g.words.language)
        return bench.page(
            "guideline.html",
            here="guidelines",
            listed=listed,
            plan=wanted,
            language=said.language,
            said=said,
            is_strategy=listed.topic == "strategies",
            codes=list(_codes(wanted, library)),
            rule=rule,
            urgency={card.action.key_in_files: rule.indicators_of(card) for card in rule.cards},
            profiles=PROFILES,
            strength=_grade(wanted, STRENGTH_OF_RECOMMENDATION),
            evidence=_grade(wanted, QUALITY_OF_EVIDENCE),
            charts=[(service, flow_chart.of(service, g.words, said)) for service in own],
            seen=seen,
            versions=_versions(wanted, library),
            results=results,
            broken=broken,
        )

    @pages.get("/guidelines/<plan_id>/cases/<name>")
    def case(plan_id: str, name: str) -> str:
        """One case: what it shows now, and why each recommendation of its call spoke or not."""
        library, zone = bench.hooks.library, bench.settings.zone
        listed = find(plan_id, library)
        path = _case_file(listed, library, name)
        result = cases.run(cases.read(path), bench.traced.service(), zone)
        services = library.services.values()
        keys = {key for service in services for key in service.prefetch}
        answer, said = result.answer, ConditionWords.of(library, g.words.language)
        return bench.page(
            "case.html",
            here="guidelines",
            plan=listed.plan,
            language=said.language,
            file=path.relative_to(library.directory),
            shown=result,
            cards=card_view.views(answer.response["cards"]) if answer else [],
            told=why.explained(answer, said=said, keys=keys) if answer else None,
            fixed=True,
        )

    return pages


def _rule(listed: Listed, library: PlanLibrary) -> Rule:
    """The plan as the guideline document reads it: which card it can show in which profile."""
    plan = listed.plan
    return Rule(
        plan=plan,
        file=listed.file,
        hooks=tuple(service.hook for service in listed.services),
        cards=guideline_cards.cards_of(plan),
        definitions=guideline_cards.definitions_of(plan, library),
    )


def _grade(plan: Plan, url: str) -> str | None:
    """What the plan says of its strength or evidence in words; None where it does not."""
    extensions = plan.json.get("extension", ())
    found = (item.get("valueCodeableConcept") for item in extensions if item.get("url") == url)
    return next((str(item["text"]) for item in found if item and item.get("text")), None)


def _case_file(listed: Listed, library: PlanLibrary, name: str) -> Path:
    """The case of this file name beside a plan; raises UnknownService."""
    files = cases.case_files(library.directory / listed.file.parent)
    names = {path.name: path for path in files}
    if name not in names:
        raise UnknownService(
            f"there is no case '{short(name)}' beside {listed.plan.id}",
            hint=did_you_mean(name, names) or "the page of the plan lists its cases",
        )
    return names[name]


def find(plan_id: str, library: PlanLibrary) -> Listed:
    """The plan with this id, and where it is; raises UnknownService naming the closest ids."""
    wanted = library.plan(plan_id)
    return next(item for item in _listed(library) if item.plan.id == wanted.id)


def _listed(library: PlanLibrary) -> Iterator[Listed]:
    files = {source.versioned: PurePath(source.file) for source in library.content.sources}
    shown = {
        service.id: {plan.versioned for plan in service.plan.reached_plans()}
        for service in library.services.values()
    }
    for plan in library.content.plans.values():
        services = tuple(
            service for service in library.services.values() if plan.versioned in shown[service.id]
        )
        has_versions = len(library.content.versions.of(plan.canonical)) > 1
        yield Listed(plan, files[plan.versioned], services, has_versions)


def _versions(plan: Plan, library: PlanLibrary) -> list[tuple[Plan, bool]]:
    """Every version of the plan, the newest first, and whether its url alone names it."""
    content = library.content
    found = [item for item in content.plans.values() if item.canonical == plan.canonical]
    found.sort(key=lambda item: precedence(item.version), reverse=True)
    return [(item, content.plans.get(item.canonical) is item) for item in found]


def _codes(plan: Plan, library: PlanLibrary) -> Iterator[Codes]:
    """The value sets that the plan's own expressions name, in order of their names."""
    expressions = "\n".join(_expressions(plan.json))
    for name in sorted(library.content.value_sets.names):
        if f"'{name}'" in expressions:
            yield Codes(name, tuple(library.content.value_sets.codings(name)))


def _expressions(json: object) -> Iterator[str]:
    """Every FHIRPath text in a resource."""
    if isinstance(json, dict):
        if isinstance(json.get("expression"), str):
            yield json["expression"]
        for value in json.values():
            yield from _expressions(value)
    elif isinstance(json, list):
        for value in json:
            yield from _expressions(value)


def run_cases(
    listed: Listed, hooks: HookService, zone: ZoneInfo
) -> tuple[list[CaseResult], list[ContentError]]:
    """The results of the plan's cases with these services, and the files that are no case."""
    folder = hooks.library.directory / listed.file.parent
    results, broken = [], []
    for path in cases.case_files(folder):
        try:
            results.append(cases.run(cases.read(path), hooks, zone))
        except ContentError as problem:
            broken.append(problem)
    return results, broken
