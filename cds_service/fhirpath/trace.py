"""What an expression answered, part by part: the tree behind `explain`.

The observer is woven in when the program is compiled with `traced`; without it nothing here runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cds_service.fhirpath.collection import Node

if TYPE_CHECKING:
    from cds_service.fhirpath.code import Run
    from cds_service.fhirpath.evaluation import Frame


class Trace(NamedTuple):
    """The answer of one part of an expression; a named tuple, as an explanation makes thousands.

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
        if not items:
            return
        found: dict[int, dict[str, Any]] = {}
        for item in items:
            if type(item) is Node and item.root is not None:
                found.setdefault(id(item.root), item.root)
        if found:
            self.resources = tuple(found.values())

    def finish(self, result: list[Any]) -> Trace:
        """The trace of this part, now that its answer is known."""
        value: list[Any] = []
        if result:
            first = result[0]
            if len(result) == 1 and type(first) is not Node:  # a boolean, nearly always
                value.append(first)
            else:
                self.note(result)
                for item in result:
                    value.append(item.value if type(item) is Node else item)  # noqa: PERF401
        return Trace(
            self.text, value, type(result) is not list, tuple(self.children), self.resources
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
        if result and frame.trace is not None and (len(result) > 1 or type(result[0]) is Node):
            frame.trace.note(result)
        return result

    return note
