"""The closures that run a criterion or projection once per item (sections 5.1 and 5.2).

Inside, `$this` is the item and `$index` its position; over an incomplete collection the position
is not known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_service.errors import EvaluationError
from cds_service.fhirpath.collection import UNKNOWN, Incomplete, describe, scalar
from cds_service.fhirpath.evaluation import Frame, refuse_to_excuse
from cds_service.fhirpath.functions.registry import Dependencies, merged, without

if TYPE_CHECKING:
    from cds_service.fhirpath.code import Code, Compiling, Run, Scope, Site
    from cds_service.fhirpath.syntax import Syntax


def decide(result: list[Any]) -> Any:
    """True, False, None (empty) or UNKNOWN of a criterion; EvaluationError if not a boolean."""
    if type(result) is list and len(result) == 1:
        value = result[0]
        if value is True or value is False:
            return value
    value = scalar(result)
    if value is None or value is UNKNOWN or isinstance(value, bool):
        return value
    raise EvaluationError(
        f"a criterion must be true or false, this is {describe(value)}",
        code="not-a-boolean",
        hint="end it with exists(), or compare it with a value",
    )


class Lambda:
    """A compiled argument that runs once per item, and its row scope."""

    def __init__(
        self,
        compiler: Compiling,
        site: Site,
        node: Syntax,
        names: frozenset[str] = frozenset({"$index"}),
    ) -> None:
        self.scope: Scope = compiler.row(site.scope, site.receiver.types, names)
        self.code: Code = compiler.compile(node, self.scope)

    @property
    def index_slot(self) -> int | None:
        """Where `$index` is kept, None when the body does not read it."""
        return self.scope.row_slots.get("$index")

    def uses(self, receiver: Code) -> Dependencies:
        """The dependencies of the call that runs this lambda over `receiver`."""
        both = merged(receiver, self.code)
        both["uses"] = receiver.uses | without(self.code.uses, self.scope)
        return both


def set_index(frame: Frame, slot: int, position: int, *, known: bool) -> None:
    """Make `$index` known to the row that runs next; over incomplete data it is not."""
    frame.slots[slot] = position if known else None


def filtered(source: Run, criterion: Run, slot: int | None) -> Run:
    """The closure of `where`: an unknown criterion leaves the row out and the result incomplete."""

    def run(frame: Frame, this: list[Any]) -> list[Any]:
        items = source(frame, this)
        frame.evaluation.budget.charge(len(items))
        complete = type(items) is list
        out: list[Any] = []
        for position, item in enumerate(items):
            if slot is not None:
                set_index(frame, slot, position, known=type(items) is list)
            verdict = decide(criterion(frame, [item]))
            if verdict is True:
                out.append(item)
            elif verdict is UNKNOWN:
                complete = False
        return out if complete else Incomplete(out)

    return run


def projected(source: Run, projection: Run, slot: int | None) -> Run:
    """The closure of `select`: the results of all rows, flattened."""

    def run(frame: Frame, this: list[Any]) -> list[Any]:
        items = source(frame, this)
        complete = type(items) is list
        out: list[Any] = []
        for position, item in enumerate(items):
            if slot is not None:
                set_index(frame, slot, position, known=type(items) is list)
            result = projection(frame, [item])
            complete = complete and type(result) is list
            out.extend(result)
        frame.evaluation.budget.charge(len(items) + len(out))
        return out if complete else Incomplete(out)

    return run


def every(source: Run, criterion: Run, slot: int | None) -> Run:
    """The closure of `all`: one false row decides; else an unknown one leaves it open."""

    def run(frame: Frame, this: list[Any]) -> list[Any]:
        items = source(frame, this)
        frame.evaluation.budget.charge(len(items))
        complete = type(items) is list
        for position, item in enumerate(items):
            if slot is not None:
                set_index(frame, slot, position, known=type(items) is list)
            try:
                verdict = decide(criterion(frame, [item]))
            except EvaluationError as error:
                if complete:
                    raise
                refuse_to_excuse(error)
                continue
            if verdict is UNKNOWN:
                complete = False
            elif verdict is not True:
                return [False]
        return [True] if complete else Incomplete()

    return run
