"""One request's environment: variables, clock, references, memo of definitions, and budgets.

An Evaluation is made once per request and shared by all its expressions. The clock is `now`;
nothing here reads one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_service.errors import EvaluationError
from cds_service.fhirpath.bundle import BundleEntries
from cds_service.fhirpath.collection import Incomplete, Node, as_item, wrap
from cds_service.fhirpath.index import CodeIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from cds_service.fhirpath.leads import Way
    from cds_service.fhirpath.rows import Leading

MAX_STEPS = 5_000_000
"""Rows that all expressions of one request may look at."""

MAX_ITEMS = 200_000
"""Items that one collection may hold."""

BUDGET_EXCEEDED = "budget-exceeded"
_FOCUS_NAMES = frozenset({"context", "resource", "rootResource"})


class Budget:
    """What is left of the steps of one request, shared by its child scopes."""

    __slots__ = ("max_items", "steps")

    def __init__(self, steps: int, max_items: int) -> None:
        self.steps = steps
        self.max_items = max_items

    def charge(self, count: int) -> None:
        """Account for `count` more rows; EvaluationError when the budget is used up."""
        self.steps -= count
        if self.steps < 0:
            raise EvaluationError(
                "the evaluation takes more steps than it may", code=BUDGET_EXCEEDED
            )
        if count > self.max_items:
            raise EvaluationError(
                f"a collection holds more than {self.max_items} items", code=BUDGET_EXCEEDED
            )


class Evaluation:
    """The environment that expressions are evaluated in.

    Args:
        variables: values of `%name`: a resource, an element, a primitive, items, or a list of
            these; an `Incomplete` list where not everything could be obtained.
        now: the moment that `now()`, `today()` and `timeOfDay()` answer; aware, or None.
        resolve: from a reference to the resource, or None when it is not at hand.
        resource: `%resource` and `%rootResource`.
        focus: what name definitions and `%context` start from; `resource` when left out.
        max_steps: rows that may be looked at before the evaluation is stopped.
        max_items: items that one collection may hold.
    """

    def __init__(  # noqa: PLR0913 - the arguments of the contract
        self,
        *,
        variables: Mapping[str, Any],
        now: datetime | None,
        resolve: Callable[[str], Any | None] | None = None,
        resource: Any = None,
        focus: Any = None,
        max_steps: int = MAX_STEPS,
        max_items: int = MAX_ITEMS,
    ) -> None:
        self.variables: Mapping[str, Any] = variables
        self.now = now
        self.resolve = resolve
        self.resource = resource
        self.focus: list[Any] = wrap(resource if focus is None else focus)
        self.budget = Budget(max_steps, max_items)
        self.parent: Evaluation | None = None
        self.root: Evaluation | None = None
        self.bound: frozenset[str] = frozenset()
        self.memo: dict[Any, Any] = {}
        self._memos = [self.memo]
        self._bound_around: frozenset[str] = frozenset()
        self.wrapped: dict[tuple[str, str | None], list[Any]] = {}
        self._resolved: dict[str, Any] = {}
        self._entries: BundleEntries | None = None
        self.indexes: dict[tuple[int, str], CodeIndex] = {}
        self.coded: dict[Way, CodeIndex] = {}

    def bind(self, **variables: Any) -> Evaluation:
        """A child scope with more variables; what does not read them is not evaluated again."""
        bound = frozenset(variables)
        child = Evaluation.__new__(Evaluation)
        memo: dict[Any, Any] = {}
        self._memos.append(memo)
        child.__dict__.update(
            self.__dict__,
            variables=variables,
            parent=self,
            root=self.root or self,
            bound=bound,
            memo=memo,
            _bound_around=self._bound_around | bound,
            wrapped={},
            coded={},
        )
        return child

    def home(self, reads: frozenset[str]) -> Evaluation:
        """The outermost scope in which something that reads these variables has the same value."""
        if self._bound_around.isdisjoint(reads):
            return self.root or self
        scope = self
        while scope.parent is not None and scope.bound.isdisjoint(reads):
            scope = scope.parent
        return scope

    def forget(self) -> None:
        """Let go of what was remembered here and in all child scopes, when no more is asked.

        Frames are remembered, and refer to their evaluation: in such a circle all data of the
        request would stay until garbage is searched for.
        """
        for memo in self._memos:
            memo.clear()

    def variable(self, name: str, kind: str | None) -> list[Any]:
        """The collection that `%name` stands for; its JSON is of the FHIR type `kind` if given."""
        key = (name, kind)
        found = self.wrapped.get(key)
        if found is None:
            if self.parent is not None and name not in self.bound:
                return self.parent.variable(name, kind)
            found = self.wrapped[key] = self._wrap(name, kind)
        return found

    def holds(self, name: str) -> bool:
        """Whether a variable of this name was given, here or around."""
        return name in self.variables or (self.parent is not None and self.parent.holds(name))

    def _wrap(self, name: str, kind: str | None) -> list[Any]:
        if name in self.variables:
            return wrap(self.variables[name], kind)
        if name == "context":
            return self.focus
        if name in _FOCUS_NAMES:
            return self.focus if self.resource is None else wrap(self.resource)
        raise EvaluationError(f"the variable %{name} is not set", code="unknown-variable")

    def index(self, items: list[Any], leading: Leading) -> CodeIndex:
        """The rows of a variable by the codes that a criterion which starts so asks for."""
        key = (id(items), leading.key)
        found = self.indexes.get(key)
        if found is None:
            self.budget.charge(len(items))
            found = self.indexes[key] = CodeIndex(items, leading.path, leading.directory)
        return found

    def resolved(self, reference: str, root: Any) -> Node | None:
        """The resource behind a reference in `root`: contained there, or at hand elsewhere.

        That is what `resolve` answers, or another entry when this is about a Bundle.
        """
        if reference.startswith("#"):
            return self._contained(reference, root if root is not None else self.resource)
        if reference not in self._resolved:
            found = None if self.resolve is None else self.resolve(reference)
            self._resolved[reference] = None if found is None else as_item(found)
        node = self._resolved[reference]
        return node if isinstance(node, Node) else self._entry(reference, root)

    def _entry(self, reference: str, root: Any) -> Node | None:
        bundle = self.resource
        if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
            return None
        if self._entries is None:
            self._entries = BundleEntries(bundle)
        found = self._entries.resource(reference, root)
        return None if found is None else Node(found, found.get("resourceType"), None, found)

    def _contained(self, reference: str, root: Any) -> Node | None:
        if not isinstance(root, dict):
            return None
        if reference == "#":
            return Node(root, root.get("resourceType"), None, root)
        held = root.get("contained")
        for resource in held if isinstance(held, list) else []:
            if isinstance(resource, dict) and resource.get("id") == reference[1:]:
                return Node(resource, resource.get("resourceType"), None, root)
        return None


class Frame:
    """One run of one program: the evaluation, the values of lexical slots, the current trace."""

    __slots__ = ("evaluation", "slots", "trace")

    def __init__(self, evaluation: Evaluation, size: int, trace: Any = None) -> None:
        self.evaluation = evaluation
        self.slots: list[Any] = [None] * size
        self.trace = trace


def refuse_to_excuse(error: EvaluationError) -> None:
    """Raise a failure that stands whatever the missing data is: a budget that is used up.

    Any other failure beside something unknown may be one that the complete data would never have
    come to; there the answer is unknown.
    """
    if error.code == BUDGET_EXCEEDED:
        raise error


def unknown() -> list[Any]:
    """The collection of which nothing is known."""
    return Incomplete()
