"""String manipulation (section 5.6). Positions count characters from zero."""

from __future__ import annotations

import base64
import binascii
import html
import json
from typing import TYPE_CHECKING, Any

from cds_service.errors import EvaluationError
from cds_service.fhirpath.collection import UNKNOWN, describe, scalar, system_value
from cds_service.fhirpath.evaluation import unknown
from cds_service.fhirpath.functions.dialect import python_substitution
from cds_service.fhirpath.functions.regex import check, compiled
from cds_service.fhirpath.functions.registry import (
    BOOLEAN,
    INTEGER,
    STRING,
    Table,
    over_collections,
    over_values,
    require_length,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from cds_service.fhirpath.code import Code, Compiling, Site, Types

TABLE = Table()


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise EvaluationError(
            f"{name}() needs a string, not {describe(value)}", code="type-mismatch"
        )
    return value


def _number(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise EvaluationError(
            f"{name}() needs a whole number, not {describe(value)}", code="type-mismatch"
        )
    return value


def index_of(value: str, part: Any) -> int:
    """`indexOf(substring)` (5.6.1): -1 when it does not occur."""
    return value.find(_text("indexOf", part))


def last_index_of(value: str, part: Any) -> int:
    """`lastIndexOf(substring)` (3.0): 0 for the empty string, as `indexOf` has it."""
    return value.rfind(part) if _text("lastIndexOf", part) else 0


def substring(value: str, start: Any, length: Any = None) -> str | None:
    """`substring(start, length)` (5.6.2): empty when it starts outside of the string."""
    if start is None:
        return None
    first = _number("substring", start)
    if not 0 <= first < len(value):
        return None
    if length is None:
        return value[first:]
    return value[first : first + max(_number("substring", length), 0)]


def starts_with(value: str, part: Any) -> bool:
    """`startsWith(prefix)` (5.6.3)."""
    return value.startswith(_text("startsWith", part))


def ends_with(value: str, part: Any) -> bool:
    """`endsWith(suffix)` (5.6.4)."""
    return value.endswith(_text("endsWith", part))


def contains(value: str, part: Any) -> bool:
    """`contains(substring)` (5.6.5)."""
    return _text("contains", part) in value


def replace(value: str, pattern: Any, substitution: Any) -> str:
    """`replace(pattern, substitution)` (5.6.8): an empty pattern surrounds every character."""
    old, new = _text("replace", pattern), _text("replace", substitution)
    require_length(len(value) + value.count(old) * len(new))
    return value.replace(old, new)


def matches(value: str, pattern: Any, flags: Any = None) -> bool:
    """`matches(regex, flags)` (5.6.9): found anywhere; the dot matches line ends."""
    return compiled(pattern, flags, value).search(value) is not None


def matches_full(value: str, pattern: Any, flags: Any = None) -> bool:
    """`matchesFull(regex, flags)` (3.0): the whole string."""
    return compiled(pattern, flags, value).fullmatch(value) is not None


def replace_matches(value: str, pattern: Any, substitution: Any, flags: Any = None) -> str | None:
    """`replaceMatches(regex, substitution, flags)` (5.6.10); `$1` and `${name}` are groups."""
    if pattern is None or substitution is None:
        return None
    if pattern == "":
        return value
    expression = compiled(pattern, flags, value)
    template = python_substitution(_text("replaceMatches", substitution), expression)
    parts: list[str] = []
    position = length = 0
    for match in expression.finditer(value):
        parts += (value[position : match.start()], match.expand(template))
        position = match.end()
        length += len(parts[-1])
        require_length(length)
    return "".join([*parts, value[position:]])


def split(value: str, separator: Any) -> list[str]:
    """`split(separator)` (3.0 5.6.13)."""
    by = _text("split", separator)
    return value.split(by) if by else list(value)


def join(items: list[Any], *arguments: list[Any]) -> list[Any]:
    """`join(separator)` (3.0 5.6.14): the strings of a collection together."""
    separator = scalar(arguments[0]) if arguments else ""
    if type(items) is not list or separator is UNKNOWN:
        return unknown()
    if not items or separator is None:
        return []
    values = [system_value(item) for item in items]
    texts = [_text("join", value) for value in values if value is not None]
    between = _text("join", separator)
    require_length(sum(len(text) + len(between) for text in texts))
    return [between.join(texts)]


def trim(value: str) -> str:
    """`trim()` (3.0): without the white space of section 8.1 at both ends."""
    return value.strip(" \t\r\n")


_ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "hex": binascii.hexlify,
    "base64": base64.b64encode,
    "urlbase64": base64.urlsafe_b64encode,
    "ascii": lambda text: text.decode().encode("ascii", "replace"),
}
_DECODERS: dict[str, Callable[[str], bytes]] = {
    "hex": binascii.unhexlify,
    "base64": lambda text: base64.b64decode(text, validate=True),
    "urlbase64": lambda text: base64.b64decode(text, altchars=b"-_", validate=True),
}


def encode(value: str, name: Any) -> str | None:
    """`encode(format)` (3.0): hex, base64 or urlbase64 of the UTF-8 bytes, or ascii with `?`."""
    encoder = _ENCODERS.get(name)
    return None if encoder is None else encoder(value.encode()).decode("ascii")


def decode(value: str, name: Any) -> str | None:
    """`decode(format)` (3.0): empty when the bytes are not UTF-8.

    EvaluationError when the text is not in that format.
    """
    decoder = _DECODERS.get(name)
    if decoder is None:
        return None
    try:
        return decoder(value).decode()
    except UnicodeDecodeError:
        return None
    except ValueError as error:
        raise EvaluationError(f"'{value}' is not {name}", code="invalid-data") from error


def escape(value: str, target: Any) -> str | None:
    """`escape(target)` (3.0): html or json."""
    if target == "html":
        return html.escape(value)
    return json.dumps(value, ensure_ascii=False)[1:-1] if target == "json" else None


def unescape(value: str, target: Any) -> str | None:
    """`unescape(target)` (3.0): html or json."""
    if target == "html":
        return html.unescape(value)
    if target != "json":
        return None
    try:
        return str(json.loads(f'"{value}"', strict=False))
    except ValueError:
        return value.replace('\\"', '"').replace("\\\\", "\\")


def _declare(
    name: str, implementation: Callable[..., Any], arity: int, types: Types, section: str
) -> None:
    build = over_values(implementation, takes=str, types=types)
    TABLE.declare(name, build, arity=(arity, arity), section=section)


_declare("indexOf", index_of, 1, INTEGER, "5.6.1")
_declare("lastIndexOf", last_index_of, 1, INTEGER, "3.0 5.6.2")
_declare("startsWith", starts_with, 1, BOOLEAN, "5.6.3")
_declare("endsWith", ends_with, 1, BOOLEAN, "5.6.4")
_declare("contains", contains, 1, BOOLEAN, "5.6.5")
_declare("upper", str.upper, 0, STRING, "5.6.6")
_declare("lower", str.lower, 0, STRING, "5.6.7")
_declare("replace", replace, 2, STRING, "5.6.8")
_declare("length", len, 0, INTEGER, "5.6.11")
_declare("toChars", list, 0, STRING, "5.6.12")
_declare("split", split, 1, STRING, "3.0 5.6.13")
_declare("trim", trim, 0, STRING, "3.0 5.6.15")
_declare("encode", encode, 1, STRING, "3.0 5.6.16")
_declare("decode", decode, 1, STRING, "3.0 5.6.17")
_declare("escape", escape, 1, STRING, "3.0 5.6.18")
_declare("unescape", unescape, 1, STRING, "3.0 5.6.19")

TABLE.declare(
    "substring",
    over_values(substring, takes=str, types=STRING, empty_arguments=True),
    arity=(1, 2),
    section="5.6.2",
)


def _declare_regex(
    name: str, implementation: Callable[..., Any], least: int, types: Types, section: str
) -> None:
    """Declare a function whose first argument is a pattern: a constant one is checked at once."""
    build_call = over_values(implementation, takes=str, types=types)

    def build(compiler: Compiling, site: Site) -> Code:
        node = site.call.arguments[0]
        pattern = compiler.operand(node, site.scope).constant
        if pattern and isinstance(pattern[0], str):
            problem = check(pattern[0])
            if isinstance(problem, str):
                raise site.scope.error(node, f"the regular expression {problem}", code="regex")
        return build_call(compiler, site)

    TABLE.declare(name, build, arity=(least, least + 1), section=section)


_declare_regex("matches", matches, 1, BOOLEAN, "5.6.9")
_declare_regex("matchesFull", matches_full, 1, BOOLEAN, "3.0")
_declare_regex("replaceMatches", replace_matches, 2, STRING, "5.6.10")
TABLE.declare("join", over_collections(join, STRING), arity=(0, 1), section="3.0 5.6.14")
