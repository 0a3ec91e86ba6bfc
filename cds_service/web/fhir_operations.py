"""The operations of the FHIR face: `$apply`, `$expand` and `$validate-code`.

    …/PlanDefinition/$apply    …/PlanDefinition/<id>/$apply    …/ActivityDefinition/<id>/$apply
    …/ValueSet/$expand         …/ValueSet/<id>/$expand         and so on for $validate-code

By POST with a Parameters resource, or by GET with a query. Source: FHIR R4 Operations. Nothing that
is sent is stored or logged.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flask import Response, g, request

from cds_service import fhir_json
from cds_service.data.parameters import Arguments, named, problem
from cds_service.data.value_set_operations import Selection, Terminology
from cds_service.engine import apply, request_group
from cds_service.engine.activity_apply import apply_activity
from cds_service.errors import UnknownService, did_you_mean, short
from cds_service.hooks.chart import Asked, situation
from cds_service.versions import joined, split
from cds_service.web.capability import FHIR_JSON
from cds_service.web.json_bodies import json_body
from cds_service.web.logs import note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from zoneinfo import ZoneInfo

    from cds_service.config import Settings
    from cds_service.data.catalogue import Catalogue
    from cds_service.data.plan_library import PlanLibrary
    from cds_service.engine import Plan, Situation

_HOW_TO_ANSWER = frozenset({"_format", "_pretty"})
_PLAN = ("planDefinition", "url", "canonical", "version")
_SUBJECT = (
    "subject", "encounter", "practitioner", "data", "parameters",
    "organization", "userType", "userLanguage", "userTaskContext", "setting", "settingContext",
)  # fmt: skip
_VALUE_SET = ("url", "valueSetVersion")
_EXPAND = (
    "filter", "offset", "count", "displayLanguage", "includeDesignations",
    "activeOnly", "excludeNested", "excludeNotForUI", "excludePostCoordinated",
)  # fmt: skip
_VALIDATE = (
    "code", "system", "display", "coding", "codeableConcept", "displayLanguage", "abstract",
)  # fmt: skip
_WITHOUT_EFFECT = (
    "abstract", "activeOnly", "excludeNested", "excludeNotForUI", "excludePostCoordinated",
)  # fmt: skip
"""Flags that change nothing here: no set is nested or has codes that are inactive or abstract."""
PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "/PlanDefinition/$apply": (*_PLAN, *_SUBJECT),
    "/PlanDefinition/{id}/$apply": _SUBJECT,
    "/ActivityDefinition/{id}/$apply": _SUBJECT,
    "/ValueSet/$expand": (*_VALUE_SET, *_EXPAND),
    "/ValueSet/{id}/$expand": _EXPAND,
    "/ValueSet/$validate-code": (*_VALUE_SET, *_VALIDATE),
    "/ValueSet/{id}/$validate-code": _VALIDATE,
}
"""The parameters of each operation, by its address below the face."""


@dataclass(frozen=True, slots=True)
class Operations:
    """What answers the operations."""

    library: PlanLibrary
    catalogue: Catalogue
    terminology: Terminology
    profile: str
    zone: ZoneInfo

    @classmethod
    def of(cls, library: PlanLibrary, catalogue: Catalogue, settings: Settings) -> Operations:
        """The operations over the content of a library."""
        resources = [source.resource for source in library.content.sources]
        terminology = Terminology(resources, library.content.value_sets)
        return cls(library, catalogue, terminology, settings.profile, settings.zone)

    def routes(self) -> Iterator[tuple[str, Callable[..., Response]]]:
        """Address below the face and what answers there."""
        yield "/PlanDefinition/$apply", self.apply_plan
        yield "/PlanDefinition/<resource_id>/$apply", self.apply_plan
        yield "/ActivityDefinition/<resource_id>/$apply", self.apply_activity
        yield "/ValueSet/$expand", self.expand
        yield "/ValueSet/<resource_id>/$expand", self.expand
        yield "/ValueSet/$validate-code", self.validate_code
        yield "/ValueSet/<resource_id>/$validate-code", self.validate_code

    def apply_plan(self, resource_id: str | None = None) -> Response:
        """The Bundle of a plan's applicable actions: a RequestGroup, then what it refers to."""
        if resource_id is None:
            arguments = _arguments(*_PLAN, *_SUBJECT)
            plan = self._named_plan(arguments)
        else:
            read = self.catalogue.read("PlanDefinition", resource_id)
            plan = self._plan(joined(str(read["url"]), read.get("version")))
            arguments = _arguments(*_SUBJECT)
        note(plan=plan.id)
        asked = self._situation(arguments)
        outcome = apply(plan, asked)
        note(verdicts=outcome.counts())
        bundle = request_group.bundle(
            outcome, g.decision_id, practitioner=asked.practitioner, encounter=asked.encounter
        )
        return _private(bundle)

    def apply_activity(self, resource_id: str) -> Response:
        """The request that an ActivityDefinition stands for, for this subject."""
        definition = self.catalogue.read("ActivityDefinition", resource_id)
        note(activity=str(definition["id"]))
        asked = self._situation(_arguments(*_SUBJECT))
        canonical = joined(str(definition["url"]), definition.get("version"))
        activity = self.library.content.activities.get(canonical)
        if activity is None:
            raise UnknownService(
                f"the ActivityDefinition '{short(resource_id)}' has problems and was left out",
                code="not-found",
            )
        return _private(apply_activity(activity, asked))

    def expand(self, resource_id: str | None = None) -> Response:
        """The ValueSet with the codes that it lists."""
        arguments, value_set = self._value_set(resource_id, _EXPAND)
        _check_flags(arguments)
        note(value_set=str(value_set.get("id")))
        expanded = self.terminology.expand(
            value_set,
            Selection(
                text=arguments.text("filter"),
                offset=arguments.number("offset") or 0,
                count=arguments.number("count"),
                language=arguments.text("displayLanguage"),
                designations=arguments.flag("includeDesignations"),
            ),
            identifier=f"urn:uuid:{g.decision_id}",
            timestamp=datetime.now(self.zone).isoformat(timespec="seconds"),
        )
        return fhir_response(expanded)

    def validate_code(self, resource_id: str | None = None) -> Response:
        """Whether a code is in a ValueSet, as Parameters."""
        arguments, value_set = self._value_set(resource_id, _VALIDATE)
        _check_flags(arguments)
        note(value_set=str(value_set.get("id")))
        found = self.terminology.validate(
            value_set, _codings(arguments), arguments.text("displayLanguage")
        )
        answer: list[dict[str, Any]] = [{"name": "result", "valueBoolean": found.result}]
        if found.message:
            answer.append({"name": "message", "valueString": found.message})
        if found.display:
            answer.append({"name": "display", "valueString": found.display})
        return _private({"resourceType": "Parameters", "parameter": answer})

    # -- what is asked for ------------------------------------------------------------------

    def _named_plan(self, arguments: Arguments) -> Plan:
        if arguments.given.get("planDefinition"):
            text = "only loaded plans are applied; name one with the parameter url instead"
            raise problem("planDefinition", text)
        canonical = arguments.text("url") or arguments.text("canonical")
        if canonical is None:
            raise problem("url", "required, the canonical URL of a PlanDefinition")
        url, version = split(canonical)
        return self._plan(joined(url, arguments.text("version") or version))

    def _plan(self, canonical: str) -> Plan:
        plan = self.library.plan_named(canonical)
        if plan is None:
            without = self.library.content.versions.without(canonical)
            raise UnknownService(
                f"no PlanDefinition '{short(canonical)}' is loaded",
                code="not-found",
                hint=without or did_you_mean(canonical, self.library.content.plans),
            )
        return plan

    def _situation(self, arguments: Arguments) -> Situation:
        by_hand = arguments.object("parameters")
        asked = Asked(
            subject=arguments.required("subject"),
            chart=arguments.object("data"),
            encounter=_reference(arguments, "encounter", "Encounter"),
            practitioner=_reference(arguments, "practitioner", "Practitioner", "PractitionerRole"),
            parameters={} if by_hand is None else named(by_hand, "parameters"),
        )
        return situation(
            self.library,
            asked,
            profile=self.profile,
            now=datetime.now(self.zone),
            decision_id=g.decision_id,
        )

    def _value_set(
        self, resource_id: str | None, known: tuple[str, ...]
    ) -> tuple[Arguments, Mapping[str, Any]]:
        if resource_id is not None:
            value_set = self.catalogue.read("ValueSet", resource_id)
            return _arguments(*known), value_set
        arguments = _arguments(*_VALUE_SET, *known)
        canonical = arguments.required("url")
        version = arguments.text("valueSetVersion")
        pinned = joined(canonical, version) if "|" not in canonical else canonical
        return arguments, self.terminology.find(pinned)


def fhir_response(value: Any) -> Response:
    """A resource as FHIR JSON, indented when the query says `_pretty=true`."""
    is_pretty = request.args.get("_pretty") == "true"
    body = fhir_json.pretty(value) + "\n" if is_pretty else fhir_json.encode(value)
    return Response(body, content_type=FHIR_JSON)


def _private(value: Any) -> Response:
    """An answer about somebody."""
    response = fhir_response(value)
    response.cache_control.no_store = True
    return response


def _arguments(*known: str) -> Arguments:
    """What the operation is asked with, in the query and, by POST, in the body."""
    pairs = [pair for pair in request.args.items(multi=True) if pair[0] not in _HOW_TO_ANSWER]
    arguments = Arguments.from_query(pairs, known)
    if request.method != "POST":
        return arguments
    given = dict(arguments.given)
    for name, values in Arguments.from_body(json_body(), known).given.items():
        given[name] = given.get(name, []) + values
    return Arguments(given)


def _check_flags(arguments: Arguments) -> None:
    """Refuse what is no boolean also where the answer is the same for both."""
    for name in _WITHOUT_EFFECT:
        arguments.flag(name)


def _reference(arguments: Arguments, name: str, *types: str) -> str | None:
    """A literal reference to a resource of one of these types, or to an entry of the data."""
    reference = arguments.text(name)
    key = None if reference is None else fhir_json.reference_key(reference)
    if reference is not None and (key is None or key[0] not in {*types, "urn:uuid"}):
        raise problem(name, f"must be a reference, such as {types[0]}/123")
    return reference


def _codings(arguments: Arguments) -> list[Mapping[str, Any]]:
    """The codings to look at: one, or those of a CodeableConcept."""
    code, coding = arguments.text("code"), arguments.object("coding")
    concept, display = arguments.object("codeableConcept"), arguments.text("display")
    if sum(value is not None for value in (code, coding, concept)) != 1:
        raise problem("code", "one of code (with system), coding and codeableConcept is required")
    if concept is not None:
        return _of_concept(concept)
    if code is not None:
        coding = {"system": arguments.required("system"), "code": code}
    if coding is None or "code" not in coding:
        raise problem("coding", "must have a code")
    coding = coding if display is None else {**coding, "display": display}
    return [_checked(coding, "coding")]


def _of_concept(concept: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The codings of a CodeableConcept; one with a text alone has none and is in no set."""
    codings = concept.get("coding", [])
    if not isinstance(codings, list):
        raise problem("codeableConcept.coding", "must be a list of Codings")
    if not codings and not isinstance(concept.get("text"), str):
        raise problem("codeableConcept", "must have a coding or a text")
    return [
        _checked(coding, f"codeableConcept.coding[{index}]") for index, coding in enumerate(codings)
    ]


def _checked(coding: object, place: str) -> Mapping[str, Any]:
    """A Coding whose members are texts; what is none cannot be looked up, and that is no `no`."""
    if not isinstance(coding, dict):
        raise problem(place, "must be a Coding")
    for member in ("system", "version", "code", "display"):
        if not isinstance(coding.get(member, ""), str):
            raise problem(f"{place}.{member}", "must be a string")
    return coding
