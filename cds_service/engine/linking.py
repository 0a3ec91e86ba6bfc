"""What refers to what: plans to plans, activities, questionnaires and libraries, by canonical.

A definition is compiled at its first use and shared; `#id` is a resource contained in the same
file. Circles, and names that nothing answers to, are problems of the element that refers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cds_service import fhirpath
from cds_service.engine.actions import ActionCompiler, coded_in, compile_dynamic_values
from cds_service.engine.activity_definition import KINDS
from cds_service.engine.canonicals import CARD_BUDGET, CARD_FRAME
from cds_service.engine.plan_definition import (
    Activity,
    CardBudget,
    CardFrame,
    Definition,
    LeftOut,
    Plan,
    Questionnaire,
)
from cds_service.engine.quieting import is_quiet_for_encounter, quieting_in
from cds_service.engine.scope import (
    NOT_FHIRPATH,
    REQUEST_TYPES,
    Scope,
    definitions_in,
    requirements_in,
)
from cds_service.engine.texts import text_of
from cds_service.errors import did_you_mean
from cds_service.messages import Text
from cds_service.versions import split

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cds_service.engine.plan_definition import Action, ActionKey
    from cds_service.engine.source import Element, Problems, Source
    from cds_service.errors import ContentError
    from cds_service.terminology import ValueSets
    from cds_service.versions import Versions


@dataclass(slots=True)
class Linker:
    """Compiles plans and activities, each once, and finds what a canonical names.

    With `left_out`, by `url|version`, an action that leads to one of these compiles, and so does
    one that leads to nothing: what it names may stand in a file that cannot be read.
    `kept` are actions that are compiled already. Without `checks`, definitions that nothing uses
    are not looked at.
    """

    versions: Versions[Source | LeftOut]
    value_sets: ValueSets
    messages: Mapping[str, Text]
    problems: Problems
    traced: bool
    plans: dict[str, Plan] = field(default_factory=dict)
    activities: dict[str, Activity] = field(default_factory=dict)
    scopes: dict[tuple[str, ...], tuple[Scope, list[ContentError]]] = field(default_factory=dict)
    left_out: Mapping[str, LeftOut] | None = None
    kept: Mapping[ActionKey, Action] = field(default_factory=dict)
    checks: bool = True
    _underway: list[str] = field(default_factory=list)

    def link(self, element: Element, canonical: str) -> Definition | None:
        """The definition that `element` names; None when it is a problem, which is reported."""
        found = self._found(element, canonical)
        if isinstance(found, LeftOut):
            return found
        root = found
        resource_type = root.json.get("resourceType") if root else None
        if root is not None and resource_type == "PlanDefinition":
            return self.plan(root, element)
        if root is not None and resource_type == "ActivityDefinition":
            return self.activity(root)
        if root is not None and resource_type == "Questionnaire":
            return Questionnaire(root.json)
        problem = self._unusable(element, canonical, resource_type)
        if self.left_out is not None and root is None:
            return self._left_out(canonical, problem)
        self.problems.add(problem)
        return None

    def _unusable(self, element: Element, canonical: str, found: object) -> ContentError:
        """What is wrong with a definitionCanonical; `found` is the type of what it leads to."""
        if found is not None:
            return element.problem(
                f"{canonical} is a {found}, where a plan, activity or questionnaire is needed",
                "definitionCanonical",
                code="unknown-canonical",
            )
        if canonical.startswith("#"):
            return element.problem(
                f"nothing with the id '{canonical[1:]}' is contained in this file",
                "definitionCanonical",
                code="unknown-canonical",
            )
        return self._unknown(element, canonical, "definitionCanonical")

    def _left_out(self, canonical: str, problem: ContentError) -> LeftOut:
        """What stands for a definition that may be in a file which cannot be read."""
        self.problems.unsupported.append(problem)
        url, version = split(canonical)
        id_ = url.rsplit("/", 1)[-1]
        return LeftOut(id_, url, version, "", Text(id_, {}), None, str(problem))

    def _found(self, element: Element, canonical: str) -> Element | LeftOut | None:
        """What the canonical names: a resource contained in this file, or another file."""
        if canonical.startswith("#"):
            contained = element.source.root.elements("contained")
            return next((item for item in contained if item.json.get("id") == canonical[1:]), None)
        found = self.versions.find(canonical)
        return found if found is None or isinstance(found, LeftOut) else found.root

    def _unknown(self, element: Element, canonical: str, *steps: str | int) -> ContentError:
        without = self.versions.without(canonical)
        if without is not None:
            hint = "name a version that is loaded, or leave it out for the newest active one"
            return element.problem(without, *steps, code="unknown-version", hint=hint)
        return element.problem(
            f"nothing with the url {canonical} is loaded",
            *steps,
            code="unknown-canonical",
            hint=did_you_mean(canonical, self.versions),
        )

    # -- libraries --------------------------------------------------------------------------

    def libraries(self, owner: Element) -> list[Element]:
        """The Libraries that a plan or an activity lists."""
        found: list[Element] = []
        for index, canonical in enumerate(owner.json.get("library", ())):
            root = self._found(owner, str(canonical))
            if not isinstance(root, LeftOut) and root and root.json["resourceType"] == "Library":
                found.append(root)
            else:
                self.problems.add(self._no_library(owner, str(canonical), root, index))
        return found

    def _no_library(
        self, owner: Element, canonical: str, found: Element | LeftOut | None, index: int
    ) -> ContentError:
        if found is None:
            return self._unknown(owner, canonical, "library", index)
        message = f"nothing with the url {canonical} is loaded: it was left out"
        if not isinstance(found, LeftOut):
            message = f"{canonical} is a {found.json['resourceType']}, where a Library is needed"
        return owner.problem(message, "library", index, code="unknown-canonical")

    def _scope(self, owner: Element) -> Scope:
        """The scope of a plan or activity: its Libraries (shared), then its own definitions."""
        scope, broken = self._libraries_scope(tuple(self.libraries(owner)))
        self.problems.found.extend(broken)
        broken.clear()  # each is reported once
        return scope.extend(definitions_in(owner, self.problems), {})

    def _libraries_scope(self, libraries: tuple[Element, ...]) -> tuple[Scope, list[ContentError]]:
        """The scope of these Libraries and what is wrong in it, made once for each list of them."""
        key = tuple(library.source.versioned for library in libraries)
        if key not in self.scopes:
            scope = self._built_on_others(libraries) or self._library_scope(libraries)
            self.scopes[key] = scope, scope.broken_definitions() if self.checks else []
        return self.scopes[key]

    def _built_on_others(self, libraries: tuple[Element, ...]) -> Scope | None:
        """The scope of the Libraries before the last one, and on top of it the last one's names.

        What many plans have in common is then compiled once, and evaluated once per request. None
        where that would change a meaning: the last one brings data, takes a name that is taken, or
        is needed by those before it.
        """
        others, last = libraries[:-1], libraries[-1:]
        if not others or last[0].json.get("dataRequirement"):
            return None
        base, broken = self._libraries_scope(others)
        written = definitions_in(last[0], self.problems)
        taken = {item.definition.name for item in base.written}
        if broken or taken & {item.definition.name for item in written}:
            return None
        return base.extend(written, {})

    def _library_scope(self, libraries: Sequence[Element]) -> Scope:
        written = [item for root in libraries for item in definitions_in(root, self.problems)]
        requirements = requirements_in(libraries, "dataRequirement", self.problems)
        types = {name: item.resource_type for name, item in requirements.items()}
        library = fhirpath.Library(
            definitions={item.definition.name: item.definition for item in written},
            types={**REQUEST_TYPES, NOT_FHIRPATH: None, **types},
            value_sets=self.value_sets,
            messages=self.messages,
            strict_variables=True,
            root_type="Patient",
        )
        return Scope(library, tuple(written), self.traced)

    # -- definitions ------------------------------------------------------------------------

    def activity(self, root: Element) -> Activity:
        """The ActivityDefinition at this element, compiled."""
        key = canonical_of(root)
        if key not in self.activities:
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
            self.activities[key] = Activity(key, root.json, values)
        return self.activities[key]

    def plan(self, root: Element, referrer: Element | None = None) -> Plan | None:
        """The PlanDefinition at this element, compiled; None when it is part of a circle."""
        key = canonical_of(root)
        if key in self.plans:
            return self.plans[key]
        if key in self._underway:
            cycle = " → ".join([*self._underway[self._underway.index(key) :], key])
            self.problems.add(
                (referrer or root).problem(
                    f"plans refer to each other in a circle: {cycle}",
                    "definitionCanonical",
                    code="plan-cycle",
                )
            )
            return None
        self._underway.append(key)
        self.plans[key] = plan = self._compile_plan(
            root, key if root.steps else root.source.canonical
        )
        self._underway.pop()
        return plan

    def _compile_plan(self, root: Element, canonical: str) -> Plan:
        compiler = ActionCompiler(self.value_sets, self.problems, self.link, self.kept)
        budget, frame = root.extension(CARD_BUDGET), root.extension(CARD_FRAME)
        scope = self._scope(root)
        filled: dict[str, str | None] = {"n": "integer"} if budget else {}
        filled |= {"validUntil": "date"} if frame else {}
        actions = compiler.compile_all(root, scope.extend((), filled))
        apart = {_part(budget, "overflow"), _part(frame, "expired"), _part(frame, "closing")}
        title = text_of(root, "title", self.problems)
        if title is None:
            self.problems.add(root.problem("the plan has no title", "title", code="no-title"))
            title = Text(canonical, {})
        return Plan(
            id=root.string("id") or canonical.rsplit("/", 1)[-1],
            canonical=canonical,
            version=root.string("version"),
            title=title,
            publisher=text_of(root, "publisher", self.problems),
            topic=coded_in(root.elements("topic"), self.value_sets, self.problems),
            json=root.json,
            actions=tuple(action for action in actions if action.key not in apart),
            budget=self._budget(budget, actions) if budget else None,
            frame=self._frame(frame, actions) if frame else None,
            quieting=quieting_in(root, scope, self.problems),
            is_quiet_for_encounter=is_quiet_for_encounter(root, self.problems),
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

    def _frame(self, extension: Element, actions: Sequence[Action]) -> CardFrame | None:
        texts = {action.key: action.description for action in actions}
        expired = texts.get(str(_part(extension, "expired")))
        closing = texts.get(str(_part(extension, "closing")))
        if expired is None or closing is None:
            self.problems.add(
                extension.problem(
                    "card-frame needs expired and closing, each the id of an action of this plan "
                    "that has a description",
                    code="card-frame",
                )
            )
            return None
        return CardFrame(expired, closing)


def canonical_of(root: Element) -> str:
    """`url|version` of a definition; for a contained one that of the file, and `#id`."""
    if not root.steps:
        return root.source.versioned
    return f"{root.source.versioned}#{root.json.get('id')}"


def _part(extension: Element | None, url: str) -> object:
    """The value of a nested extension: an integer or a string; None where there is none."""
    part = extension.extension(url) if extension else None
    if part is None:
        return None
    return part.json.get("valueInteger", part.json.get("valueString"))
