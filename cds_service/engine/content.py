"""All guideline resources of a folder → compiled content, or every problem in it at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cds_service import fhirpath
from cds_service.engine.actions import ActionCompiler, coded_in, compile_dynamic_values, text_of
from cds_service.engine.activity_definition import KINDS
from cds_service.engine.canonicals import CARD_BUDGET
from cds_service.engine.plan_definition import (
    Action,
    Activity,
    CardBudget,
    Plan,
    Service,
    Text,
)
from cds_service.engine.scope import REQUEST_TYPES, Scope, Written, definitions_in, requirements_in
from cds_service.engine.source import Element, Problems, Source
from cds_service.errors import ContentError, ContentErrors, did_you_mean
from cds_service.terminology import ValueSets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Content:
    """Compiled guideline content: plans by canonical URL, services by id, and the value sets."""

    plans: Mapping[str, Plan]
    services: Mapping[str, Service]
    value_sets: ValueSets
    sources: tuple[Source, ...]


def compile_content(sources: Iterable[Source], *, traced: bool = False) -> Content:
    """Compile every resource; `traced` weaves the observer in that explanations need.

    Raises ContentErrors with all problems, each with file, FHIR path, line and column.
    """
    compiler = _ContentCompiler(tuple(sources), traced=traced)
    content = compiler.compile()
    if compiler.problems.found:
        raise ContentErrors(_once(compiler.problems.found))
    return content


def _once(problems: Iterable[ContentError]) -> list[ContentError]:
    """The problems without repetitions (a definition used twice is wrong once)."""
    return list({str(problem): problem for problem in problems}.values())


@dataclass(slots=True)
class _ContentCompiler:
    sources: tuple[Source, ...]
    traced: bool
    problems: Problems = field(default_factory=Problems)
    value_sets: ValueSets = field(init=False)
    by_canonical: dict[str, Source] = field(init=False)
    plans: dict[str, Plan] = field(default_factory=dict)
    activities: dict[str, Activity] = field(default_factory=dict)
    underway: list[str] = field(default_factory=list)
    scopes: dict[tuple[str, ...], Scope] = field(default_factory=dict)

    def compile(self) -> Content:
        self.by_canonical = self._index()
        self.value_sets = self._value_sets()
        for source in self._of_type("ActivityDefinition"):
            self._activity(source)
        for source in self._of_type("PlanDefinition"):
            self._plan(source)
        services = {service.id: service for service in self._services()}
        return Content(self.plans, services, self.value_sets, self.sources)

    def _of_type(self, resource_type: str) -> list[Source]:
        return [item for item in self.sources if item.resource.get("resourceType") == resource_type]

    def _index(self) -> dict[str, Source]:
        index: dict[str, Source] = {}
        for source in self.sources:
            if not source.canonical:
                self.problems.add(source.root.problem("the resource has no url", code="no-url"))
            elif source.canonical in index:
                other = index[source.canonical].file
                self.problems.add(
                    source.root.problem(
                        f"the url {source.canonical} is already taken by {other}",
                        "url",
                        code="duplicate-url",
                    )
                )
            else:
                index[source.canonical] = source
        return index

    def _value_sets(self) -> ValueSets:
        resources: list[Mapping[str, Any]] = []
        for source in self.sources:
            if source.resource.get("resourceType") in {"ValueSet", "CodeSystem"}:
                resources.append(source.resource)
            resources.extend(
                _contained(source, contained.json)
                for contained in source.root.elements("contained")
                if contained.json.get("resourceType") == "ValueSet"
            )
        value_sets = ValueSets(resources)
        self.problems.found.extend(value_sets.problems)
        return value_sets

    # -- scopes -----------------------------------------------------------------------------

    def _library_sources(self, owner: Element) -> list[Source]:
        found: list[Source] = []
        for index, canonical in enumerate(owner.json.get("library", ())):
            source = self.by_canonical.get(str(canonical).split("|", 1)[0])
            if source is None or source.resource.get("resourceType") != "Library":
                self.problems.add(self._unknown(owner, str(canonical), "library", index))
            else:
                found.append(source)
        return found

    def _scope(self, owner: Element) -> Scope:
        """The scope of a plan or activity: its Libraries (shared), then its own definitions."""
        libraries = self._library_sources(owner)
        key = tuple(source.canonical for source in libraries)
        if key not in self.scopes:
            self.scopes[key] = self._library_scope(libraries)
        return self.scopes[key].extend(definitions_in(owner, self.problems), {})

    def _library_scope(self, libraries: Sequence[Source]) -> Scope:
        roots = [source.root for source in libraries]
        written: list[Written] = []
        for root in roots:
            written.extend(definitions_in(root, self.problems))
        requirements = requirements_in(roots, "dataRequirement", self.problems)
        types = {name: item.resource_type for name, item in requirements.items()}
        library = fhirpath.Library(
            definitions={item.definition.name: item.definition for item in written},
            types={**REQUEST_TYPES, **types},
            value_sets=self.value_sets,
            strict_variables=True,
            root_type="Patient",
        )
        scope = Scope(library, tuple(written), self.traced)
        self.problems.found.extend(scope.broken_definitions())
        return scope

    # -- definitions ------------------------------------------------------------------------

    def _link(self, element: Element, canonical: str) -> Plan | Activity | None:
        url = canonical.split("|", 1)[0]
        source = self.by_canonical.get(url)
        resource_type = source.resource.get("resourceType") if source else None
        if source is not None and resource_type == "PlanDefinition":
            return self._plan(source, element)
        if source is not None and resource_type == "ActivityDefinition":
            return self._activity(source)
        self.problems.add(self._unknown(element, canonical, "definitionCanonical"))
        return None

    def _unknown(self, element: Element, canonical: str, *steps: str | int) -> ContentError:
        return element.problem(
            f"nothing with the url {canonical} is loaded",
            *steps,
            code="unknown-canonical",
            hint=did_you_mean(canonical, self.by_canonical),
        )

    def _activity(self, source: Source) -> Activity:
        if source.canonical not in self.activities:
            root = source.root
            kind = root.string("kind")
            if kind not in KINDS:
                self.problems.add(
                    root.problem(
                        f"the kind '{kind}' cannot be instantiated; known: {', '.join(KINDS)}",
                        "kind",
                        code="activity-kind",
                    )
                )
            values = compile_dynamic_values(root, self._scope(root), self.problems)
            self.activities[source.canonical] = Activity(source.canonical, source.resource, values)
        return self.activities[source.canonical]

    def _plan(self, source: Source, referrer: Element | None = None) -> Plan | None:
        url = source.canonical
        if url in self.plans:
            return self.plans[url]
        if url in self.underway:
            cycle = " → ".join([*self.underway[self.underway.index(url) :], url])
            self.problems.add(
                (referrer or source.root).problem(
                    f"plans refer to each other in a circle: {cycle}",
                    "definitionCanonical",
                    code="plan-cycle",
                )
            )
            return None
        self.underway.append(url)
        self.plans[url] = plan = self._compile_plan(source)
        self.underway.pop()
        return plan

    def _compile_plan(self, source: Source) -> Plan:
        root = source.root
        compiler = ActionCompiler(self.value_sets, self.problems, self._link)
        budget = root.extension(CARD_BUDGET)
        counted: dict[str, str | None] = {"n": "integer"} if budget else {}
        actions = compiler.compile_all(root, self._scope(root).extend((), counted))
        title = text_of(root, "title")
        if title is None:
            self.problems.add(root.problem("the plan has no title", "title", code="no-title"))
            title = Text(source.canonical, {})
        return Plan(
            id=root.string("id") or source.canonical.rsplit("/", 1)[-1],
            canonical=source.canonical,
            version=root.string("version"),
            title=title,
            publisher=root.string("publisher"),
            topic=coded_in(root.elements("topic")),
            json=source.resource,
            actions=tuple(a for a in actions if not budget or a.key != _part(budget, "overflow")),
            budget=self._budget(budget, actions) if budget else None,
        )

    def _budget(self, extension: Element, actions: Sequence[Action]) -> CardBudget | None:
        limit, overflow = _part(extension, "nonCritical"), _part(extension, "overflow")
        action = next((item for item in actions if item.key == overflow), None)
        if not isinstance(limit, int) or action is None or action.title is None:
            self.problems.add(
                extension.problem(
                    "card-budget needs nonCritical (a number) and overflow (the id of an action "
                    "of this plan that has a title)",
                    code="card-budget",
                )
            )
            return None
        return CardBudget(limit, action)

    # -- services ---------------------------------------------------------------------------

    def _services(self) -> list[Service]:
        return [
            service
            for source in self._of_type("PlanDefinition")
            for service in self._services_of(source)
        ]

    def _services_of(self, source: Source) -> list[Service]:
        root, plan = source.root, self.plans.get(source.canonical)
        hooks = [
            trigger.string("name")
            for action in root.elements("action")
            for trigger in action.elements("trigger")
            if trigger.json.get("type") == "named-event"
        ]
        names = [hook for hook in hooks if hook]
        if plan is None or not names:
            return []
        description, title = root.string("description"), root.string("title")
        if description is None or title is None:
            self.problems.add(
                root.problem("a plan with a trigger needs title and description", code="service")
            )
            return []
        requirements = requirements_in(
            [library.root for library in self._library_sources(root)],
            "dataRequirement",
            self.problems,
        ) | requirements_in(root.elements("action"), "input", self.problems)
        return [
            Service(
                id=plan.id if len(names) == 1 else f"{plan.id}-{hook}",
                hook=hook,
                title=title,
                description=description,
                usage=root.string("usage"),
                plan=plan,
                requirements=tuple(requirements.values()),
            )
            for hook in names
        ]


def _part(extension: Element, url: str) -> object:
    """The value of a nested extension: an integer or a string."""
    part = extension.extension(url)
    if part is None:
        return None
    return part.json.get("valueInteger", part.json.get("valueString"))


def _contained(source: Source, resource: Mapping[str, Any]) -> dict[str, Any]:
    """A contained ValueSet under the name that `#id` stands for: the plan's url, `#`, its id."""
    url = f"{source.canonical}#{resource.get('id')}"
    return {**{key: value for key, value in resource.items() if key != "id"}, "url": url}
