"""Outcome → the Bundle that `$apply` answers: a RequestGroup, then the resources it points to.

Source: FHIR R4 PlanDefinition `$apply`, CPG-on-FHIR. Status `draft`; the outer group's intent is
`proposal`, a nested group's `option`. The goals of a plan become Goals that its group pertains to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
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
    from collections.abc import Mapping

    from cds_service.engine.outcome import ActionOutcome, Outcome

_TIMINGS = frozenset(
    {
        "timingDateTime", "timingAge", "timingPeriod", "timingDuration", "timingRange",
        "timingTiming",
    }
)  # fmt: skip
"""The members of the choice element `timing[x]`, of which only one may be there."""

COPIED = (
    "prefix", "title", "description", "textEquivalent", "priority", "code", "documentation",
    "relatedAction", *sorted(_TIMINGS), "type", "groupingBehavior", "selectionBehavior",
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


@dataclass(frozen=True, slots=True)
class _Names:
    """The ids of one group's actions: unique in it, where those of a repeated action are several.

    `given` are the ids by those in the plan, `written` the actions with their repetitions.
    """

    given: dict[str, list[str]] = field(default_factory=dict)
    written: list[tuple[dict[str, Any], str]] = field(default_factory=list)

    def give(self, id_: object, numbers: str) -> str | None:
        """The id of an action whose id in the plan is `id_`; None where it has none."""
        if not isinstance(id_, str):
            return None
        self.given.setdefault(id_, []).append(f"{id_}{numbers}")
        return f"{id_}{numbers}"

    def relate(self) -> None:
        """Let relations lead to the ids given here; those to what did not apply are taken out."""
        for action, numbers in self.written:
            related = [
                {**relation, "actionId": target}
                for relation in _objects(action, "relatedAction")
                for target in self._targets(str(relation.get("actionId")), numbers)
            ]
            action.pop("relatedAction", None)
            if related:
                action["relatedAction"] = related

    def _targets(self, id_: str, numbers: str) -> list[str]:
        """What an id of the plan came to: in the same repetition, else in all."""
        found = self.given.get(id_, [])
        near = [target for target in found if f"{target}-".startswith(f"{id_}{numbers}-")]
        return near or found


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
        names = _Names()
        actions = [self._action(item, names) for item in fired]
        if actions:
            names.relate()
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

    def _action(self, outcome: ActionOutcome, names: _Names, around: str = "") -> dict[str, Any]:
        """One request action; what it refers to goes to `entries`.

        `around` numbers the repetitions that it stands in.
        """
        source, numbers = outcome.action.json, around + _number(outcome)
        action = {"id": names.give(source.get("id"), numbers)} | _taken_over(outcome)
        participants = (
            self.participants.get(str(item.get("type"))) for item in _objects(source, "participant")
        )
        action["participant"] = [{"reference": item} for item in participants if item]
        action = _changed(action, with_words(outcome.changes, DEFAULT_LANGUAGE))
        action["extension"] = [item for item in action["extension"] if _is_carried(item)]
        self._refer(action, outcome, names, numbers)
        action = {key: value for key, value in action.items() if value not in (None, [], {})}
        names.written.append((action, numbers))
        return action

    def _refer(
        self, action: dict[str, Any], outcome: ActionOutcome, names: _Names, numbers: str
    ) -> None:
        """Give the action its resource or its children; both make one child more (rqg-1)."""
        definition = outcome.action.definition
        nested = [item for item in outcome.fired if item.plan is definition]
        children = [
            self._action(item, names, numbers)
            for item in outcome.fired
            if item.plan is not definition and not _is_hollow_line(item, outcome)
        ]
        resource = self._referred(outcome, definition, tuple(nested))
        if resource is None:
            action["action"] = children
        elif children:
            own = {"id": action["id"] and f"{action['id']}-resource", "resource": resource}
            own = {key: value for key, value in own.items() if value is not None}
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


def _taken_over(outcome: ActionOutcome) -> dict[str, Any]:
    """What the request action has from the plan's action; facts stand in its texts."""
    source = outcome.action.json
    action: dict[str, Any] = {
        member: _objects(source, member) for member in ("extension", "modifierExtension")
    }
    action |= {key: source[key] for key in COPIED if key in source}
    for member in ("title", "description"):
        if member in action:
            action[member] = fill(action[member], outcome.values)
    action["condition"] = [item for item in _objects(source, "condition") if "expression" in item]
    return action


def _changed(action: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The action with what dynamic values set; a new `timing[x]` goes for one of another type."""
    if not _TIMINGS.isdisjoint(changes):
        action = {key: value for key, value in action.items() if key not in _TIMINGS}
    return action | changes


def _is_carried(extension: Mapping[str, Any]) -> bool:
    """Whether an extension of the plan's action says something of the request action as well."""
    url = str(extension.get("url"))
    return url not in _USED_UP and not url.startswith(BASE)


def _is_hollow_line(line: ActionOutcome, group: ActionOutcome) -> bool:
    """Whether this is a line of a sentence-group that names a fact which is not there."""
    text = line.action.description
    is_line = group.action.grouping == "sentence-group" and text is not None
    return is_line and text is not None and not text.is_complete(line.values)


def _number(outcome: ActionOutcome) -> str:
    """`-1` for the second repetition of an action; nothing for one that is not repeated."""
    is_repeated = outcome.action.for_each is not None
    return f"-{outcome.path.rpartition('[')[2].rstrip(']')}" if is_repeated else ""


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


def _objects(owner: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The objects of a list member; what is not an object is passed over (lint reports it)."""
    value = owner.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
