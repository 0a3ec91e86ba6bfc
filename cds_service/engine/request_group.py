"""Outcome → the Bundle that `$apply` answers: a RequestGroup, then the resources it points to.

Source: FHIR R4 PlanDefinition `$apply`, CPG-on-FHIR. Status `draft`; the outer group's intent is
`proposal`, a nested group's `option`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from cds_service.engine.plan_definition import PLACEHOLDER, Plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cds_service.engine.outcome import ActionOutcome, Outcome

COPIED = (
    "prefix", "title", "description", "textEquivalent", "priority", "code", "documentation",
    "condition", "relatedAction", "timingDateTime", "timingAge", "timingPeriod", "timingDuration",
    "timingRange", "timingTiming", "participant", "type", "groupingBehavior", "selectionBehavior",
    "requiredBehavior", "precheckBehavior", "cardinalityBehavior",
)  # fmt: skip
"""The members that a request action takes over from the plan's action."""


def bundle(outcome: Outcome, decision_id: UUID) -> dict[str, Any]:
    """A collection Bundle: the RequestGroup of the plan first, then everything it refers to."""
    writer = _Writer(outcome.subject, decision_id)
    entries: list[dict[str, Any]] = []
    group = writer.group(outcome.plan, outcome.fired, outcome.plan.id, "proposal", entries)
    return {
        "resourceType": "Bundle",
        "id": str(decision_id),
        "type": "collection",
        "entry": [{"resource": resource} for resource in (group, *entries)],
    }


class _Writer:
    def __init__(self, subject: str, decision_id: UUID) -> None:
        self.subject = subject
        self.decision_id = decision_id

    def group(
        self,
        plan: Plan,
        fired: tuple[ActionOutcome, ...],
        path: str,
        intent: str,
        entries: list[dict[str, Any]],
    ) -> dict[str, Any]:
        group: dict[str, Any] = {
            "resourceType": "RequestGroup",
            "id": str(uuid5(self.decision_id, path)),
            "instantiatesCanonical": [plan.versioned],
            "status": "draft",
            "intent": intent,
            "subject": {"reference": self.subject},
        }
        actions = [self._action(item, entries) for item in fired]
        if actions:
            group["action"] = _pruned(actions)
        return group

    def _action(self, outcome: ActionOutcome, entries: list[dict[str, Any]]) -> dict[str, Any]:
        """One request action; what it refers to is appended to `entries`."""
        source = outcome.action.json
        name = outcome.path.rsplit("/", 1)[-1].replace("[", "-").rstrip("]")
        action: dict[str, Any] = {"id": name}
        action |= {key: source[key] for key in COPIED if key in source}
        action["condition"] = _applicability(source)
        for member in ("title", "description"):
            if member in action:
                action[member] = fill(action[member], outcome.values)
        action |= {
            path: _plain(value) for path, value in outcome.changes.items() if "." not in path
        }
        children = outcome.fired
        if isinstance(outcome.action.definition, Plan):
            nested = self.group(
                outcome.action.definition, children, outcome.path, "option", entries
            )
            entries.append(nested)
            action["resource"] = _reference(nested)
        elif children:
            action["action"] = _pruned([self._action(child, entries) for child in children])
        elif outcome.resource is not None:
            entries.append(dict(outcome.resource))
            action["resource"] = _reference(outcome.resource)
        return {key: value for key, value in action.items() if value not in (None, [], {})}


def fill(text: str, values: Mapping[str, list[Any]]) -> str:
    """`text` with each `{name}` replaced by its values, comma-separated; no value is an en dash."""

    def value_of(match: Any) -> str:
        return ", ".join(str(item) for item in values.get(match[1], ())) or "–"

    return PLACEHOLDER.sub(value_of, text)


def _applicability(source: Mapping[str, Any]) -> list[Any]:
    return [item for item in source.get("condition", ()) if item.get("expression")]


def _reference(resource: Mapping[str, Any]) -> dict[str, str]:
    return {"reference": f"{resource['resourceType']}/{resource.get('id')}"}


def _plain(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values


def _pruned(actions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The actions without relations to actions that did not apply."""
    ids = set(_ids(actions))
    for action in actions:
        related = [item for item in action.get("relatedAction", ()) if item.get("actionId") in ids]
        action.pop("relatedAction", None)
        if related:
            action["relatedAction"] = related
    return actions


def _ids(actions: list[dict[str, Any]]) -> Iterator[str]:
    for action in actions:
        yield str(action.get("id"))
        yield from _ids(action.get("action", []))
