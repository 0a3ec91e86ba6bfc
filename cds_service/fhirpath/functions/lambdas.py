"""The closures that run a criterion or projection once per item (sections 5.1 and 5.2).

Inside, `$this` is the item and `$index` its position; over an incomplete collection the position
is not known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from cds_service.errors import EvaluationError
from cds_service.fhirpath.bounds import WITHIN
from cds_service.fhirpath.collection import UNKNOWN, Incomplete, Node, describe, scalar
from cds_service.fhirpath.evaluation import Frame, refuse_to_excuse
from cds_service.fhirpath.functions.registry import Dependencies, merged, without
from cds_service.fhirpath.index import NO_ROWS
from cds_service.fhirpath.leads import Barren, Leads
from cds_service.fhirpath.rows import ODD, Kept

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cds_service.fhirpath.code import Code, Compiling, Run, Scope, Site
    from cds_service.fhirpath.evaluation import Evaluation
    from cds_service.fhirpath.index import CodeIndex
    from cds_service.fhirpath.leads import Way
    from cds_service.fhirpath.rows import Fact, Leading, Path
    from cds_service.fhirpath.syntax import Syntax


Judged: TypeAlias = "Callable[[Frame, list[Any], Sequence[int]], list[Any]]"
"""From a collection and positions in it to the items that a criterion is true of."""


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

    def kept_path(self, receiver: Code) -> Path | None:
        """The path of `receiver.where(this)`, if both can be told from JSON alone."""
        if receiver.path is None or self.code.fact is None:
            return None
        return (*receiver.path, Kept(self.code.fact))


def set_index(frame: Frame, slot: int, position: int, *, known: bool) -> None:
    """Make `$index` known to the row that runs next; over incomplete data it is not."""
    frame.slots[slot] = position if known else None


def filtered(receiver: Code, row: Lambda) -> Run:
    """The closure of `where`: an unknown criterion leaves the row out and the result incomplete.

    Of a variable, rows are found by their codes when the criterion starts with a value set; where
    it is nothing else, those found are the answer.
    """
    source, judged = receiver.run, _judged(row)
    leading = row.code.leading if receiver.stable else None

    if leading is not None:
        return _by_code(receiver, judged, leading)
    way: Way | None = None if receiver.variable is None else (*receiver.variable, "")

    def run_over_all(frame: Frame, this: list[Any]) -> list[Any]:
        items, evaluation = source(frame, this), frame.evaluation
        if items:
            evaluation.budget.charge(len(items))
            return judged(frame, items, range(len(items)))
        if way is not None and evaluation.parent is None and type(items) is list:
            evaluation.coded[way] = NO_ROWS  # there is nothing in this variable
        return items

    return run_over_all


def barren(receiver: Code, row: Lambda) -> Barren | None:
    """What `where` answers when no code of the chart leads to a row, or there are no rows."""
    leading = row.code.leading
    directory = None if leading is None else leading.directory
    if receiver.variable is None:
        return None if receiver.barren is None else receiver.barren.answering([], [])
    if leading is None:
        return Barren((Leads((*receiver.variable, ""), None, frozenset({None})),), [])
    if directory is None:
        return None
    way = (*receiver.variable, leading.key)
    return Barren((Leads(way, directory, leading.tests),), [])


def _by_code(receiver: Code, judged: Judged, leading: Leading) -> Run:
    """`where` on the rows that the codes at the start of its criterion lead to."""
    source, key, tests, directory = receiver.run, leading.key, leading.tests, leading.directory
    way = None if receiver.variable is None else (*receiver.variable, key)

    def indexed(evaluation: Evaluation, items: list[Any]) -> CodeIndex:
        index = evaluation.index(items, leading)
        if way is not None and evaluation.parent is None and type(items) is list:
            evaluation.coded[way] = index
        return index

    def run_by_code(frame: Frame, this: list[Any]) -> list[Any]:
        items, evaluation = source(frame, this), frame.evaluation
        index = evaluation.indexes.get((id(items), key)) or indexed(evaluation, items)
        is_known = directory is not None and index.directory is directory
        if is_known and tests.isdisjoint(index.passing):
            return [] if type(items) is list else Incomplete()
        positions = index.candidates(leading)
        if not positions:
            return [] if type(items) is list else Incomplete()
        evaluation.budget.charge(len(positions))
        if index.odd or not leading.whole:
            return judged(frame, items, positions)
        out = [items[position] for position in positions]
        return out if type(items) is list else Incomplete(out)

    return run_by_code


def _judged(row: Lambda) -> Judged:
    """The rows at some positions of which the criterion is true.

    What JSON alone tells of a row is asked first; the criterion is evaluated where that is not
    enough.
    """
    criterion, slot = row.code.run, row.index_slot
    judges = _judges(row.code)

    def kept(frame: Frame, items: list[Any], positions: Sequence[int]) -> list[Any]:
        known = complete = type(items) is list
        out: list[Any] = []
        for position, verdict in _told(row.code, frame, items, positions):
            judge = judges.get(verdict, criterion)
            if judge is not None:
                if slot is not None:
                    set_index(frame, slot, position, known=known)
                found = judge(frame, [items[position]])
                # The plain case, one boolean, without a call; `decide` knows all others.
                verdict = found[0] if type(found) is list and len(found) == 1 else None  # noqa: PLW2901
                if verdict is not True and verdict is not False:
                    verdict = decide(found)  # noqa: PLW2901 - now known
            if verdict is True or verdict is WITHIN:
                out.append(items[position])
            elif verdict is UNKNOWN:
                complete = False
        return out if complete else Incomplete(out)

    return kept


def _judges(code: Code) -> dict[Any, Run | None]:
    """What is left to evaluate of a row after each verdict of `_told`; the criterion after others.

    None for nothing: the verdict is known.
    """
    if code.fact is not None:
        return {True: None, None: None}
    within = code.run if code.bounds is None else code.bounds.rest
    return {True: code.rest or code.run, WITHIN: within}


def _told(
    code: Code, frame: Frame, items: list[Any], positions: Sequence[int]
) -> list[tuple[int, Any]]:
    """The rows of which the criterion is not known to be false, with what is known of it.

    True where its fact or guard is, or there is none; WITHIN where it is within its bounds as well.
    """
    told, bounds = _told_by_json(code.fact or code.guard, items, positions), code.bounds
    return told if bounds is None else bounds.narrowed(frame, items, told)


def _told_by_json(
    fact: Fact | None, items: list[Any], positions: Sequence[int]
) -> list[tuple[int, Any]]:
    if fact is None:
        return [(position, True) for position in positions]
    out: list[tuple[int, Any]] = []
    tests = fact.tests
    for position in positions:
        item = items[position]
        verdict = ODD
        if type(item) is Node and item.root is not None:
            test = tests[item.type]
            if test is not None:
                verdict = test(item.value)
        if verdict is not False:
            out.append((position, verdict))
    return out


def projected(source: Run, projection: Run, slot: int | None) -> Run:
    """The closure of `select`: the results of all rows, flattened."""

    def run(frame: Frame, this: list[Any]) -> list[Any]:
        items = source(frame, this)
        if not items:
            return items
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
