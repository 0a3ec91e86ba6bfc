"""ActivityDefinition/$apply on its own: the request that it stands for, for a subject."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_service.engine.apply import apply
from cds_service.engine.outcome import Verdict
from cds_service.engine.plan_definition import Action, Plan
from cds_service.engine.wording import with_words
from cds_service.errors import RequestError, Where
from cds_service.messages import DEFAULT_LANGUAGE, Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cds_service.engine.apply import Situation
    from cds_service.engine.plan_definition import Activity


def apply_activity(activity: Activity, situation: Situation) -> Mapping[str, Any]:
    """The request resource of this activity, as a plan of nothing else would propose it.

    Raises RequestError when a dynamic value cannot be computed from this data.
    """
    (outcome,) = apply(_plan_of(activity), situation).actions
    if outcome.verdict is Verdict.ERROR:
        raise RequestError(f"the activity cannot be applied to this data: {outcome.note}")
    resource: Mapping[str, Any] = with_words(outcome.resource, DEFAULT_LANGUAGE)
    return resource


def _plan_of(activity: Activity) -> Plan:
    """A plan with one action, without conditions, that is this activity."""
    name = str(activity.json.get("id", "activity"))
    action = Action(
        key=name,
        json={},
        where=Where(),
        title=None,
        description=None,
        conditions=(),
        first_match=False,
        grouping=None,
        for_each=None,
        resource=None,
        dynamic_values=(),
        placeholders={},
        documentation=(),
        code=None,
        override_reasons=(),
        definition=activity,
        actions=(),
    )
    return Plan(
        id=name,
        canonical=activity.canonical,
        version=None,
        title=Text(name, {}),
        publisher=None,
        topic=None,
        json={},
        actions=(action,),
        budget=None,
        frame=None,
    )
