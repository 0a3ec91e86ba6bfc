"""PlanDefinition/$apply: conditions, behaviours, definitions and dynamic values → Outcome.

Source: FHIR R4 PlanDefinition `$apply`, CPG-on-FHIR. Actions are judged in document order; per
action: repetition, conditions, texts, definition or resource, dynamic values, then the children.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from cds_service.engine.action_codes import refusal
from cds_service.engine.activity_definition import instantiate
from cds_service.engine.dynamic_path import is_of_action
from cds_service.engine.dynamic_value import set_value
from cds_service.engine.outcome import (
    EARLIER_APPLIES,
    NOTHING_TO_REPEAT,
    ActionOutcome,
    ConditionOutcome,
    Outcome,
    Verdict,
    judged_action,
    judged_condition,
)
from cds_service.engine.plan_definition import Activity, LeftOut, Plan, Questionnaire
from cds_service.errors import EvaluationError
from cds_service.fhirpath import Date, Evaluation, Incomplete, Truth, facts_of, plain, truth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from cds_service.engine.plan_definition import (
        Action,
        Condition,
        DynamicValue,
        Expression,
        Named,
    )

ACTION = "RequestGroup.action"
FIRED, NOT_MET = Verdict.FIRED, Verdict.NOT_MET
_NOTHING: Mapping[str, ActionOutcome] = MappingProxyType({})

_VERDICTS = {
    Truth.TRUE: Verdict.FIRED,
    Truth.FALSE: Verdict.NOT_MET,
    Truth.EMPTY: Verdict.CANNOT_TELL,
    Truth.UNKNOWN: Verdict.CANNOT_TELL,
}


@dataclass(frozen=True, slots=True)
class Situation:
    """What `$apply` is asked with.

    `subject` is `Patient/id`; `resource` is that Patient, None when nothing is known of it.
    `variables` are the named data: a resource, a list of resources, a primitive, or an incomplete
    list. `resolve` finds a resource by reference, or says None.
    """

    subject: str
    resource: Mapping[str, Any] | None
    variables: Mapping[str, Any]
    now: datetime
    decision_id: UUID
    resolve: Callable[[str], Any | None] | None = None
    encounter: str | None = None
    practitioner: str | None = None


def apply(
    plan: Plan, situation: Situation, known: Mapping[str, ActionOutcome] = _NOTHING
) -> Outcome:
    """Judge every action of the plan for this situation.

    `known` holds, by path, what nearly the same plan came to for the same situation: an action
    that is the very same object in both is not judged again.
    """
    evaluation = evaluation_of(situation)
    try:
        run = _Run(situation, known)
        actions = run.judge_all(plan, plan, plan.id, evaluation)
        outcome = Outcome(plan, situation.subject, actions)
        if plan.quieting is None or not outcome.fired:
            return outcome
        return replace(outcome, since=_day(plan.quieting.since, evaluation))
    finally:
        evaluation.forget()


def evaluation_of(situation: Situation) -> Evaluation:
    """What the expressions of one `$apply` are evaluated in; the focus is the subject."""
    return Evaluation(
        variables=situation.variables,
        now=situation.now,
        resolve=situation.resolve,
        resource=situation.resource,
        focus=Incomplete() if situation.resource is None else situation.resource,
    )


def request_of(
    activity: Activity, situation: Situation, path: str, evaluation: Evaluation
) -> dict[str, Any]:
    """The request resource of an activity, with its dynamic values; `path` makes its id.

    Raises EvaluationError when one of them cannot be computed from this data.
    """
    resource = instantiate(
        activity,
        id_=str(uuid5(situation.decision_id, path)),
        subject=situation.subject,
        encounter=situation.encounter,
        requester=situation.practitioner,
    )
    for value in activity.dynamic_values:
        set_value(resource, value.path, _values(value, evaluation))
    return resource


@dataclass(frozen=True, slots=True)
class _Run:
    situation: Situation
    known: Mapping[str, ActionOutcome]

    def judge_all(
        self, owner: Plan | Action, plan: Plan, path: str, evaluation: Evaluation
    ) -> tuple[ActionOutcome, ...]:
        """What the actions directly below a plan, or an action of it, come to."""
        if owner.are_plain and not self.known:
            judge = self._judge
            return tuple(
                [judge(item, plan, f"{path}/{item.key}", evaluation) for item in owner.actions]
            )
        first_match = not isinstance(owner, Plan) and owner.first_match
        outcomes: list[ActionOutcome] = []
        is_decided = False
        for action in owner.actions:
            here = f"{path}/{action.key}"
            if is_decided:
                skipped = ActionOutcome(action, plan, here, Verdict.NOT_MET, note=EARLIER_APPLIES)
                outcomes.append(skipped)
                continue
            scope = evaluation.bind(action=action.json) if action.reads_itself else evaluation
            before = len(outcomes)
            if self.known and (known := self._known(action, here, evaluation)) is not None:
                outcomes.append(known)
            elif action.for_each is None:
                outcomes.append(self._judge(action, plan, here, scope))
            else:
                outcomes.extend(self._repeat(action, action.for_each, plan, here, scope))
            if action.is_shadow:  # and the next alternative may apply
                outcomes[before:] = [item.in_shadow() for item in outcomes[before:]]
            if first_match:
                is_decided = any(item.verdict is Verdict.FIRED for item in outcomes[before:])
        return tuple(outcomes)

    def _known(self, action: Action, path: str, evaluation: Evaluation) -> ActionOutcome | None:
        """What this very action came to before, where nothing around it is repeated."""
        found = self.known.get(path) if evaluation.parent is None else None
        return found if found is not None and found.action is action else None

    def _repeat(
        self, action: Action, each: Named, plan: Plan, path: str, scope: Evaluation
    ) -> Iterator[ActionOutcome]:
        """The action once per item of its `for-each`."""
        name, expression = each.name, each.expression
        try:
            items = expression.program.answer(scope)
        except EvaluationError as error:
            yield ActionOutcome(action, plan, path, Verdict.ERROR, note=error.message)
            return
        if not items:
            verdict = Verdict.CANNOT_TELL if isinstance(items, Incomplete) else Verdict.NOT_MET
            note = NOTHING_TO_REPEAT + expression.text
            yield ActionOutcome(action, plan, path, verdict, note=note)
        for index, item in enumerate(items):
            yield self._judge(action, plan, f"{path}[{index}]", scope.bind(**{name: [item]}))

    def _judge(
        self, action: Action, plan: Plan, path: str, evaluation: Evaluation
    ) -> ActionOutcome:
        conditions: tuple[ConditionOutcome, ...] = ()
        children: tuple[ActionOutcome, ...] = ()
        if action.conditions:
            verdict, conditions = self._conditions(action, evaluation)
            if verdict is not FIRED:
                return judged_action(action, plan, path, verdict, conditions)
        if action.is_silent:
            if action.has_children:
                children = self._children(action, plan, path, evaluation)
            return judged_action(action, plan, path, FIRED, conditions, children)
        if isinstance(action.definition, LeftOut):
            reason = action.definition.reason
            return ActionOutcome(action, plan, path, Verdict.ERROR, conditions, reason)
        try:
            values = {
                name: facts_of(expression.program.answer(evaluation))
                for name, expression in action.placeholders.items()
            }
            resource, changes = self._resource(action, path, evaluation)
        except EvaluationError as error:
            return ActionOutcome(action, plan, path, Verdict.ERROR, conditions, error.message)
        children = self._children(action, plan, path, evaluation)
        return ActionOutcome(
            action, plan, path, Verdict.FIRED, conditions, None, values, changes, resource, children
        )

    def _children(
        self, action: Action, plan: Plan, path: str, evaluation: Evaluation
    ) -> tuple[ActionOutcome, ...]:
        inner = action.definition
        nested: tuple[ActionOutcome, ...] = ()
        if isinstance(inner, Plan):
            here = f"{path}/{inner.id}"
            nested = self.judge_all(inner, inner, here, evaluation)
        if not action.actions:
            return nested
        return nested + self.judge_all(action, plan, path, evaluation)

    def _conditions(
        self, action: Action, evaluation: Evaluation
    ) -> tuple[Verdict, tuple[ConditionOutcome, ...]]:
        """The action's conditions; after a known no only those that are to be explained.

        They are ANDed: a known no decides; else an error, else missing knowledge.
        """
        if len(action.conditions) == 1:  # as most have
            only = _condition(action.conditions[0], evaluation)
            return only.verdict, (only,)
        found = FIRED
        outcomes: list[ConditionOutcome] = []
        for condition in action.conditions:
            outcome = _condition(condition, evaluation)
            outcomes.append(outcome)
            verdict = outcome.verdict
            if verdict is FIRED:
                continue
            if verdict is NOT_MET:
                found = verdict
                if outcome.trace is None:
                    break
            elif found is not NOT_MET and (verdict is Verdict.ERROR or found is FIRED):
                found = verdict
        return found, tuple(outcomes)

    def _resource(
        self, action: Action, path: str, evaluation: Evaluation
    ) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        """The action's resource, with the dynamic values of its definition, then its own."""
        resource: dict[str, Any] | None = None
        changes: dict[str, Any] = {}
        if action.resource is not None:
            resource = _single_resource(action.resource, evaluation)
        elif isinstance(action.definition, Questionnaire):
            resource = dict(action.definition.json)
        elif isinstance(action.definition, Activity):
            resource = request_of(action.definition, self.situation, path, evaluation)
        for value in action.dynamic_values:
            found = _values(value, evaluation)
            if resource is None or is_of_action(value.path):
                changes = _changed(action, changes, value.path, found)
            else:
                set_value(resource, value.path, found)
        return resource, changes


def _changed(
    action: Action, changes: dict[str, Any], path: str, values: list[Any]
) -> dict[str, Any]:
    """The members of the request action that differ from the plan's action, one path more set."""
    changed = {**action.json, **changes}
    set_value(changed, path, values, kind=ACTION)
    changed = {key: value for key, value in changed.items() if value is not action.json.get(key)}
    for told in (refusal(member, value) for member, value in changed.items()):
        if told is not None:
            raise EvaluationError(f"'{path}' cannot be set: {told}")
    return changed


def _condition(condition: Condition, evaluation: Evaluation) -> ConditionOutcome:
    program = condition.program
    if program is None:
        return _explained(condition, evaluation)
    try:
        return judged_condition(condition, _verdict(program.answer(evaluation)))
    except EvaluationError as error:
        return ConditionOutcome(condition, Verdict.ERROR, error=error.message)


def _verdict(value: list[Any]) -> Verdict:
    """What a condition comes to by its value: nearly always one boolean, told without a call."""
    plain_one = value[0] if type(value) is list and len(value) == 1 else None
    if plain_one is True:
        return FIRED
    return NOT_MET if plain_one is False else _VERDICTS[truth(value)]


def _explained(condition: Condition, evaluation: Evaluation) -> ConditionOutcome:
    """The outcome with its trace; or why there is none."""
    if condition.expression is None:
        return ConditionOutcome(condition, Verdict.ERROR, error=condition.unsupported)
    try:
        trace = condition.expression.program.explain(evaluation, evaluation.focus)
        return ConditionOutcome(condition, _verdict(trace.items), None, trace)
    except EvaluationError as error:
        return ConditionOutcome(condition, Verdict.ERROR, error=error.message)


def _day(expression: Expression, evaluation: Evaluation) -> date | None:
    """The one full date that the expression gives; None for anything else."""
    try:
        found = expression.program.answer(evaluation)
    except EvaluationError:
        return None
    day = found[0] if type(found) is list and len(found) == 1 else None
    return date(*day.parts) if isinstance(day, Date) and len(day.parts) == Date.size else None


def _values(value: DynamicValue, evaluation: Evaluation) -> list[Any]:
    """What the expression gives; nothing when that is unknown, so that nothing is overwritten."""
    if value.expression is None:
        raise EvaluationError(f"'{value.path}' cannot be computed: {value.unsupported}")
    found = value.expression.program.answer(evaluation)
    return [] if isinstance(found, Incomplete) else found


def _single_resource(expression: Expression, evaluation: Evaluation) -> dict[str, Any]:
    found = plain(expression.program.answer(evaluation))
    if len(found) != 1 or not isinstance(found[0], Mapping):
        raise EvaluationError(
            f"action-resource must give one resource, not {len(found)}: {expression.text}"
        )
    return dict(found[0])
