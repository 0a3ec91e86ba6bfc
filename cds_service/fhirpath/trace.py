"""What an expression answered, part by part: the tree behind `explain`.

The observer is woven in when the program is compiled with `traced`; without it nothing here runs.
An explanation makes thousands of these and few are read: what was answered is kept as it is, and
put into plain values when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cds_service.fhirpath.collection import Node, plain

if TYPE_CHECKING:
    from cds_service.fhirpath.code import Run
    from cds_service.fhirpath.evaluation import Frame


_NOTHING: Final[list[Any]] = []


class Trace:
    """The answer of one part of an expression, `items`, and the `children` it came by.

    `noted` are collections on the way to the answer; the last that is of resources says where it
    was taken from.
    """

    __slots__ = ("children", "items", "noted", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.items = _NOTHING
        self.children: list[Trace] = []
        self.noted: tuple[list[Any], ...] = ()

    @property
    def value(self) -> list[Any]:
        """The answer as plain values."""
        return plain(self.items)

    @property
    def unknown(self) -> bool:
        """Whether not everything about the answer is known."""
        return type(self.items) is not list

    @property
    def resources(self) -> tuple[dict[str, Any], ...]:
        """The resources (JSON) that the answer was taken from."""
        for items in (self.items, *reversed(self.noted)):
            found = {
                id(item.root): item.root
                for item in items
                if type(item) is Node and item.root is not None
            }
            if found:
                return tuple(found.values())
        return ()

    def become(self, other: Trace) -> None:
        """Take over how the same was answered before."""
        self.children.extend(other.children)
        self.noted = (*other.noted, other.items)


def observed(run: Run, text: str) -> Run:
    """The same closure, leaving a trace of its answer under the part that contains it."""

    def observe(frame: Frame, this: list[Any]) -> list[Any]:
        around = frame.trace
        if around is None:
            return run(frame, this)
        trace = frame.trace = Trace(text)
        try:
            result = run(frame, this)
        finally:
            frame.trace = around
        trace.items = result
        around.children.append(trace)
        return result

    return observe


def noting(run: Run) -> Run:
    """The same closure, noting the resources that its result is in."""

    def note(frame: Frame, this: list[Any]) -> list[Any]:
        result = run(frame, this)
        if result and frame.trace is not None and (len(result) > 1 or type(result[0]) is Node):
            frame.trace.noted += (result,)
        return result

    return note
