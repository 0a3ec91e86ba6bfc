r"""Regular expressions in the PCRE spelling that section 5.6 recommends, written for Python's `re`.

Named groups `(?<name>…)`, Unicode categories `\p{Lu}` and POSIX classes `[[:alpha:]]` are spelled
otherwise or not known there; what Python does not know at all is left to its own error.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from cds_service.errors import EvaluationError

_PLANE = 0x10000
_TOKEN = re.compile(
    r"""
      \\(?P<sign>[pP])\{(?P<category>\w{1,2})\}
    | \\.
    | (?P<named>\(\?<(?=[A-Za-z_]))
    | (?P<posix>\[:(?P<not>\^?)(?P<class>[a-z]+):\])
    | (?P<open>\[\^?\]?)
    | (?P<close>\])
    | .
    """,
    re.VERBOSE | re.DOTALL,
)
_POSIX = {
    "alpha": "a-zA-Z", "digit": "0-9", "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z",
    "space": r"\s", "blank": r" \t", "punct": r"!-/:-@\[-`{-~", "word": r"\w",
    "xdigit": "0-9A-Fa-f", "cntrl": r"\x00-\x1f\x7f", "print": " -~", "graph": "!-~",
}  # fmt: skip
_SET_OPERATORS = frozenset("&|~")
"""What Python reserves for operations on sets; in PCRE these stand for themselves."""
_REFERENCE = re.compile(r"\$(?:(\d)|\{(\w+)\}|\$)|\\")


def python_pattern(pattern: str) -> str:
    """The pattern as Python spells it; ValueError for a POSIX class that is not one."""
    parts: list[str] = []
    inside = False
    for match in _TOKEN.finditer(pattern):
        if inside:
            parts.append(_in_set(match))
            inside = not _closes(match)
        else:
            parts.append(_outside(match))
            inside = match["open"] is not None
    return "".join(parts)


def _closes(match: re.Match[str]) -> bool:
    """Whether the set ends here: at a bracket, or at one that the token of another swallowed."""
    return match["close"] is not None or (match["open"] or "").endswith("]")


def _outside(match: re.Match[str]) -> str:
    if match["category"]:
        return f"[{_category(match['category'], negated=match['sign'] == 'P')}]"
    if match["posix"]:
        raise ValueError(f"write [{match[0]}]")
    return "(?P<" if match["named"] else match[0]


def _in_set(match: re.Match[str]) -> str:
    if match["category"]:
        return _category(match["category"], negated=match["sign"] == "P")
    if match["posix"]:
        return _posix(match["class"], negated=bool(match["not"]))
    if match["open"]:
        return "\\" + match[0]
    return f"\\{match[0]}" if match[0] in _SET_OPERATORS else match[0]


def _posix(name: str, *, negated: bool) -> str:
    if name not in _POSIX or negated:
        raise ValueError(f"[:{'^' if negated else ''}{name}:] is not a class known here")
    return _POSIX[name]


@lru_cache(maxsize=64)
def _category(name: str, *, negated: bool) -> str:
    """The ranges of the characters of a Unicode general category (`L`, `Lu`), plane 0 only."""
    ranges: list[str] = []
    start: int | None = None
    for code in range(_PLANE + 1):
        inside = code < _PLANE and unicodedata.category(chr(code)).startswith(name) is not negated
        if inside and start is None:
            start = code
        elif not inside and start is not None:
            ranges.append(f"\\U{start:08x}-\\U{code - 1:08x}")
            start = None
    return "".join(ranges) or "\\x00"


def python_substitution(text: str, pattern: re.Pattern[str]) -> str:
    """A substitution as Python spells it: `$1` and `${name}` are groups, the rest is itself.

    EvaluationError for a group that the pattern does not have.
    """
    for match in _REFERENCE.finditer(text):
        number, name = match[1], match[2]
        if (number and int(number) > pattern.groups) or (name and name not in pattern.groupindex):
            raise EvaluationError(f"the pattern has no group '{number or name}'", code="regex")
    return _REFERENCE.sub(_group, text)


def _group(match: re.Match[str]) -> str:
    if match[0] == "\\":
        return "\\\\"
    if match[0] == "$$":
        return "$"
    return f"\\g<{match[1] or match[2]}>"
