"""PlanDefinition.action JSON → compiled actions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cds_service.engine.action_codes import CODES, refusal
from cds_service.engine.canonicals import (
    ACTION_RESOURCE,
    APPLICABILITY_BEHAVIOR,
    FOR_EACH,
    OVERRIDE_REASONS,
    SHADOW,
)
from cds_service.engine.plan_definition import (
    Action,
    Coded,
    Condition,
    Documentation,
    DynamicValue,
    Expression,
    Named,
)
from cds_service.engine.scope import definitions_in, in_fhirpath, unsupported
from cds_service.engine.texts import text_of
from cds_service.messages import Text, longest, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cds_service.engine.plan_definition import ActionKey, Definition, Grouping
    from cds_service.engine.scope import Scope
    from cds_service.engine.source import Element, Problems
    from cds_service.terminology import ValueSets

CONDITION_KINDS = ("applicability", "start", "stop")
SUMMARY_LIMIT = 139
"""Longest `summary` of a card in characters (CDS Hooks 2.0.1, Card Attributes: under 140)."""


@dataclass(frozen=True, slots=True)
class ActionCompiler:
    """Compiles the actions of one plan: `link` finds what a canonical names, or reports it.

    Actions in `kept` are compiled already.
    """

    value_sets: ValueSets
    problems: Problems
    link: Callable[[Element, str], Definition | None]
    kept: Mapping[ActionKey, Action] = field(default_factory=dict)

    def compile_all(self, owner: Element, scope: Scope) -> tuple[Action, ...]:
        """The actions directly below a plan or an action, with keys unique among them."""
        seen: set[str] = set()
        actions = []
        for index, element in enumerate(owner.elements("action")):
            key = element.string("id") or str(index)
            if key in seen:
                self.problems.add(
                    element.problem(f"the id '{key}' stands twice here", "id", code="duplicate-id")
                )
            seen.add(key)
            actions.append(self._kept(element) or self._compile(element, key, scope))
        return tuple(actions)

    def _kept(self, element: Element) -> Action | None:
        if not self.kept:
            return None
        where = element.place()
        return self.kept.get((where.file, where.path))

    def _compile(self, element: Element, key: str, outer: Scope) -> Action:
        for_each = self._for_each(element, outer)
        bound = {
            str(item.json["id"]): item.string("type")
            for item in element.elements("input")
            if "id" in item.json
        }
        if (repeated := _repeated(element)) is not None:
            bound[repeated] = None  # also where its expression is wrong: one problem, not many
        scope = outer.extend(definitions_in(element, self.problems), bound)
        title = text_of(element, "title", self.problems)
        description = text_of(element, "description", self.problems)
        definition = element.string("definitionCanonical")
        return Action(
            key=key,
            json=element.json,
            where=element.place(),
            title=self._checked(title, element),
            description=description,
            conditions=self._conditions(element, scope),
            first_match=self._is_any(element),
            grouping=self._grouping(element),
            for_each=for_each,
            resource=self._expression_extension(element, ACTION_RESOURCE, scope),
            dynamic_values=compile_dynamic_values(element, scope, self.problems),
            placeholders=self._placeholders((title, description), element, scope),
            documentation=tuple(
                _documentation(item, self.problems) for item in element.elements("documentation")
            ),
            code=coded_in(element.elements("code"), self.value_sets, self.problems),
            override_reasons=self._override_reasons(element),
            definition=self.link(element, definition) if definition else None,
            actions=self.compile_all(element, scope),
            is_shadow=self._is_shadow(element),
        )

    def _is_shadow(self, element: Element) -> bool:
        """Whether the action is to be judged and not shown; anything but a boolean is a problem."""
        extension = element.extension(SHADOW)
        if extension is None:
            return False
        value = extension.json.get("valueBoolean")
        if not isinstance(value, bool):
            self.problems.add(
                extension.problem(
                    "shadow needs a valueBoolean: true to judge without showing",
                    "valueBoolean",
                    code="shadow",
                )
            )
        return value is not False  # what is unclear is not shown

    def _checked(self, title: Text | None, element: Element) -> Text | None:
        """The title, reported when it is too long to be a card's summary in some language."""
        for language, text in (("en", title.default), *title.translations.items()) if title else ():
            length = longest(parse(text))
            if length > SUMMARY_LIMIT:
                self.problems.add(
                    element.problem(
                        f"the title has {length} characters in '{language}'; "
                        f"a card's summary has at most {SUMMARY_LIMIT}",
                        "title",
                        code="title-too-long",
                        hint="shorten it and put the rest into description",
                    )
                )
        return title

    def _is_any(self, element: Element) -> bool:
        """Whether only the first applicable child counts (cqf-applicabilityBehavior `any`)."""
        extension = element.extension(APPLICABILITY_BEHAVIOR)
        code = extension.json.get("valueCode") if extension else "all"
        if extension is not None and code not in ("any", "all"):
            told = f"cqf-applicabilityBehavior is '{code}', not one of any, all"
            self.problems.add(extension.problem(told, code="action-code"))
        return code == "any"

    def _grouping(self, element: Element) -> Grouping | None:
        """The grouping behaviour; what is wrong with any code of the action is reported."""
        for member in CODES.keys() & element.json.keys():
            told = refusal(member, element.json[member])
            if told is not None:
                self.problems.add(element.problem(told, member, code="action-code"))
        return element.string("groupingBehavior")  # type: ignore[return-value]

    def _conditions(self, element: Element, scope: Scope) -> tuple[Condition, ...]:
        compiled = []
        for item in element.elements("condition"):
            expression = item.element("expression")
            kind = item.json.get("kind")
            if kind not in CONDITION_KINDS:
                text = f"a condition's kind is one of {', '.join(CONDITION_KINDS)}"
                self.problems.add(item.problem(text, "kind", code="condition-kind"))
            if kind != "applicability":
                continue
            if expression is None:
                self.problems.add(
                    item.problem("a condition needs an expression", code="no-expression")
                )
                continue
            expression = in_fhirpath(expression)
            text = expression.string("expression") or ""
            description = expression.string("description")
            reason = unsupported(expression, self.problems)
            program = None if reason else scope.compile(expression, self.problems)
            compiled.append(Condition(text, program, description, reason))
        return tuple(compiled)

    def _for_each(self, element: Element, scope: Scope) -> Named | None:
        extension = element.extension(FOR_EACH)
        expression = extension.element("valueExpression") if extension else None
        if extension is None:
            return None
        name = expression.string("name") if expression else None
        if expression is None or name is None:
            self.problems.add(
                extension.problem(
                    "for-each needs a valueExpression with name and expression", code="for-each"
                )
            )
            return None
        program = scope.compile(expression, self.problems)
        return Named(name, program) if program else None

    def _expression_extension(self, element: Element, url: str, scope: Scope) -> Expression | None:
        extension = element.extension(url)
        expression = extension.element("valueExpression") if extension else None
        return scope.compile(expression, self.problems) if expression else None

    def _placeholders(
        self, texts: tuple[Text | None, ...], element: Element, scope: Scope
    ) -> Mapping[str, Expression]:
        """The `{names}` of the action's texts, each compiled as `%name`."""
        compiled = {}
        for member, text in zip(("title", "description"), texts, strict=True):
            for name in sorted(text.placeholders) if text else ():
                program = scope.compile_text(f"%{name}", element, self.problems, member)
                if program is not None:
                    compiled[name] = program
        return compiled

    def _override_reasons(self, element: Element) -> tuple[Coded, ...]:
        extension = element.extension(OVERRIDE_REASONS)
        reference = extension.string("valueCanonical") if extension else None
        if extension is None or reference is None:
            return ()
        if reference.startswith("#"):
            reference = element.source.contained(reference)
        if self.value_sets.resolve(reference) is None:
            self.problems.add(
                extension.problem(
                    f"no ValueSet '{reference}' is loaded",
                    "valueCanonical",
                    code="unknown-value-set",
                )
            )
            return ()
        return tuple(_reason(coding) for coding in self.value_sets.codings(reference))


def _reason(coding: Mapping[str, Any]) -> Coded:
    """An override reason: its display, and the designations that translate it."""
    translations = {
        item["language"]: item["value"]
        for item in coding.get("designation", ())
        if "language" in item and "value" in item
    }
    display = Text(coding.get("display", coding["code"]), translations)
    return Coded(coding["system"], coding["code"], display)


def compile_dynamic_values(
    element: Element, scope: Scope, problems: Problems
) -> tuple[DynamicValue, ...]:
    """The `dynamicValue` entries of an action or an ActivityDefinition, behind its `transform`.

    A StructureMap is not evaluated, so what it would make stays out: a request without it would
    be another one.
    """
    compiled = _transform(element, problems)
    for item in element.elements("dynamicValue"):
        path, expression = item.string("path"), item.element("expression")
        if path is None or expression is None:
            problems.add(
                item.problem("dynamicValue needs path and expression", code="dynamic-value")
            )
            continue
        expression = in_fhirpath(expression)
        reason = unsupported(expression, problems)
        program = None if reason else scope.compile(expression, problems)
        compiled.append(DynamicValue(path, program, reason))
    return tuple(compiled)


def _transform(element: Element, problems: Problems) -> list[DynamicValue]:
    """What keeps an action or an activity with a `transform` from being applied."""
    if "transform" not in element.json:
        return []
    reason = "a transform by a StructureMap is not supported yet"
    hint = "write what it computes as dynamicValue in text/fhirpath"
    problems.unsupported.append(
        element.problem(reason, "transform", code="unsupported-transform", hint=hint)
    )
    return [DynamicValue("transform", None, reason)]


def coded_in(
    concepts: Iterable[Element], value_sets: ValueSets, problems: Problems
) -> Coded | None:
    """The first coding with system and code among CodeableConcept elements.

    A display that is not translated where it stands has the designations of its CodeSystem.
    """
    for concept in concepts:
        for coding in concept.elements("coding"):
            system, code = coding.string("system"), coding.string("code")
            if system and code:
                text = text_of(coding, "display", problems)
                translations = value_sets.designations(system, code)
                if text is not None and translations:
                    text = Text(text.default, {**translations, **text.translations})
                return Coded(system, code, text)
    return None


def _documentation(element: Element, problems: Problems) -> Documentation:
    document = element.element("document")
    url = element.string("url") or (document.string("url") if document else None)
    return Documentation(text_of(element, "display", problems), url)


def _repeated(element: Element) -> str | None:
    """The name that `for-each` binds."""
    extension = element.extension(FOR_EACH)
    expression = extension.element("valueExpression") if extension else None
    return expression.string("name") if expression else None
