"""Markdown for the guideline document: texts with their places for facts, tables, code, anchors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cds_service import messages

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cds_service.messages import Text

_SPACES = re.compile(r"\s+")


def wording(text: Text | None) -> str:
    """A text in English, its facts as `{name}` and its plurals as they read for many."""
    if text is None:
        return ""
    pattern = messages.parse(text.default)
    shown = pattern.render(lambda name: f"{{{name}}}", lambda _, branches: branches[-1])
    return one_line(shown)


def one_line(text: str) -> str:
    """The text without line breaks."""
    return _SPACES.sub(" ", text).strip()


def code(expression: str) -> str:
    """An expression as a code span."""
    return f"`{one_line(expression)}`"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table of Markdown; cells keep to one line."""
    lines = [_row(head), _row(["---"] * len(head))]
    return [*lines, *(_row(cells) for cells in rows)]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(one_line(cell).replace("|", "\\|") for cell in cells) + " |"


def anchor(kind: str, name: str) -> str:
    """A place that links can lead to."""
    return f'<a id="{kind}-{name}"></a>'


def link(kind: str, name: str, shown: str | None = None) -> str:
    """A link to that place."""
    return f"[{shown or name}](#{kind}-{name})"
