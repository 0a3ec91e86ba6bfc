"""Our own functions, written in standard FHIRPath.

What stands here answers as our engine does over complete data: plain FHIRPath knows no *unknown*.
Syntax in, syntax out; no names are looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from cds_service.fhirpath.parser import parse
from cds_service.fhirpath.printing import string_literal
from cds_service.fhirpath.syntax import Call, Path, Special, Syntax

Codes: TypeAlias = Sequence[tuple[str, Sequence[str]]]
"""Codes by system: what a value set holds, listed."""

NOWHERE = (0, 0, 1)
"""Offset, end and depth of syntax that was not read from a text."""

THIS = Special(*NOWHERE, "$this")


def called(receiver: Syntax | None, name: str, *arguments: Syntax) -> Syntax:
    """`receiver.name(arguments)`, or the bare call where there is no receiver."""
    call = Call(*NOWHERE, name, arguments)
    return call if receiver is None else Path(*NOWHERE, receiver, call)


def any_coding(codes: Codes) -> Syntax:
    """On a Coding or CodeableConcept: one of its codings is one of these."""
    tests = " or ".join(
        f"system = {string_literal(system)} and code in ({' | '.join(map(string_literal, listed))})"
        for system, listed in codes
    )
    return parse(f"ofType(CodeableConcept).coding.combine(ofType(Coding)).exists({tests})")


def _is_true(receiver: Syntax | None) -> Syntax:
    return called(called(receiver, "where", THIS), "exists")


def _is_false(receiver: Syntax | None) -> Syntax:
    return called(called(receiver, "where", called(THIS, "not")), "exists")


def _is_unknown(receiver: Syntax | None) -> Syntax:
    return called(receiver, "empty")


def _local_date(receiver: Syntax | None) -> Syntax:
    """The day as it was written: plain FHIRPath has no time zone of the site."""
    return called(receiver, "toDate")


IN_STANDARD: Mapping[str, Callable[[Syntax | None], Syntax]] = {
    "isTrue": _is_true,
    "isFalse": _is_false,
    "isUnknown": _is_unknown,
    "localDate": _local_date,
}
"""Functions that depend on nothing but what they are called on."""
