"""All guideline resources of a folder → compiled content, or every problem in it at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cds_service.engine.linking import Linker
from cds_service.engine.plan_definition import HOOK_NAME, Service
from cds_service.engine.scope import requirements_in
from cds_service.engine.source import Problems, steps_of
from cds_service.engine.texts import messages_in, text_of, translation_notes
from cds_service.errors import ContentErrors
from cds_service.terminology import ValueSets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cds_service.engine.plan_definition import LeftOut, Plan
    from cds_service.engine.source import Element, Source
    from cds_service.errors import ContentError
    from cds_service.messages import Text


@dataclass(frozen=True, slots=True)
class Content:
    """Compiled guideline content: plans by canonical URL, services by id, and the value sets.

    `unsupported` lists what was understood but cannot be evaluated (CQL): the actions that hold
    it get the verdict *error*, the others work. `left_out` are definitions that have `problems`
    and were left out, where that is wanted.
    """

    plans: Mapping[str, Plan]
    services: Mapping[str, Service]
    value_sets: ValueSets
    messages: Mapping[str, Text]
    sources: tuple[Source, ...]
    unsupported: tuple[ContentError, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    problems: tuple[ContentError, ...] = ()


def compile_content(sources: Iterable[Source], *, traced: bool = False) -> Content:
    """Compile every resource; `traced` weaves the observer in that explanations need.

    Raises ContentErrors with all problems, each with file, FHIR path, line and column.
    """
    return compile_parts(tuple(sources), traced=traced)[0]


def compile_parts(
    every: tuple[Source, ...],
    linker: Linker | None = None,
    *,
    traced: bool = False,
    left_out: Mapping[str, LeftOut] | None = None,
) -> tuple[Content, Linker]:
    """The content, and the linker that holds its parts; one that is given holds some already.

    Its value sets and canonicals must be those of the same files. `left_out` is what the files
    may refer to without bringing it, by url.
    """
    if linker is None:
        problems = Problems()
        by_canonical = _index(every, problems)
        value_sets, messages = _value_sets(every, problems), messages_in(every, problems)
        linker = Linker(by_canonical, value_sets, messages, problems, traced, left_out=left_out)
    problems = linker.problems
    for source in _of_type(every, "ActivityDefinition"):
        linker.activity(source.root)
    for source in _of_type(every, "PlanDefinition"):
        linker.plan(source.root)
    services = {
        service.id: service
        for source in _of_type(every, "PlanDefinition")
        for service in _services(source.root, linker)
    }
    if problems.found:
        raise ContentErrors(_once(problems.found))
    unsupported = tuple(_once(problems.unsupported))
    content = Content(
        linker.plans, services, linker.value_sets, linker.messages, every, unsupported
    )
    return content, linker


def _once(problems: Iterable[ContentError]) -> list[ContentError]:
    """The problems without repetitions (a definition used twice is wrong once)."""
    return list({str(problem): problem for problem in problems}.values())


def _of_type(sources: Iterable[Source], resource_type: str) -> Iterator[Source]:
    return (item for item in sources if item.resource.get("resourceType") == resource_type)


def _index(sources: Iterable[Source], problems: Problems) -> dict[str, Source]:
    """The files by the url of their resource; a missing or taken url is a problem."""
    index: dict[str, Source] = {}
    for source in sources:
        if not source.canonical:
            problems.add(source.root.problem("the resource has no url", code="no-url"))
        elif source.canonical in index:
            other = index[source.canonical].file
            message = f"the url {source.canonical} is already taken by {other}"
            problems.add(source.root.problem(message, "url", code="duplicate-url"))
        else:
            index[source.canonical] = source
    return index


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


def _contained(source: Source, resource: Mapping[str, Any]) -> dict[str, Any]:
    """A contained ValueSet under the name that `#id` stands for: the plan's url, `#`, its id."""
    url = f"{source.canonical}#{resource.get('id')}"
    return {**{key: value for key, value in resource.items() if key != "id"}, "url": url}


def _services(root: Element, linker: Linker) -> Iterator[Service]:
    """One service for each hook that triggers the plan (DISC-25: distinct ids).

    A named event that cannot be the name of a hook is not one (noun-verb, dots before it).
    """
    plan = linker.plans.get(root.source.canonical)
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
    requirements = requirements_in(linker.libraries(root), "dataRequirement", linker.problems)
    requirements |= requirements_in(root.elements("action"), "input", linker.problems)
    for hook in hooks:
        yield Service(
            id=plan.id if len(hooks) == 1 else f"{plan.id}-{hook}",
            hook=hook,
            title=title,
            description=description,
            usage=text_of(root, "usage", linker.problems),
            plan=plan,
            requirements=tuple(requirements.values()),
            translation_notes=translation_notes(root),
        )
