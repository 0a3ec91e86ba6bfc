"""ActivityDefinition/$apply on its own: the request that an action of a plan would propose."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cds_service.engine.apply import apply
from cds_service.engine.outcome import Verdict
from cds_service.engine.plan_definition import Activity
from cds_service.engine.wording import with_words
from cds_service.errors import RequestError
from cds_service.messages import DEFAULT_LANGUAGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cds_service.engine.apply import Situation
    from cds_service.engine.plan_definition import Action, Plan


def apply_activity(
    plans: Iterable[Plan], canonical: str, situation: Situation
) -> Mapping[str, Any] | None:
    """The request resource of this activity; None when no plan of `plans` proposes it.

    The action that proposes it lends its place: its conditions and its own values do not count.
    Raises RequestError when a dynamic value cannot be computed from this data.
    """
    for plan in plans:
        for action in plan.walk():
            if isinstance(action.definition, Activity) and action.definition.canonical == canonical:
                return _request(plan, action, situation)
    return None


def _request(plan: Plan, action: Action, situation: Situation) -> Mapping[str, Any] | None:
    bare = replace(
        action,
        title=None,
        description=None,
        conditions=(),
        for_each=None,
        resource=None,
        dynamic_values=(),
        placeholders={},
        actions=(),
    )
    (outcome,) = apply(replace(plan, actions=(bare,), budget=None), situation).actions
    if outcome.verdict is Verdict.ERROR:
        raise RequestError(f"the activity cannot be applied to this data: {outcome.note}")
    resource: Mapping[str, Any] | None = with_words(outcome.resource, DEFAULT_LANGUAGE)
    return resource
