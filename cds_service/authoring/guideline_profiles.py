"""In which profiles a card can appear, and how urgent it is there, read from the expressions alone.

No patient is at hand: a condition is known only where the profile decides it, as in
`%profile = 'de'`; everything else may be either. May not evaluate FHIRPath itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cds_service.authoring.expressions import tree_of
from cds_service.fhirpath.syntax import Call, Literal, Operation, Path, Syntax, Variable
from cds_service.hooks.cards import INDICATORS, indicator_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cds_service.engine.plan_definition import Action


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile, and the definitions that expressions name: name → expression."""

    name: str
    definitions: Mapping[str, str]

    def allows(self, action: Action) -> bool:
        """Whether the action's own conditions can hold in this profile."""
        return not any(self.truth(tree_of(item.text)) is False for item in action.conditions)

    def demands(self, action: Action) -> bool:
        """Whether the action's own conditions all hold in this profile, whoever the patient is."""
        return all(self.truth(tree_of(item.text)) is True for item in action.conditions)

    def indicators(self, action: Action) -> list[str]:
        """The indicators that a card can have in this profile, most urgent first."""
        written = str(action.json.get("priority", "routine"))
        found: set[str | None] = {written}
        for value in action.dynamic_values:
            if value.path == "action.priority" and value.expression is not None:
                found = self._literals(tree_of(value.expression.text))
        shown = {indicator_of(item or written) for item in found}
        return [indicator for indicator in INDICATORS if indicator in shown]

    def truth(self, node: Syntax) -> bool | None:
        """Whether an expression is true or false in this profile; None where data decide."""
        if isinstance(node, Literal):
            return bool(node.values[0]) if node.values in ((True,), (False,)) else None
        if isinstance(node, Operation):
            return self._operation(node)
        if isinstance(node, Variable) and node.name in self.definitions:
            return self.truth(tree_of(self.definitions[node.name]))
        if isinstance(node, Path) and isinstance(node.right, Call):
            return _tested(node.right.name, self.truth(node.left))
        return None

    def _operation(self, node: Operation) -> bool | None:
        if node.operator == "=":
            return self._comparison(node.operands)
        if node.operator not in {"and", "or"}:
            return None
        decisive = node.operator == "or"
        truths = [self.truth(operand) for operand in node.operands]
        if decisive in truths:
            return decisive
        return None if None in truths else not decisive

    def _comparison(self, operands: Iterable[Syntax]) -> bool | None:
        """`%profile = 'de'`, either way round."""
        texts = [self._profile_text(operand) for operand in operands]
        return None if None in texts else texts[0] == texts[1]

    def _profile_text(self, node: Syntax) -> str | None:
        if isinstance(node, Variable) and node.name == "profile":
            return self.name
        if isinstance(node, Literal) and len(node.values) == 1 and isinstance(node.values[0], str):
            return str(node.values[0])
        return None

    def _literals(self, node: Syntax) -> set[str | None]:
        """The texts that an expression can give in this profile; None for giving nothing."""
        if isinstance(node, Literal):
            return {str(node.values[0]) if node.values else None}
        if isinstance(node, Call) and node.name == "iif":
            return self._chosen(*node.arguments)
        if isinstance(node, Variable) and node.name in self.definitions:
            return self._literals(tree_of(self.definitions[node.name]))
        return {None}

    def _chosen(
        self, condition: Syntax, then: Syntax, otherwise: Syntax | None = None
    ) -> set[str | None]:
        """The texts of the branches that an `iif` can take in this profile."""
        truth = self.truth(condition)
        found: set[str | None] = set()
        if truth is not False:
            found |= self._literals(then)
        if truth is not True:
            found |= self._literals(otherwise) if otherwise is not None else {None}
        return found


def _tested(function: str, receiver: bool | None) -> bool | None:  # noqa: FBT001 - three-valued
    """What `not()`, `isTrue()` or `isFalse()` make of a truth; other functions are not known."""
    if receiver is None or function not in {"not", "isTrue", "isFalse"}:
        return None
    return receiver if function == "isTrue" else not receiver
