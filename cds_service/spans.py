"""Pieces of work that somebody may want to see with their times; nobody, unless the edge says so.

The rooms below say what begins and ends; `web.telemetry` may listen. Facts are names of ours,
counts and times, never what a chart, a client or a token says. No library may enter here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import TracebackType

Fact: TypeAlias = "str | int | float | bool"


class Span(Protocol):
    """A piece of work that is under way."""

    def note(self, **facts: Fact) -> None:
        """What is known of it by now."""


class Tracer(Protocol):
    """Is told of pieces of work; those begun within one are parts of it."""

    def span(self, name: str, **facts: Fact) -> AbstractContextManager[Span]:
        """A piece of work that ends with the block."""


class _Untraced:
    """Nobody listens: one object for every span, so that it costs next to nothing."""

    def span(self, name: str, **facts: Fact) -> AbstractContextManager[Span]:  # noqa: ARG002
        return self

    def note(self, **facts: Fact) -> None:
        pass

    def __enter__(self) -> Span:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass


UNTRACED: Tracer = _Untraced()
"""The tracer where nobody asked for traces."""
