"""FHIRPath for clinical guidelines: text in, a compiled program out.

The engine is pure: no clock, no network, no files; `now` and `resolve` are arguments. It knows the
types of FHIR R4, keeps *empty* and *unknown* apart, and shares definitions between expressions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cds_service.fhirpath.collection import (
    UNKNOWN,
    Incomplete,
    Node,
    Truth,
    facts_of,
    plain,
    scalar,
    system_value,
    truth,
    wrap,
)
from cds_service.fhirpath.definition import Definition, ValueSets
from cds_service.fhirpath.evaluation import Evaluation
from cds_service.fhirpath.library import EMPTY, Library, is_built_in
from cds_service.fhirpath.message import Message
from cds_service.fhirpath.program import Program
from cds_service.fhirpath.trace import Trace
from cds_service.fhirpath.values import Date, DateTime, Long, Quantity, Temporal, Time

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "UNKNOWN",
    "Date",
    "DateTime",
    "Definition",
    "Evaluation",
    "Incomplete",
    "Library",
    "Long",
    "Message",
    "Node",
    "Program",
    "Quantity",
    "Temporal",
    "Time",
    "Trace",
    "Truth",
    "ValueSets",
    "compile",
    "facts_of",
    "is_built_in",
    "plain",
    "scalar",
    "system_value",
    "truth",
    "wrap",
]


def compile(  # noqa: A001, PLR0913 - the name and the arguments of the contract
    expression: str,
    *,
    root_type: str | None = None,
    types: Mapping[str, str | None] = EMPTY,
    definitions: Mapping[str, Definition] = EMPTY,
    value_sets: ValueSets | None = None,
    strict_variables: bool = False,
    traced: bool = False,
) -> Program:
    """The program of one expression; a `Library` compiles many that share definitions.

    Args:
        expression: FHIRPath text.
        root_type: FHIR type of the focus; makes unknown elements an error.
        types: environment variables and the FHIR type of their items, None when not known.
        definitions: definitions that the expression may use, by name.
        value_sets: where `memberOf` looks value sets up.
        strict_variables: refuse `%name` that is not declared anywhere.
        traced: make `Program.explain` possible.

    Raises:
        ExpressionError: with the offset of what is wrong in the expression.
    """
    library = Library(
        definitions, types, value_sets, strict_variables=strict_variables, root_type=root_type
    )
    return library.compile(expression, root_type=root_type, traced=traced)
