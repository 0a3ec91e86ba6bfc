"""Report pages for people: one self-contained HTML file, light or dark as the reader has it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --paper: #fdfdfb; --line: #d9dde3;
  --good: #1f7a4d; --bad: #b3261e; --quiet: #5b6675; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --paper: #14181e; --line: #323a46;
  --good: #6fcf97; --bad: #ff8a80; --quiet: #9aa5b4; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  margin: 2rem auto; max-width: 70rem; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem;
  border-bottom: 1px solid var(--line); overflow-wrap: break-word; }
th { font-weight: 600; } code { font-size: .85em; overflow-wrap: anywhere; }
.good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; }
.quiet { color: var(--quiet); } summary { cursor: pointer; }
.in { border-left: 2px solid var(--line); padding-left: 1rem; } ul { padding-left: 1.2rem; }
@media (max-width: 40rem) { th, td { padding: .3rem .2rem; font-size: .85rem; } }
:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; }
"""


def text(value: object) -> str:
    """A value as HTML text."""
    return escape(str(value))


def path(value: object) -> str:
    """Names with strokes between them, where a line may end."""
    return escape(str(value)).replace("/", "/<wbr>")


def code(value: str) -> str:
    """An expression, in a fixed-width face."""
    return f"<code>{escape(value)}</code>"


def mark(value: object, kind: str) -> str:
    """Text in one of the page's tones: `good`, `bad` or `quiet`; the words say it as well."""
    return f'<span class="{kind}">{escape(str(value))}</span>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the cells are HTML already."""
    titles = "".join(f'<th scope="col">{escape(item)}</th>' for item in head)
    body = "\n".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>\n{body}\n</tbody></table>"


def section(title: str, body: str, *, is_open: bool) -> str:
    """A part under its own heading that can be folded; open where there is something to do."""
    state = " open" if is_open else ""
    return f"<details{state}><summary><strong>{escape(title)}</strong></summary>\n{body}</details>"


def page(title: str, lead: str, parts: Iterable[str]) -> str:
    """The whole document."""
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><main><h1>{escape(title)}</h1>\n<p>{escape(lead)}</p>\n{body}\n</main></body></html>\n"
    )
