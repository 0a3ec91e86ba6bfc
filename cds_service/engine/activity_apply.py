"""ActivityDefinition/$apply on its own: the request that it stands for, for a subject."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_service.engine.apply import evaluation_of, request_of
from cds_service.engine.wording import with_words
from cds_service.errors import EvaluationError, RequestError
from cds_service.messages import DEFAULT_LANGUAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cds_service.engine.apply import Situation
    from cds_service.engine.plan_definition import Activity


def apply_activity(activity: Activity, situation: Situation) -> Mapping[str, Any]:
    """The request resource of this activity, as an action that has nothing else would propose it.

    Raises RequestError when a dynamic value cannot be computed from this data.
    """
    evaluation = evaluation_of(situation)
    try:
        scope = evaluation.bind(action={})
        resource = request_of(activity, situation, activity.canonical, scope)
    except EvaluationError as error:
        message = f"the activity cannot be applied to this data: {error.message}"
        raise RequestError(message) from None
    finally:
        evaluation.forget()
    worded: Mapping[str, Any] = with_words(resource, DEFAULT_LANGUAGE)
    return worded
