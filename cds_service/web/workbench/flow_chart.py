"""The flow chart of a strategy: what a hook asks, in its order, as boxes and arrows with places.

The layout is a column of blocks: a question that stops everything, a run of rules in two columns,
a frame around rules that share a card. Lengths are in the units of the drawing, at 100 % in CSS
pixels; widths of letters are estimates, on the wide side. Knows nothing of HTML.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from cds_service.engine import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cds_service.engine import Action, Service
    from cds_service.web.workbench.words import Words

WIDTH = 760
_MARGIN = 14
_GAP = 12
_ARROW = 30
_LINE = 19
_LETTER = 7.1
_PADDING = 12
_TITLE_LINE = 17
_CAPTION = 26


@dataclass(frozen=True, slots=True)
class Box:
    """One box: its lines of text, and for a rule its number in the order and the plan behind it."""

    kind: str
    x: float
    y: float
    width: float
    height: float
    lines: tuple[str, ...]
    number: int = 0
    plan: str = ""

    @property
    def baselines(self) -> Iterator[tuple[float, str]]:
        """Where each line of text stands, below the plan's id where there is one."""
        top = self.y + _PADDING + (_TITLE_LINE if self.plan else 0)
        return ((top + _LINE * index + 13, line) for index, line in enumerate(self.lines))


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame around boxes that belong together, with its caption."""

    y: float
    height: float
    caption: str


@dataclass(frozen=True, slots=True)
class Arrow:
    """A straight arrow, and the words beside it."""

    x1: float
    y1: float
    x2: float
    y2: float
    words: str = ""


@dataclass(slots=True)
class Chart:
    """A drawing that grows downwards."""

    height: float = _MARGIN
    rules: int = 0
    boxes: list[Box] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)

    width: int = WIDTH


def of(service: Service, words: Words, said: Callable[[str], str] = str) -> Chart:
    """The chart of what this service asks, in the reader's language; `said` words a condition."""
    chart = Chart()
    _wide(chart, "start", words("flow.start", hook=service.hook))
    _actions(chart, service.plan.actions, words, said)
    budget = service.plan.budget
    _arrow(chart)
    end = words("flow.budget", n=budget.non_critical) if budget else words("flow.end")
    _wide(chart, "end", end)
    chart.height += _MARGIN
    return chart


def _actions(
    chart: Chart, actions: Sequence[Action], words: Words, said: Callable[[str], str]
) -> None:
    """The blocks of these actions, one below the other; neighbouring rules stand together."""
    for is_rule, group in groupby(actions, key=lambda item: isinstance(item.definition, Plan)):
        if is_rule:
            _arrow(chart)
            _rules(chart, list(group), words)
            continue
        for action in group:
            _questions(chart, action, words, said)
            if action.grouping == "visual-group":
                _framed(chart, action, words)
            else:
                _actions(chart, action.actions, words, said)


def _questions(chart: Chart, action: Action, words: Words, said: Callable[[str], str]) -> None:
    """The conditions of an action, each with the way out beside it."""
    for condition in action.conditions:
        _arrow(chart)
        width, exit_width = WIDTH * 0.56, 120
        asked = said(condition.description) if condition.description else condition.text
        lines = _wrapped(asked, width - 2 * _PADDING - 16)
        height = _height(lines)
        x, y = _MARGIN, chart.height
        chart.boxes.append(Box("question", x, y, width, height, lines))
        out = WIDTH - _MARGIN - exit_width
        middle = y + height / 2
        chart.arrows.append(Arrow(x + width, middle, out, middle, words("flow.no")))
        stop = (words("flow.stop"),)
        box = Box("stop", out, middle - _height(stop) / 2, exit_width, _height(stop), stop)
        chart.boxes.append(box)
        chart.height += height


def _framed(chart: Chart, action: Action, words: Words) -> None:
    _arrow(chart)
    top = chart.height
    chart.height += _CAPTION
    _rules(chart, [item for item in action.actions if isinstance(item.definition, Plan)], words)
    chart.height += _GAP
    name = action.title.in_language(words.language) if action.title else ""
    caption = words("group.first" if action.first_match else "group.visual-group")
    chart.frames.append(Frame(top, chart.height - top, f"{name} {caption}".strip()))


def _rules(chart: Chart, actions: Sequence[Action], words: Words) -> None:
    """Rules in rows of two, numbered in the order in which they are asked."""
    width = (WIDTH - 2 * _MARGIN - 3 * _GAP) / 2
    for start in range(0, len(actions), 2):
        row = [_titled(action, width, words) for action in actions[start : start + 2]]
        height = max(_height(lines) for _, lines in row) + _TITLE_LINE
        for column, (plan_id, lines) in enumerate(row):
            chart.rules += 1
            x = _MARGIN + _GAP + column * (width + _GAP)
            chart.boxes.append(
                Box("rule", x, chart.height, width, height, lines, chart.rules, plan_id)
            )
        chart.height += height + (_GAP if start + 2 < len(actions) else 0)


def _titled(action: Action, width: float, words: Words) -> tuple[str, tuple[str, ...]]:
    """Id and title of the plan that an action leads to."""
    plan = action.definition
    if not isinstance(plan, Plan):
        return action.key, ()
    return plan.id, _wrapped(plan.title.in_language(words.language), width - 2 * _PADDING)


def _wide(chart: Chart, kind: str, text: str) -> None:
    width = WIDTH * 0.56
    lines = _wrapped(text, width - 2 * _PADDING)
    chart.boxes.append(Box(kind, _MARGIN, chart.height, width, _height(lines), lines))
    chart.height += _height(lines)


def _arrow(chart: Chart) -> None:
    x = _MARGIN + WIDTH * 0.28
    chart.arrows.append(Arrow(x, chart.height, x, chart.height + _ARROW))
    chart.height += _ARROW


def _height(lines: Sequence[str]) -> float:
    return len(lines) * _LINE + 2 * _PADDING - 4


def _wrapped(text: str, width: float) -> tuple[str, ...]:
    return tuple(textwrap.wrap(text, int(width / _LETTER)))
