"""Where in a TOML file a table or a key stands, because `tomllib` does not say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    Path = tuple[str, ...]
    Place = tuple[int, int]

_PART = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_DOTTED = rf"{_PART}(?:\s*\.\s*{_PART})*"
_TABLE = re.compile(rf"\s*\[\[?\s*({_DOTTED})\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(rf"\s*({_DOTTED})\s*=")


def places(text: str) -> Mapping[Path, Place]:
    """One-based line and column of every table and key, by its path.

    Reads line by line: keys inside an inline table and in tables that are repeated are not told
    apart, and a text over several lines that looks like TOML is taken for it.
    """
    found: dict[Path, Place] = {}
    table: Path = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _TABLE.match(line):
            table = _parts(header[1])
            found.setdefault(table, (number, header.start(1) + 1))
        elif key := _KEY.match(line):
            found.setdefault((*table, *_parts(key[1])), (number, key.start(1) + 1))
    return found


def nearest(found: Mapping[Path, Place], path: Path) -> Place | None:
    """The place of `path`, or of the innermost table around it that is known."""
    while path:
        if path in found:
            return found[path]
        path = path[:-1]
    return None


def _parts(dotted: str) -> Path:
    return tuple(part.strip("\"'") for part in re.findall(_PART, dotted))
