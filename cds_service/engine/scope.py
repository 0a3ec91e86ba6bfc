"""What the names in an expression mean: shared definitions, and the data of the request.

A scope grows inwards: Libraries, then the plan, then each action; `for-each` adds its own name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cds_service import fhirpath
from cds_service.engine.canonicals import (
    ALTERNATIVE_EXPRESSION,
    DEFINITION_PARAMETERS,
    NEED,
    QUERY_PATTERN,
    VARIABLE,
)
from cds_service.engine.plan_definition import DataRequirement, Expression
from cds_service.errors import ContentError, ContentErrors, ExpressionError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cds_service.engine.source import Element, Problems

LANGUAGE = "text/fhirpath"
NEEDS = ("must", "should", "may")

THE_PATIENT = DataRequirement("patient", "Patient/{{context.patientId}}", "Patient", "should")
"""What a plan asks for that reads the subject, also where no data requirement names it."""

NOT_FHIRPATH = "expression in another language (not supported yet)"
"""The variable, never set, that a definition in another language reads: whoever uses it fails."""

REQUEST_TYPES: Mapping[str, str | None] = {
    "action": "PlanDefinition.action",
    "context": None,
    "draftOrders": None,
    "encounter": "Encounter",
    "hook": None,
    "patient": "Patient",
    "practitioner": None,
    "profile": None,
    "selected": None,
    "subject": None,
    "unavailable": None,
    "userId": None,
}
"""The names every expression may read, beside the data requirements: name → FHIR type, if one."""


@dataclass(frozen=True, slots=True)
class Written:
    """A definition and the element it is written in."""

    definition: fhirpath.Definition
    element: Element


@dataclass(frozen=True, slots=True)
class Scope:
    """The names in force at one place, and the compiler that knows them."""

    library: fhirpath.Library
    written: tuple[Written, ...]
    traced: bool

    def extend(self, written: Sequence[Written], types: Mapping[str, str | None]) -> Scope:
        """This scope with more definitions and variables; itself when there are none."""
        if not written and not types:
            return self
        library = self.library.extend(
            definitions={item.definition.name: item.definition for item in written}, types=types
        )
        return Scope(library, (*self.written, *written), self.traced)

    def compile(self, element: Element, problems: Problems, *steps: str | int) -> Expression | None:
        """The expression in `element` (a FHIR Expression), compiled; None when it is a problem."""
        text = element.string("expression")
        if not _is_fhirpath(element):
            problem = f"only FHIRPath can stand here, not {element.json['language']}"
            problems.add(element.problem(problem, "language", code="unsupported-language"))
            return None
        if text is None:
            problems.add(
                element.problem("an expression is missing", "expression", code="no-expression")
            )
            return None
        return self.compile_text(text, element, problems, *steps, "expression")

    def compile_text(
        self, text: str, element: Element, problems: Problems, *steps: str | int
    ) -> Expression | None:
        """`text`, compiled with the subject as focus; what is wrong with it goes to `problems`."""
        try:
            program = self.library.compile(text, root_type="Patient", traced=self.traced)
        except ExpressionError as error:
            problems.add(self._placed(error, text, element, steps))
            return None
        return Expression(text, program)

    def broken_definitions(self) -> list[ContentError]:
        """What is wrong with the definitions themselves, used or not, each where it is written."""
        try:
            self.library.check()
        except ContentErrors as errors:
            owner = self.written[0].element
            return [
                self._placed(error, "", owner, ()) if isinstance(error, ExpressionError) else error
                for error in errors.problems
            ]
        return []

    def _placed(
        self, error: ExpressionError, text: str, element: Element, steps: tuple[str | int, ...]
    ) -> ContentError:
        """The error where the author must mend it: here, or in the definition that was expanded."""
        if error.expression == text:
            return element.expression_problem(error, *steps)
        for item in self.written:
            if item.definition.expression == error.expression:
                return item.element.expression_problem(error, "expression")
        return element.problem(str(error), *steps, code=error.code)


def in_fhirpath(element: Element) -> Element:
    """The Expression itself, or its alternative in FHIRPath where it is in another language."""
    if _is_fhirpath(element):
        return element
    for extension in element.extensions(ALTERNATIVE_EXPRESSION):
        alternative = extension.element("valueExpression")
        if alternative is not None and "language" in alternative.json and _is_fhirpath(alternative):
            return alternative
    return element


def _is_fhirpath(expression: Element) -> bool:
    """Whether this Expression is FHIRPath: of a media type, case and parameters do not count."""
    language = str(expression.json.get("language", LANGUAGE))
    return language.partition(";")[0].strip().lower() == LANGUAGE


def unsupported(element: Element, problems: Problems) -> str | None:
    """Why an Expression cannot be evaluated, noted in `problems`; None when it can."""
    if _is_fhirpath(element):
        return None
    reason = f"expressions in {element.json['language']} are not supported yet"
    problems.unsupported.append(
        element.problem(
            reason,
            "language",
            code="unsupported-language",
            hint=did_you_mean(str(element.json["language"]), [LANGUAGE])
            or "write it in FHIRPath, or add a cqf-alternativeExpression in text/fhirpath",
        )
    )
    return reason


def definitions_in(owner: Element, problems: Problems) -> list[Written]:
    """The definitions written on a Library, a plan or an action as `variable` extensions."""
    written = []
    for extension in owner.extensions(VARIABLE):
        element = extension.element("valueExpression")
        if element is None:
            problems.add(extension.problem("a variable needs a valueExpression", code="variable"))
            continue
        expression = in_fhirpath(element)
        name, text = element.string("name"), expression.string("expression")
        if name is None or text is None:
            problems.add(element.problem("a variable needs name and expression", code="variable"))
            continue
        if unsupported(expression, problems):
            text = f"%`{NOT_FHIRPATH}`"
        where = str(element.place())
        definition = fhirpath.Definition(name, text, _parameters(element), where)
        if fhirpath.is_built_in(definition):
            message = f"the definition '{name}' has the name of something built in"
            problem = element.problem(message, "name", code="shadowed", hint="give it another name")
            problems.add(problem)
            continue
        written.append(Written(definition, expression))
    return written


def _parameters(element: Element) -> tuple[str, ...] | None:
    """The parameter names of a definition that is called like a function; None for a plain name."""
    extension = element.extension(DEFINITION_PARAMETERS)
    if extension is None:
        return None
    names = (item.string("valueString") for item in extension.extensions("name"))
    return tuple(name for name in names if name)


def requirements_in(
    owners: Iterable[Element], key: str, problems: Problems
) -> dict[str, DataRequirement]:
    """The data requirements under `key` of several owners; the later one wins where ids agree."""
    found: dict[str, DataRequirement] = {}
    for owner in owners:
        for element in owner.elements(key):
            requirement = _requirement(element, problems)
            if requirement is not None:
                found[requirement.key] = requirement
    return found


def _requirement(element: Element, problems: Problems) -> DataRequirement | None:
    """The requirement as a prefetch key; one that cannot become a key is noted as unsupported."""
    key, resource_type = element.string("id"), element.string("type")
    pattern, need = element.extension(QUERY_PATTERN), element.extension(NEED)
    query = (pattern.string("valueString") if pattern else None) or _query_for(resource_type)
    if key is None or query is None:
        problems.unsupported.append(
            element.problem(
                "this data requirement is not fetched: it has no id to serve as prefetch key",
                code="data-requirement",
                hint="give it an id, and the query as cqf-fhirQueryPattern",
            )
        )
        return None
    level = (need.string("valueCode") if need else None) or "should"
    if level not in NEEDS:
        problems.add(
            element.problem(
                f"need is '{level}', not one of must, should, may", code="data-requirement"
            )
        )
        return None
    is_typed = resource_type not in {None, "Resource", "DomainResource"}
    return DataRequirement(key, query, resource_type if is_typed else None, level)  # type: ignore[arg-type]


def _query_for(resource_type: str | None) -> str | None:
    """The plainest query for a type: all of the patient's, or the patient."""
    if resource_type == "Patient":
        return THE_PATIENT.query
    return f"{resource_type}?patient={{{{context.patientId}}}}" if resource_type else None
