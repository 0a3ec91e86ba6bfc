"""Outcome → the Bundle that `$apply` answers: a RequestGroup, then the resources it points to.

Source: FHIR R4 PlanDefinition `$apply`, CPG-on-FHIR. Status `draft`; the outer group's intent is
`proposal`, a nested group's `option`. The goals of a plan become Goals that its group pertains to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from cds_service.engine.canonicals import (
    APPLICABILITY_BEHAVIOR,
    BASE,
    MESSAGES,
    PERTAINS_TO_GOAL,
    VARIABLE,
)
from cds_service.engine.outcome import Verdict
from cds_service.engine.plan_definition import Plan
from cds_service.engine.wording import with_words, worded
from cds_service.messages import DEFAULT_LANGUAGE, Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cds_service.engine.outcome import ActionOutcome, Outcome

COPIED = (
    "prefix", "title", "description", "textEquivalent", "priority", "code", "documentation",
    "relatedAction", "timingDateTime", "timingAge", "timingPeriod", "timingDuration",
    "timingRange", "timingTiming", "type", "groupingBehavior", "selectionBehavior",
    "requiredBehavior", "precheckBehavior", "cardinalityBehavior",
)  # fmt: skip
"""The members that a request action takes over from the plan's action as they are."""

_USED_UP = frozenset({APPLICABILITY_BEHAVIOR, VARIABLE})
"""HL7's extensions that `$apply` has acted on; those of ours say what it is to do as well."""

_UNSETTLED = {Verdict.CANNOT_TELL: "incomplete", Verdict.ERROR: "exception"}


def bundle(
    outcome: Outcome,
    decision_id: UUID,
    *,
    practitioner: str | None = None,
    encounter: str | None = None,
) -> dict[str, Any]:
    """A collection Bundle: the RequestGroup of the plan first, then everything it refers to.

    `practitioner` is the reference of whoever takes part where a plan asks for a practitioner,
    `encounter` that of the encounter in which this is proposed.
    """
    writer = _Writer(outcome.subject, decision_id, practitioner, encounter)
    group = writer.group(outcome.plan, outcome.fired, outcome.plan.id, "proposal")
    unsettled = [item for item in outcome.walk() if item.verdict in _UNSETTLED]
    if unsettled:
        group["contained"] = [_messages(unsettled)]
        reference = {"url": MESSAGES, "valueReference": {"reference": "#messages"}}
        group["extension"] = [*group.get("extension", ()), reference]
    return {
        "resourceType": "Bundle",
        "id": str(decision_id),
        "type": "collection",
        "entry": [{"resource": resource} for resource in (group, *writer.entries)],
    }


def _messages(unsettled: list[ActionOutcome]) -> dict[str, Any]:
    """What could not be judged, as an OperationOutcome: missing knowledge, failed expressions."""
    return {
        "resourceType": "OperationOutcome",
        "id": "messages",
        "issue": [
            {
                "severity": "warning",
                "code": _UNSETTLED[item.verdict],
                "diagnostics": ": ".join([item.path, str(item.verdict), *_reasons(item)]),
            }
            for item in unsettled
        ],
    }


def _reasons(unsettled: ActionOutcome) -> list[str]:
    """Why an action is an error, as far as it was told."""
    found = [unsettled.note, *(condition.error for condition in unsettled.conditions)]
    return list(dict.fromkeys(reason for reason in found if reason))


class _Writer:
    """Writes one outcome; `entries` collects what the groups refer to."""

    def __init__(
        self, subject: str, decision_id: UUID, practitioner: str | None, encounter: str | None
    ) -> None:
        self.subject = subject
        self.encounter = encounter
        self.participants = {"patient": subject, "practitioner": practitioner}
        self.decision_id = decision_id
        self.entries: list[dict[str, Any]] = []

    def group(
        self, plan: Plan, fired: tuple[ActionOutcome, ...], path: str, intent: str
    ) -> dict[str, Any]:
        """The RequestGroup of one plan."""
        group: dict[str, Any] = {
            "resourceType": "RequestGroup",
            "id": self._id(path),
            "instantiatesCanonical": [plan.versioned],
            "status": "draft",
            "intent": intent,
            "subject": {"reference": self.subject},
        }
        if self.encounter is not None:
            group["encounter"] = {"reference": self.encounter}
        goals = self._goals(plan, path)
        if goals:
            group["extension"] = [
                {"url": PERTAINS_TO_GOAL, "valueReference": _reference(goal)} for goal in goals
            ]
        actions = [self._action(item) for item in fired]
        if actions:
            _prune(actions, set(_ids(actions)))
            group["action"] = actions
        return group

    def _id(self, path: str) -> str:
        return str(uuid5(self.decision_id, path))

    def _goals(self, plan: Plan, path: str) -> list[dict[str, Any]]:
        """The plan's goals as proposed Goals of the subject."""
        goals = []
        for index, definition in enumerate(_objects(plan.json, "goal")):
            goal = {
                "resourceType": "Goal",
                "id": self._id(f"{path}/goal[{index}]"),
                "lifecycleStatus": "proposed",
                "category": [definition["category"]] if "category" in definition else None,
                "description": definition.get("description"),
                "priority": definition.get("priority"),
                "subject": {"reference": self.subject},
                "startCodeableConcept": definition.get("start"),
                "target": [_target(item) for item in _objects(definition, "target")],
            }
            goals.append({key: value for key, value in goal.items() if value not in (None, [])})
        self.entries.extend(goals)
        return goals

    def _action(self, outcome: ActionOutcome) -> dict[str, Any]:
        """One request action; what it refers to goes to `entries`."""
        source = outcome.action.json
        action: dict[str, Any] = {"id": _action_id(outcome)}
        action["extension"] = [item for item in _objects(source, "extension") if _is_carried(item)]
        action |= {key: source[key] for key in COPIED if key in source}
        for member in ("title", "description"):
            if member in action:
                action[member] = fill(action[member], outcome.values)
        action["condition"] = [
            item for item in _objects(source, "condition") if "expression" in item
        ]
        participants = (
            self.participants.get(str(item.get("type"))) for item in _objects(source, "participant")
        )
        action["participant"] = [{"reference": item} for item in participants if item]
        action |= with_words(outcome.changes, DEFAULT_LANGUAGE)
        self._refer(action, outcome)
        return {key: value for key, value in action.items() if value not in (None, [], {})}

    def _refer(self, action: dict[str, Any], outcome: ActionOutcome) -> None:
        """Give the action its resource or its children; both make one child more (rqg-1)."""
        definition = outcome.action.definition
        nested = [item for item in outcome.fired if item.plan is definition]
        children = [
            self._action(item)
            for item in outcome.fired
            if item.plan is not definition and not _is_hollow_line(item, outcome)
        ]
        resource = self._referred(outcome, definition, tuple(nested))
        if resource is None:
            action["action"] = children
        elif children:
            own = {"id": f"{action['id']}-resource", "resource": resource}
            action["action"] = [own, *children]
        else:
            action["resource"] = resource

    def _referred(
        self, outcome: ActionOutcome, definition: object, nested: tuple[ActionOutcome, ...]
    ) -> dict[str, str] | None:
        if isinstance(definition, Plan):
            group = self.group(definition, nested, f"{outcome.path}/{definition.id}", "option")
            self.entries.append(group)
            return _reference(group)
        if outcome.resource is not None:
            if not any(_reference(entry) == _reference(outcome.resource) for entry in self.entries):
                self.entries.append(with_words(outcome.resource, DEFAULT_LANGUAGE))
            return _reference(outcome.resource)
        uri = outcome.action.json.get("definitionUri")
        return {"reference": str(uri)} if uri else None


def _is_carried(extension: Mapping[str, Any]) -> bool:
    """Whether an extension of the plan's action says something of the request action as well."""
    url = str(extension.get("url"))
    return url not in _USED_UP and not url.startswith(BASE)


def _is_hollow_line(line: ActionOutcome, group: ActionOutcome) -> bool:
    """Whether this is a line of a sentence-group that names a fact which is not there."""
    text = line.action.description
    is_line = group.action.grouping == "sentence-group" and text is not None
    return is_line and text is not None and not text.is_complete(line.values)


def _action_id(outcome: ActionOutcome) -> str:
    """The action's id, with the number of the repetition when there is one."""
    return outcome.path.rsplit("/", 1)[-1].replace("[", "-").rstrip("]")


def _target(definition: Mapping[str, Any]) -> dict[str, Any]:
    target = {
        key: value for key, value in definition.items() if key.startswith(("measure", "detail"))
    }
    return target | ({"dueDuration": definition["due"]} if "due" in definition else {})


def fill(text: str, values: Mapping[str, list[Any]]) -> str:
    """The English text with its facts; a fact that is not there is an en dash."""
    return worded(Text(text, {}), DEFAULT_LANGUAGE, values)


def _reference(resource: Mapping[str, Any]) -> dict[str, str]:
    return {"reference": f"{resource['resourceType']}/{resource.get('id')}"}


def _prune(actions: list[dict[str, Any]], known: set[str]) -> None:
    """Take out relations to actions that did not apply, at every level."""
    for action in actions:
        related = [item for item in _objects(action, "relatedAction") if _leads_to(item, known)]
        action.pop("relatedAction", None)
        if related:
            action["relatedAction"] = related
        _prune(action.get("action", []), known)


def _leads_to(relation: Mapping[str, Any], known: set[str]) -> bool:
    return str(relation.get("actionId")) in known


def _objects(owner: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The objects of a list member; what is not an object is passed over (lint reports it)."""
    value = owner.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _ids(actions: list[dict[str, Any]]) -> Iterator[str]:
    for action in actions:
        yield str(action.get("id"))
        yield from _ids(action.get("action", []))
