"""What a caller gives the compiler besides text: definitions, and a way to look up value sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

Membership = Callable[[str | None, str], bool]
"""Whether (system, code) is in a value set; the system is None when it is not known.

A test may have a method `among(codes)`, which answers those of a set of such pairs that are in,
and a `directory`: a `Directory` that knows it, None when there is none.
"""


class Directory(Protocol):
    """Many membership tests by their codes."""

    def tables_with(self, coding: tuple[str | None, str]) -> Sequence[Membership]:
        """The tests of this directory that a code passes, perhaps repeated."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A named expression of guideline content.

    With `parameters` None it is a name, `%name`, evaluated at most once per request with the
    subject as focus. With a tuple, perhaps empty, it is called like a function: `name(a, b)`.
    `where` says where it was written, for messages.
    """

    name: str
    expression: str
    parameters: tuple[str, ...] | None = None
    where: str | None = None


class ValueSets(Protocol):
    """The value sets at hand."""

    @property
    def names(self) -> list[str]:
        """Their ids, for hints."""

    def resolve(self, reference: str) -> Membership | None:
        """The membership test of a value set by canonical URL or id, None when it is not known."""
