"""What an expression answered, part by part: the tree behind `explain`.

The observer is woven in when the program is compiled with `traced`; without it nothing here runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cds_service.fhirpath.collection import Node, plain

if TYPE_CHECKING:
    from cds_service.fhirpath.code import Run
    from cds_service.fhirpath.evaluation import Frame


@dataclass(frozen=True, slots=True)
class Trace:
    """The answer of one part of an expression.

    `value` holds plain values, `unknown` says that not everything about it is known, `resources`
    are the resources (JSON) that the answer was taken from.
    """

    text: str
    value: list[Any]
    unknown: bool
    children: tuple[Trace, ...]
    resources: tuple[dict[str, Any], ...]


class Recorder:
    """The part that is being evaluated: the parts below it, and the resources it came by."""

    __slots__ = ("children", "resources", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.children: list[Trace] = []
        self.resources: tuple[dict[str, Any], ...] = ()

    def note(self, items: list[Any]) -> None:
        """Remember the resources that these items are in; items that are in none change nothing."""
        found: dict[int, dict[str, Any]] = {}
        for item in items:
            if type(item) is Node and item.root is not None:
                found.setdefault(id(item.root), item.root)
        if found:
            self.resources = tuple(found.values())

    def finish(self, result: list[Any]) -> Trace:
        """The trace of this part, now that its answer is known."""
        self.note(result)
        return Trace(
            self.text,
            plain(result),
            type(result) is not list,
            tuple(self.children),
            self.resources,
        )


def observed(run: Run, text: str) -> Run:
    """The same closure, leaving a trace of its answer under the part that contains it."""

    def observe(frame: Frame, this: list[Any]) -> list[Any]:
        around = frame.trace
        if around is None:
            return run(frame, this)
        recorder = frame.trace = Recorder(text)
        try:
            result = run(frame, this)
        finally:
            frame.trace = around
        around.children.append(recorder.finish(result))
        return result

    return observe


def noting(run: Run) -> Run:
    """The same closure, noting the resources that its result is in."""

    def note(frame: Frame, this: list[Any]) -> list[Any]:
        result = run(frame, this)
        if frame.trace is not None:
            frame.trace.note(result)
        return result

    return note
