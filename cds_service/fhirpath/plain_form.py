"""What an export gives: expressions and variables in plain FHIRPath, and how to read them as one.

Texts only; nothing here expands or evaluates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cds_service.fhirpath.printing import string_literal

if TYPE_CHECKING:
    from cds_service.fhirpath.library import Library


@dataclass(frozen=True, slots=True)
class PlainVariable:
    """A definition that is a name, as a variable: to be set before what reads it.

    `owner` is the library in which the definition stands, `needs` the variables it reads itself.
    """

    name: str
    expression: str
    owner: Library
    needs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlainExpression:
    """An expression without definitions, and the variables it reads, in order of evaluation."""

    expression: str
    variables: tuple[PlainVariable, ...]

    @property
    def self_contained(self) -> str:
        """One expression that sets its variables itself, with `defineVariable` (FHIRPath 3.0)."""
        if not self.variables:
            return self.expression
        links = [
            f"defineVariable({string_literal(variable.name)}, {variable.expression})"
            for variable in self.variables
        ]
        return ".".join([*links, f"select({self.expression})"])
