"""A message as a value of an expression: which text, and the facts that go into it.

It is worded only when it is shown, in the reader's language. It is not a string: expressions can
pass it on, count it and compare it, and that is all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cds_service.fhirpath.parser import RESERVED
from cds_service.fhirpath.syntax import literal_text
from cds_service.messages import Plural

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cds_service.fhirpath.code import Names
    from cds_service.messages import Part, Pattern, Text


@dataclass(frozen=True, slots=True)
class Message:
    """The message `code` with its facts by name, as `facts_of` gives them."""

    code: str
    text: Text
    facts: Mapping[str, list[Any]]

    def __str__(self) -> str:
        facts = ", ".join(
            f"{name}: {', '.join(map(str, values))}" for name, values in self.facts.items()
        )
        return f"{self.code} ({facts})" if facts else self.code


_PRINTED = (
    "iif($this is Quantity, ofType(Quantity).value.toString() & ' ' & "
    "ofType(Quantity).select(iif(unit.exists(), unit, code)), toString())"
)
"""A fact in plain FHIRPath: a Quantity as the chart writes it, not as a literal."""


def reference(name: str, names: Names) -> str:
    """The expression that a placeholder stands for: `%name`, or `name()` of the focus."""
    found = names.definition(name)
    if found is None or found[0].parameters is None:
        return f"%{name}"
    return f"`{name}`()" if name in RESERVED else f"{name}()"


def in_fhirpath(pattern: Pattern, names: Names) -> str:
    """The pattern as an expression in plain FHIRPath, with facts as they print there."""
    return _joined(pattern.parts, names)


def _joined(parts: Sequence[Part], names: Names) -> str:
    return " & ".join(_part(part, names) for part in parts) or "''"


def _part(part: Part, names: Names) -> str:
    if isinstance(part, str):
        return literal_text(part)
    fact = reference(part.name, names)
    if not isinstance(part, Plural):
        return f"{fact}.select({_PRINTED}).join(', ')"
    chosen = _joined(part.branches["other"], names)
    for selector in reversed([name for name in part.branches if name != "other"]):
        number = "1" if selector == "one" else selector.removeprefix("=")
        chosen = f"iif({fact} = {number}, {_joined(part.branches[selector], names)}, {chosen})"
    return chosen
