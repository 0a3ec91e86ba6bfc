"""Colour where a person reads: verdicts and values of `explain`; plain text in pipes and files."""

from __future__ import annotations

import os
import re

import click

_VERDICTS = {"fired": "green", "not met": "bright_black", "cannot tell": "yellow", "error": "red"}
_VALUES = {"true": "green", "false": "bright_black", "empty": "bright_black", "unknown": "yellow"}
_HEAD = re.compile(r"^( *)(fired|not met|cannot tell|error)( +\S.*)$")
_VALUE = re.compile(r"( → )(true|false|empty|unknown)\b(.*)$")


def print_coloured(text: str) -> None:
    """Print an explanation; coloured on a terminal, unless NO_COLOR is set (no-color.org)."""
    wanted = False if os.environ.get("NO_COLOR") else None  # None: as click sees the terminal
    click.echo("\n".join(map(_line, text.split("\n"))), color=wanted)


def _line(line: str) -> str:
    head = _HEAD.match(line)
    if head is not None:
        pad, verdict, rest = head.groups()
        is_bold = True if verdict == "fired" else None
        return f"{pad}{click.style(verdict, fg=_VERDICTS[verdict], bold=is_bold)}{rest}"
    if line.lstrip().startswith("cannot tell because of"):
        return click.style(line, fg="yellow")
    return _VALUE.sub(_styled_value, line)


def _styled_value(match: re.Match[str]) -> str:
    arrow, value, rest = match.groups()
    return f"{arrow}{click.style(value, fg=_VALUES[value])}{rest}"
