"""A case run again after a change: what the change cannot touch is not judged again.

The request stays read as long as the service asks for the same data; an action that is still the
very same object keeps its outcome; and where all that applies has the same facts and texts as
before, so have the cards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cds_service.authoring import cases as case_running
from cds_service.authoring.mutation_run import is_alike
from cds_service.errors import CdsError, ContentError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from cds_service.authoring.cases import Case, CaseResult
    from cds_service.engine import DataRequirement, Outcome
    from cds_service.hooks.service import HookService, Question


@dataclass(frozen=True, slots=True)
class Ran:
    """A case that ran, with what can be used when it runs again.

    `texts` is the state of the guideline's texts that its cards were worded with; `asked` the data
    that the service asked for. Without a question the request was refused.
    """

    result: CaseResult
    texts: int
    question: Question | None = None
    outcome: Outcome | None = None
    asked: tuple[DataRequirement, ...] = ()


def run(
    case: Case, service: HookService, zone: ZoneInfo, texts: int, before: Ran | None = None
) -> Ran:
    """The case run with the service as it is now; `before` is how the same case ran last."""
    if before is not None and before.result.case is not case:
        before = None
    try:
        service = case_running.service_for(case, service)
        question = _question(case, service, zone, before)
        outcome = _outcome(question, service, before)
        if before is not None and before.texts == texts and _is_same(outcome, before.outcome):
            result = before.result
        else:
            result = case_running.answered(case, service.answer_of(question, outcome))
    except ContentError as mistake:
        return Ran(case_running.CaseResult(case, (str(mistake),)), texts)
    except CdsError as error:
        return Ran(case_running.refused(case, error), texts)
    asked = service.library.service(question.service).requirements
    return Ran(result, texts, question, outcome, asked)


def _question(case: Case, service: HookService, zone: ZoneInfo, before: Ran | None) -> Question:
    """The request as it was read before, where it would be read the same."""
    if before is not None and before.question is not None:
        now = service.library.services.get(before.question.service)
        if now is not None and now.requirements == before.asked:
            return before.question
    return case_running.question_of(case, service, zone)


def _outcome(question: Question, service: HookService, before: Ran | None) -> Outcome:
    if before is None or before.outcome is None or before.question is not question:
        return service.outcome(question)
    return service.outcome(question, {item.path: item for item in before.outcome.walk()})


def _is_same(now: Outcome, before: Outcome | None) -> bool:
    """Whether the cards are worded from the same facts."""
    if before is None:
        return False
    budgets = now.plan.budget, before.plan.budget
    overflow, was = (budget.overflow if budget else None for budget in budgets)
    return overflow is was and is_alike(now.actions, before.actions)
