"""Text to tokens: one regular expression, and the decoding of literals (section 4.1).

Every failure is an ExpressionError with the offset of the character it is about.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cds_service.errors import ExpressionError
from cds_service.fhirpath.temporal import parse_literal
from cds_service.fhirpath.values import Long

MAX_LENGTH = 20_000
"""The longest expression in characters; longer ones are refused before they are read."""

_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r\n]+|//[^\n]*|/\*(?:[^*]|\*(?!/))*\*/)
    | (?P<temporal>@(?:T[\d:.]*\d|\d{4}(?:-\d\d(?:-\d\d)?)?
        (?:T(?:\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?)?(?:Z|[+-]\d\d:\d\d)?)?))
    | (?P<long>\d+L\b)
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<string>'(?:[^'\\]|\\.)*')
    | (?P<delimited>`(?:[^`\\]|\\.)*`)
    | (?P<variable>%(?:[A-Za-z_][A-Za-z0-9_]*|`(?:[^`\\]|\\.)*`|'(?:[^'\\]|\\.)*'))
    | (?P<special>\$[a-z]+)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<symbol><=|>=|!=|!~|/(?!\*)|[-+*&|<>=~.,()\[\]{}])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}
_OF_OTHER_LANGUAGES = {
    "!": "write .not() behind what is not to be",
    **dict.fromkeys('"‘’“”', "a text stands in straight single quotes: 'text'"),
}
"""What is meant by characters that are none of FHIRPath's."""
_UNTERMINATED = {"'": "string", "`": "quoted name", "/": "comment"}


@dataclass(frozen=True, slots=True)
class Token:
    """A lexical unit: its `kind`, its decoded `value`, and where it starts and ends."""

    kind: str
    value: Any
    offset: int
    end: int


def tokens(text: str) -> list[Token]:
    """All tokens of `text`, white space and comments left out, closed by a token of kind `end`."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(
            f"the expression is longer than {MAX_LENGTH} characters",
            expression=text,
            hint="split it into definitions",
        )
    found: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _unreadable(text, position)
        kind = str(match.lastgroup)
        if kind != "space":
            found.append(Token(kind, _decode(kind, match, text), match.start(), match.end()))
        position = match.end()
    found.append(Token("end", None, len(text), len(text)))
    return found


def unescape(quoted: str) -> str:
    """The characters that a quoted string or name stands for, without its quotes."""
    body = _ESCAPE.sub(_unescape_one, quoted[1:-1])
    # An emoji may be written as a surrogate pair of two \\u escapes.
    return body.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _unescape_one(match: re.Match[str]) -> str:
    escape = match[1]
    if len(escape) > 1:
        return chr(int(escape[1:], 16))
    return _ESCAPED.get(escape, escape)


def _decode(kind: str, match: re.Match[str], text: str) -> Any:
    raw = match[0]
    if kind in {"string", "delimited"}:
        return unescape(raw)
    if kind == "variable":
        return raw[1:] if raw[1] not in "`'" else unescape(raw[1:])
    if kind == "number":
        return Decimal(raw) if "." in raw else int(raw)
    if kind == "long":
        return Long(raw[:-1])
    if kind == "temporal":
        value = parse_literal(raw[1:])
        if value is None:
            raise ExpressionError(
                f"'{raw}' is not a valid date or time", expression=text, offset=match.start()
            )
        return value
    return raw


def _unreadable(text: str, position: int) -> ExpressionError:
    character = text[position]
    if character in _UNTERMINATED:
        message = f"this {_UNTERMINATED[character]} is not terminated"
    elif character == "@":
        message = "this is not a valid date or time literal"
    else:
        message = f"unexpected character {character!r}"
    hint = _OF_OTHER_LANGUAGES.get(character)
    return ExpressionError(message, expression=text, offset=position, hint=hint)
