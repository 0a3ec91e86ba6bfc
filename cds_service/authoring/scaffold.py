"""A new recommendation to start from: its folder, and the two files that must know of it.

The start is sound: it lints, and its cases pass. It speaks for nobody yet, because the code in its
value set is a placeholder; every word and condition in it is for the author to replace.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from cds_service import fhir_json
from cds_service.authoring.mechanical import written
from cds_service.engine.actions import SUMMARY_LIMIT
from cds_service.errors import ContentError, did_you_mean

if TYPE_CHECKING:
    from datetime import date

    from cds_service.data.plan_library import PlanLibrary
    from cds_service.engine import DataRequirement, Service, Source

SOURCE = "State the source, with its year"
_REPLACE = "Replace this placeholder"


@dataclass(frozen=True, slots=True)
class Start:
    """What the author says of a new recommendation; `identity` is the folder's name, such as R90.

    `until` is the last day for which the first review holds.
    """

    identity: str
    topic: str
    title: str
    hook: str
    today: date
    until: date
    source: str = SOURCE

    @property
    def sentence(self) -> str:
        """The title as the card says it."""
        return self.title if self.title.endswith(("?", "!", "…")) else f"{self.title}."


def files(start: Start, library: PlanLibrary) -> dict[str, str]:
    """The texts of all files to write, by name: the new ones, and those that name the plan.

    Raises ContentError where the title or the source cannot stand in a plan, the recommendation is
    there, no service answers the hook, or the hook's service asks for no Conditions.
    """
    _check_words(start)
    service = _service(start, library)
    strategy = _source(library, service.plan.versioned)
    made = _Recommendation(start, library, service)
    folder = f"{start.topic}/{start.identity}"
    texts = {
        f"{folder}/PlanDefinition.json": written(made.plan()),
        f"{folder}/ActivityDefinition-{made.order_id}.json": written(made.activity()),
        f"{folder}/ValueSet-{made.set_id}.json": written(made.value_set()),
        f"{folder}/README.md": made.readme(),
    }
    for name, case in made.cases().items():
        texts[f"{folder}/cases/{name}.json"] = written(case)
    taken = [name for name in texts if (library.directory / name).exists()]
    ids = {plan.id.casefold() for plan in library.content.plans.values()}
    if taken or not ids.isdisjoint({made.plan_id.casefold(), start.identity.casefold()}):
        hint = "choose another id, or take the folder away first"
        raise ContentError(f"{start.identity} is there already", code="scaffold", hint=hint)
    texts[strategy.file] = made.named_in(strategy)
    topics = next((s for s in library.content.sources if s.canonical == made.topic_system), None)
    if topics is not None:
        texts[topics.file] = made.listed_in(topics)
    return texts


def _check_words(start: Start) -> None:
    """Raises ContentError for a title or a source that lint would refuse in the new plan."""
    for name, words in (("title", start.title), ("source", start.source)):
        if not words.strip() or not words.isprintable():
            message = f"the {name} must be one line of text, and is {words!r}"
            raise ContentError(message, code="scaffold", hint="say it in a few words")
    if len(start.sentence) > SUMMARY_LIMIT:
        length = len(start.sentence)
        raise ContentError(
            f"the title has {length} characters; a card's summary has at most {SUMMARY_LIMIT}",
            code="scaffold",
            hint="shorten it and put the rest into the plan's description",
        )
    if {"{", "}"} & set(start.title):
        raise ContentError(
            f"the title holds braces, which name a fact of the chart: '{start.title}'",
            code="scaffold",
            hint="leave them out, and put the fact into the plan once it defines it",
        )


def _service(start: Start, library: PlanLibrary) -> Service:
    hooks = {service.hook: service for service in library.services.values()}
    if start.hook not in hooks:
        known = f"the hooks are: {', '.join(sorted(hooks)) or 'none'}"
        raise ContentError(
            f"no strategy is triggered by the hook '{start.hook}'",
            code="scaffold",
            hint=did_you_mean(start.hook, hooks) or known,
        )
    return hooks[start.hook]


def _source(library: PlanLibrary, canonical: str) -> Source:
    return next(item for item in library.content.sources if item.versioned == canonical)


def _of_conditions(service: Service) -> DataRequirement:
    """The data requirement that brings Conditions; raises ContentError where there is none."""
    for requirement in service.requirements:
        if requirement.resource_type == "Condition":
            return requirement
    raise ContentError(
        f"the service {service.id} asks for no Conditions, on which the start rests",
        code="scaffold",
        hint="declare a data requirement of type Condition",
    )


class _Recommendation:
    """The resources of one new recommendation, by the customs of the guideline around it."""

    def __init__(self, start: Start, library: PlanLibrary, service: Service) -> None:
        self.start = start
        self.strategy = service.plan
        self.base = service.plan.canonical.rsplit("/PlanDefinition/", 1)[0]
        self.requirement = _of_conditions(service)
        self.plan_id = _prefix(library) + start.identity
        self.set_id, self.order_id = f"VS-{start.identity}", f"{start.identity.lower()}-follow-up"
        topics = [plan.topic.system for plan in library.content.plans.values() if plan.topic]
        self.topic_system = Counter(topics or [f"{self.base}/CodeSystem/rules"]).most_common(1)[0][
            0
        ]
        self.code = {"system": f"{self.base}/CodeSystem/placeholder", "code": start.identity}

    def _head(self, kind: str, identity: str, title: str) -> dict[str, Any]:
        return {
            "resourceType": kind,
            "id": identity,
            "url": f"{self.base}/{kind}/{identity}",
            "version": "1.0.0",
            "name": "".join(part.capitalize() for part in identity.split("-")),
            "title": title,
            "status": "draft",
            "date": self.start.today.isoformat(),
        }

    def plan(self) -> dict[str, Any]:
        """The PlanDefinition: one card, one condition, one suggestion."""
        start, key = self.start, self.requirement.key
        action = {
            "id": "card",
            "title": start.sentence,
            "description": "Say why, and what to do, in a few lines of Markdown.",
            "priority": "routine",
            "documentation": [{"type": "citation", "display": start.source}],
            "condition": [
                {
                    "kind": "applicability",
                    "expression": {
                        "description": "the finding is on record",
                        "language": "text/fhirpath",
                        "expression": f"%{key}.where(code.memberOf('{self.set_id}')).exists()",
                    },
                }
            ],
            "action": [
                {
                    "id": "follow-up",
                    "title": "Plan a follow-up",
                    "type": {
                        "coding": [
                            {
                                "system": "http://terminology.hl7.org/CodeSystem/action-type",
                                "code": "create",
                            }
                        ]
                    },
                    "definitionCanonical": f"{self.base}/ActivityDefinition/{self.order_id}",
                }
            ],
        }
        coding = {"system": self.topic_system, "code": self.plan_id, "display": start.title}
        return {
            **self._head("PlanDefinition", self.plan_id, start.title),
            "description": "Say for whom this recommendation is.",
            "lastReviewDate": start.today.isoformat(),
            "effectivePeriod": {
                "start": start.today.isoformat(),
                "end": start.until.isoformat(),
            },
            "topic": [{"coding": [coding]}],
            "relatedArtifact": [{"type": "citation", "citation": start.source}],
            "library": list(self.strategy.json.get("library", ())),
            "action": [action],
        }

    def activity(self) -> dict[str, Any]:
        """The ActivityDefinition behind the button: a proposed task."""
        return {
            **self._head("ActivityDefinition", self.order_id, "Plan a follow-up"),
            "description": "Say what is to be done.",
            "kind": "Task",
            "intent": "proposal",
            "priority": "routine",
            "code": {"text": f"Follow-up: {self.start.title}"},
        }

    def value_set(self) -> dict[str, Any]:
        """The ValueSet of the condition: one placeholder code."""
        concept = {"code": self.code["code"], "display": _REPLACE}
        return {
            **self._head("ValueSet", self.set_id, f"{self.start.title}: finding"),
            "description": "List the codes by which the finding is recorded, each looked up.",
            "compose": {"include": [{"system": self.code["system"], "concept": [concept]}]},
        }

    def cases(self) -> dict[str, dict[str, Any]]:
        """Where it speaks, where it must not, and where it cannot tell."""
        patient = {"resourceType": "Patient", "id": "p", "gender": "female"}
        patient["birthDate"] = "1979-03-01"
        clinical = "http://terminology.hl7.org/CodeSystem/condition-clinical"
        finding = {
            "resourceType": "Condition",
            "id": "finding",
            "clinicalStatus": {"coding": [{"system": clinical, "code": "active"}]},
            "code": {"coding": [{**self.code, "display": _REPLACE}]},
            "subject": {"reference": "Patient/p"},
        }
        silent = {"status": 200, "cards": [], "absent": [self.plan_id]}
        card = {"rule": self.plan_id, "indicator": "info", "suggestions": ["Plan a follow-up"]}
        unavailable = {"unavailable": [self.requirement.key]}
        is_must = self.requirement.need == "must"
        untold = {"status": 412} if is_must else silent

        def case(name: str, *data: dict[str, Any], **members: Any) -> dict[str, Any]:
            head = {"name": name, "now": "2024-06-01", "hook": self.start.hook}
            return {**head, "data": [patient, *data], **members}

        name = self.start.identity
        return {
            "it-speaks": case(f"{name} speaks when the finding is on record", finding)
            | {"expect": {"status": 200, "cards": [card]}},
            "it-is-silent": case(f"{name} is silent without the finding") | {"expect": silent},
            "it-cannot-tell": case(f"{name} is silent when nobody could look")
            | unavailable
            | {"expect": untold},
        }

    def readme(self) -> str:
        """What stands beside every rule: evidence, owner, review."""
        start = self.start
        return (
            f"# {start.identity} {start.title}\n\nSay for whom this recommendation is.\n\n"
            f"**Evidence**\n\n- {start.source}\n\n"
            "**Owner** name who answers for it. Not signed off: status draft until a practising "
            "clinician approves it.\n\n"
            f"**Review** last {start.today}, in force until {start.until}.\n"
        )

    def named_in(self, strategy: Source) -> str:
        """The strategy with the plan at the end of what its hook shows."""
        resource = _editable(strategy)
        url = f"{self.base}/PlanDefinition/{self.plan_id}"
        root = next(item for item in resource["action"] if item.get("trigger"))
        root.setdefault("action", []).append(
            {"id": self.start.identity, "definitionCanonical": url}
        )
        return written(resource)

    def listed_in(self, topics: Source) -> str:
        """The CodeSystem of topics with the code of the plan."""
        resource = _editable(topics)
        concepts = resource.setdefault("concept", [])
        concepts.append({"code": self.plan_id, "display": self.start.title})
        return written(resource)


def _prefix(library: PlanLibrary) -> str:
    """What the ids of plans have before the names of their folders, in most of this guideline."""
    found = Counter(
        identity.removesuffix(folder)
        for source in library.content.sources
        for identity in [str(source.resource.get("id"))]
        for folder in [PurePosixPath(source.file).parent.name]
        if source.resource.get("topic") and folder and identity.endswith(folder)
    )
    return found.most_common(1)[0][0] if found else ""


def _editable(source: Source) -> Any:
    """The resource of a file to be changed; raises ContentError for one in another form."""
    resource = fhir_json.decode_content(source.text, source.file)
    if written(resource) != source.text:
        raise source.root.problem(
            "the file is not written in the usual form, so it is not changed",
            code="scaffold",
            hint="`cds-service lint --fix` brings it into that form",
        )
    return resource
