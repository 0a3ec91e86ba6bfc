"""A compiled expression: evaluate it in a shared environment, call it on a resource, explain it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cds_service.errors import EvaluationError
from cds_service.fhirpath.collection import Node, plain, wrap
from cds_service.fhirpath.evaluation import BUDGET_EXCEEDED, Evaluation, Frame
from cds_service.fhirpath.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from cds_service.fhirpath.code import Code


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A compiled expression. It holds no state of an evaluation and can be shared.

    `reads` are the environment variables that it reads, through definitions as well; `resource` is
    among them also where it starts from its focus.
    """

    expression: str
    reads: frozenset[str]
    traced: bool
    _root_type: str | None = field(repr=False)
    _code: Code = field(repr=False)
    _size: int = field(repr=False)

    def evaluate(self, evaluation: Evaluation, focus: list[Any]) -> list[Any]:
        """The items that the expression answers for a focus (items, or JSON of the root type).

        An `Incomplete` list when not everything about the answer is known. EvaluationError when
        the data does not fit the expression or the budget is used up. What it answers for the
        evaluation's own focus is kept there: many plans ask the same question.
        """
        if focus is not evaluation.focus:
            return self._run(Frame(evaluation, self._size), focus)
        return self.answer(evaluation)

    def answer(self, evaluation: Evaluation) -> list[Any]:
        """What `evaluate` says for the evaluation's own focus."""
        home = evaluation if evaluation.parent is None else evaluation.home(self.reads)
        found: list[Any] | None = home.memo.get(self)
        if found is None:
            barren = self._code.barren
            if barren is not None and barren.holds(home.coded):
                found = barren.answer
            else:
                found = self._run(Frame(home, self._size), home.focus)
            home.memo[self] = found
        return found

    def __call__(
        self,
        resource: Any,
        *,
        variables: Mapping[str, Any] | None = None,
        now: datetime | None = None,
        resolve: Callable[[str], Any | None] | None = None,
    ) -> list[Any]:
        """The plain values that the expression answers for one resource.

        An `Incomplete` list where not everything about the answer is known: a reference that is
        not at hand leaves it open, it does not make it empty.
        """
        evaluation = Evaluation(
            variables=variables or {}, now=now, resolve=resolve, resource=resource
        )
        return plain(self.answer(evaluation))

    def explain(self, evaluation: Evaluation, focus: list[Any]) -> Trace:
        """What the expression and its parts answer; it must have been compiled with `traced`.

        As in `evaluate`, what is told for the evaluation's own focus is kept there.
        """
        if focus is not evaluation.focus:
            return self._traced(evaluation, focus)
        home = evaluation if evaluation.parent is None else evaluation.home(self.reads)
        key = (Trace, self)
        found: Trace | None = home.memo.get(key)
        if found is None:
            found = home.memo[key] = self._traced(home, focus)
        return found

    def _traced(self, evaluation: Evaluation, focus: list[Any]) -> Trace:
        trace = Trace(self.expression)
        trace.items = self._run(Frame(evaluation, self._size, trace), focus)
        return trace

    def _run(self, frame: Frame, focus: list[Any]) -> list[Any]:
        items = focus
        for item in focus:
            if type(item) is not Node:
                items = wrap(focus, self._root_type)
                break
        try:
            return self._code.run(frame, items)
        except RecursionError:
            raise EvaluationError(
                "the expression nests too deeply to be evaluated", code=BUDGET_EXCEEDED
            ) from None
