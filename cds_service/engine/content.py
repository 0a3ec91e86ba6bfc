"""All guideline resources of a folder → compiled content, or every problem in it at once."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from cds_service import fhir_json
from cds_service.engine.linking import Linker
from cds_service.engine.plan_definition import HOOK_NAME, Service
from cds_service.engine.scope import THE_PATIENT, requirements_in
from cds_service.engine.source import Problems, steps_of
from cds_service.engine.texts import messages_in, text_of, translation_notes
from cds_service.errors import ContentErrors
from cds_service.terminology import ValueSets
from cds_service.versions import Versions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cds_service.engine.plan_definition import Action, Activity, LeftOut, Plan
    from cds_service.engine.source import Element, Source
    from cds_service.errors import ContentError
    from cds_service.messages import Text


_NONE: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Content:
    """Compiled guideline content: plans by canonical, services by id, and the value sets.

    `activities` are the ActivityDefinitions by `url|version`, used by a plan or not.

    The plan that a url without a version names stands under its url, each other version of it
    under `url|version`. `strategies` are the services of every version, also of those that answer
    nobody, by `url|version` of the plan and by hook.
    `unsupported` lists what was understood but cannot be evaluated (CQL): the actions that hold
    it get the verdict *error*, the others work. `left_out` are definitions that have `problems`
    and were left out, where that is wanted.
    """

    plans: Mapping[str, Plan]
    activities: Mapping[str, Activity]
    services: Mapping[str, Service]
    strategies: Mapping[tuple[str, str], Service]
    versions: Versions[Source | LeftOut]
    value_sets: ValueSets
    messages: Mapping[str, Text]
    sources: tuple[Source, ...]
    unsupported: tuple[ContentError, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    problems: tuple[ContentError, ...] = ()
    is_traced: bool = False

    def is_in_force(self, source: Source) -> bool:
        """Whether this file is what its url names without a version."""
        return self.versions.is_in_force(source.canonical, source.version)

    def name_of(self, source: Source) -> str:
        """The canonical of this file: its url where that names it, else `url|version`."""
        return source.canonical if self.is_in_force(source) else source.versioned

    def other_versions(self, source: Source) -> list[str]:
        """The other versions with the url of this file, the newest first, with their status."""
        found = self.versions.of(source.canonical)
        return [str(item) for item in found if item.number != source.version]


def compile_content(
    sources: Iterable[Source], *, traced: bool = False, forced: Mapping[str, str | None] = _NONE
) -> Content:
    """Compile every resource; `traced` weaves the observer in that explanations need.

    `forced` are urls of which every reference names this version, whichever it says.

    Raises ContentErrors with all problems, each with file, FHIR path, line and column.
    """
    return compile_parts(tuple(sources), traced=traced, forced=forced)[0]


def compile_parts(
    every: tuple[Source, ...],
    linker: Linker | None = None,
    *,
    traced: bool = False,
    left_out: Mapping[str, LeftOut] | None = None,
    forced: Mapping[str, str | None] = _NONE,
) -> tuple[Content, Linker]:
    """The content, and the linker that holds its parts; one that is given holds some already.

    Its value sets and canonicals must be those of the same files. `left_out` is what the files
    may refer to without bringing it, by `url|version`.
    """
    if linker is None:
        problems = Problems()
        versions = _versions(every, left_out or {}, problems, forced)
        value_sets, messages = _value_sets(every, problems), messages_in(every, problems)
        linker = Linker(versions, value_sets, messages, problems, traced, left_out=left_out)
    problems = linker.problems
    for source in _of_type(every, "ActivityDefinition"):
        linker.activity(source.root)
    for source in _of_type(every, "PlanDefinition"):
        linker.plan(source.root)
    strategies = [
        (source, service)
        for source in _of_type(every, "PlanDefinition")
        for service in _services(source.root, linker)
    ]
    if problems.found:
        raise ContentErrors(_once(problems.found))
    unsupported = tuple(_once(problems.unsupported))
    return _content(every, linker, strategies, unsupported), linker


def _content(
    every: tuple[Source, ...],
    linker: Linker,
    strategies: Iterable[tuple[Source, Service]],
    unsupported: tuple[ContentError, ...],
) -> Content:
    """What was compiled; the version in force under its url, and as the service that answers."""
    versions = linker.versions
    names = {
        source.versioned: source.canonical
        for source in every
        if versions.is_in_force(source.canonical, source.version)
    }
    return Content(
        plans={names.get(key, key): plan for key, plan in linker.plans.items()},
        activities=dict(linker.activities),
        services={
            service.id: service for source, service in strategies if source.versioned in names
        },
        strategies={(source.versioned, service.hook): service for source, service in strategies},
        versions=versions,
        value_sets=linker.value_sets,
        messages=linker.messages,
        sources=every,
        unsupported=unsupported,
        is_traced=linker.traced,
    )


def _once(problems: Iterable[ContentError]) -> list[ContentError]:
    """The problems without repetitions (a definition used twice is wrong once)."""
    return list({str(problem): problem for problem in problems}.values())


def _of_type(sources: Iterable[Source], resource_type: str) -> Iterator[Source]:
    return (item for item in sources if item.resource.get("resourceType") == resource_type)


_SEVERAL = frozenset(
    {"PlanDefinition", "ActivityDefinition", "Library", "ValueSet", "Questionnaire"}
)
"""The types of which several versions may stand side by side."""


def _versions(
    sources: Iterable[Source],
    left_out: Mapping[str, LeftOut],
    problems: Problems,
    forced: Mapping[str, str | None],
) -> Versions[Source | LeftOut]:
    """The files by the url of their resource; a missing or taken name is a problem."""
    taken: dict[str, dict[str | None, Source]] = {}
    ids: dict[tuple[str, str], Source] = {}
    for source in sources:
        if not source.canonical:
            problems.add(source.root.problem("the resource has no url", code="no-url"))
            continue
        _check_url(source, taken.setdefault(source.canonical, {}), problems)
        key = str(source.resource.get("resourceType")), source.id
        if key in ids:
            message = f"{'/'.join(key)} is in {ids[key].file} already"
            hint = "each file has an id of its own; what versions have in common is the url"
            problems.add(source.root.problem(message, "id", code="duplicate-id", hint=hint))
        ids.setdefault(key, source)
    found: list[tuple[Mapping[str, Any], Source | LeftOut]] = [
        (source.resource, source) for source in sources if _is_usable(source.canonical)
    ]
    found += [
        ({"url": item.url, "version": item.version, "status": item.status}, item)
        for item in left_out.values()
    ]
    return Versions(found, forced)


def _is_usable(url: str) -> bool:
    """Whether a reference can name this url: behind a bar it names a version."""
    return bool(url) and "|" not in url


def _check_url(source: Source, taken: dict[str | None, Source], problems: Problems) -> None:
    """Keep the url of this file; it may be that of other versions, never of something else."""
    if not _is_usable(source.canonical):
        url, _, version = source.canonical.partition("|")
        message = f"nothing can refer to the url {source.canonical}: a '|' begins a version"
        hint = f"write {url} as url and {version or 'its version'} as version"
        problems.add(source.root.problem(message, "url", code="unusable-url", hint=hint))
    other = taken.get(source.version)
    if other is None and taken:
        first = next(iter(taken.values()))
        kinds = {str(item.resource.get("resourceType")) for item in (source, first)}
        other = None if len(kinds) == 1 and kinds <= _SEVERAL else first
    if other is not None:
        message = f"the url {source.versioned} is already taken by {other.file}"
        hint = "versions of one plan, activity, Library or value set differ in `version`"
        problems.add(source.root.problem(message, "url", code="duplicate-url", hint=hint))
    taken.setdefault(source.version, source)


def _value_sets(sources: Iterable[Source], problems: Problems) -> ValueSets:
    """The value sets of all files; what is wrong with one is told at its place in its file."""
    holders: dict[int, Element] = {}
    resources: list[Mapping[str, Any]] = []
    for resource, holder in _terminology(sources):
        resources.append(resource)
        holders[id(resource)] = holder
    value_sets = ValueSets(resources)
    for problem in value_sets.problems:
        problem.where = holders[id(problem.resource)].nearest(*steps_of(f".{problem.at}"))
        problems.add(problem)
    return value_sets


def _terminology(sources: Iterable[Source]) -> Iterator[tuple[Mapping[str, Any], Element]]:
    """The ValueSet and CodeSystem resources, each with the element that holds it."""
    for source in sources:
        if source.resource.get("resourceType") in ("ValueSet", "CodeSystem"):
            yield source.resource, source.root
        for contained in source.root.elements("contained"):
            if contained.json.get("resourceType") == "ValueSet":
                yield _contained(source, contained.json), contained


def _reads_the_patient(action: Action) -> bool:
    """Whether an expression of this action reads the subject, by a name or as where it starts."""
    names = {"patient", "resource", "rootResource", "subject"}
    return any(not names.isdisjoint(item.program.reads) for item in action.expressions())


def _contained(source: Source, resource: Mapping[str, Any]) -> dict[str, Any]:
    """A contained ValueSet under what `#id` stands for in its file."""
    url = source.contained(f"#{resource.get('id')}")
    return {**{key: value for key, value in resource.items() if key != "id"}, "url": url}


def _services(root: Element, linker: Linker) -> Iterator[Service]:
    """One service for each hook that triggers the plan (DISC-25: distinct ids).

    A named event that cannot be the name of a hook is not one (noun-verb, dots before it). The id
    is the last part of the plan's url: it stays when the plan gets a new version.
    """
    plan = linker.plans.get(root.source.versioned)
    hooks = [
        str(trigger.json["name"])
        for action in root.elements("action")
        for trigger in action.elements("trigger")
        if trigger.json.get("type") == "named-event"
        and HOOK_NAME.fullmatch(trigger.string("name") or "")
    ]
    title = text_of(root, "title", linker.problems)
    description = text_of(root, "description", linker.problems)
    if plan is None or not hooks:
        return
    if title is None or description is None:
        linker.problems.add(
            root.problem("a plan with a trigger needs title and description", code="service")
        )
        return
    tail = root.source.canonical.rsplit("/", 1)[-1]
    service_id = tail if fhir_json.ID.fullmatch(tail) else plan.id
    requirements = requirements_in(linker.libraries(root), "dataRequirement", linker.problems)
    requirements |= requirements_in(root.elements("action"), "input", linker.problems)
    if any(_reads_the_patient(action) for action in plan.reached()):
        requirements.setdefault(THE_PATIENT.key, THE_PATIENT)
    for hook in hooks:
        yield Service(
            id=service_id if len(hooks) == 1 else f"{service_id}-{hook}",
            hook=hook,
            title=title,
            description=description,
            usage=text_of(root, "usage", linker.problems),
            plan=plan,
            requirements=tuple(requirements.values()),
            translation_notes=translation_notes(root),
        )
