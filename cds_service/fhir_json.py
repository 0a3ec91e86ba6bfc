"""Reading and writing plain FHIR JSON: decimals kept, bundles, references, positions.

Resources are the dicts that were decoded; nothing here changes them. No IO, no clock, no logging.
"""

from __future__ import annotations

import re
from decimal import Context, DecimalException, Inexact, InvalidOperation, Overflow, Subnormal
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from cds_service.errors import ContentError, RequestError, Where

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MAX_DEPTH = 64
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_GZIP = b"\x1f\x8b"
_FIRST_CHARACTERS = 4  # JSON starts with ASCII: a NUL among these bytes is UTF-16 or UTF-32

# Numbers beyond this are refused where they are read: arithmetic on 1e999999999 never ends.
_MAX_DIGITS = 1000
_MAX_EXPONENT = 400
_NUMBERS = Context(
    prec=_MAX_DIGITS,
    Emin=-_MAX_EXPONENT,
    Emax=_MAX_EXPONENT,
    traps=[InvalidOperation, Overflow, Subnormal, Inexact],
)
_DECODER = msgspec.json.Decoder(float_hook=_NUMBERS.create_decimal)
_WHITE_SPACE = b" \t\r\n"
_STRING_AND_COLON = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"[ \t\r\n]*(:?)')
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_STRICT_JSON = (
    "write strict JSON (RFC 8259): a comma between two members and none behind the last, straight "
    "quotation marks, no comments"
)


def decode(body: bytes, *, max_depth: int = MAX_DEPTH) -> Any:
    """The value that a JSON message holds, numbers with a point or an exponent as `Decimal`.

    Strict RFC 8259 in UTF-8 (GEN-12): no byte order mark, NaN, Infinity, comment, lone surrogate or
    data behind the value, at most `max_depth` levels, 1000 digits and exponents up to 400; a key
    that stands twice in one object is refused, because one of its values would be lost.

    Raises:
        RequestError: code `invalid-json`, with line and column where they are known, or
            `duplicate-key`.
    """
    try:
        value, keys = _decode(body, max_depth)
    except _Unusable as problem:
        place = ""
        if problem.offset is not None:
            line, column = _line_and_column_of_byte(body, problem.offset)
            place = f" at line {line}, column {column}"
        raise RequestError(
            f"The message is not usable JSON{place}: {problem.what}.",
            code="invalid-json",
            hint=problem.hint,
        ) from None
    if _has_more_keys(body, keys):
        raise RequestError(
            "The message holds a member twice in one object, so one of its values would be lost.",
            code="duplicate-key",
            hint="send each member of an object once",
        )
    return value


def _has_more_keys(body: bytes, keys: int) -> bool:
    """Whether valid JSON holds more than the `keys` that decoding kept.

    The first count sees every key, and also strings that begin with a colon; only where it
    differs are the strings told apart.
    """
    if body.translate(None, _WHITE_SPACE).count(b'":') == keys:
        return False
    return _STRING_AND_COLON.findall(body).count(b":") > keys


def encode(value: Any) -> bytes:
    """The JSON text of `value` in UTF-8; a `Decimal` is a number with its digits kept (`10.0`)."""
    return _ENCODER.encode(value)


def verbatim(text: bytes) -> Any:
    """JSON text as a value that `encode` writes as it is, without reading it."""
    return msgspec.Raw(text)


def pretty(value: Any) -> str:
    """The JSON text of a value for people: indented, decimals with their digits."""
    return msgspec.json.format(encode(value), indent=2).decode()


def decode_content(text: str, file: str) -> Any:
    """The value that a guideline file holds, as `decode` reads it; a repeated key is an error too.

    Raises:
        ContentError: code `invalid-json` or `duplicate-key`, with file, line and column.
    """
    try:
        body = text.encode("utf-8", "surrogateescape")  # the bytes that were no UTF-8
    except UnicodeEncodeError:
        body = text.encode("utf-8", "surrogatepass")
    try:
        value, keys = _decode(body, MAX_DEPTH)
    except _Unusable as problem:
        where = Where(file)
        if problem.offset is not None:
            where = Where(file, None, *_line_and_column_of_byte(body, problem.offset))
        message = f"This is not usable JSON: {problem.what}."
        raise ContentError(message, code="invalid-json", hint=problem.hint, where=where) from None
    if _has_more_keys(body, keys):  # only then is it worth to look where
        _refuse_duplicate_keys(text, file)
    return value


class _Unusable(Exception):
    """What is wrong with a text, and the byte at which, before it is known whose text it is."""

    def __init__(self, what: str, *, offset: int | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.offset = offset
        self.hint = hint


def _decode(body: bytes, max_depth: int) -> tuple[Any, int]:
    """The value, and how many keys its objects have."""
    if body.startswith(BYTE_ORDER_MARK):
        raise _Unusable(
            "it starts with a byte order mark", offset=0, hint="write UTF-8 without the mark"
        )
    too_deep = _Unusable(
        f"it is nested deeper than {max_depth} levels", hint=f"nest at most {max_depth} levels"
    )
    try:
        value = _DECODER.decode(body)
    except RecursionError:
        raise too_deep from None
    except UnicodeDecodeError as error:
        raise _encoding_problem(body) or _unicode_problem(body, error) from None
    except DecimalException:
        raise _Unusable(
            f"a number has over {_MAX_DIGITS} digits or an exponent beyond {_MAX_EXPONENT}",
            hint="send numbers that a double can hold",
        ) from None
    except msgspec.MsgspecError as error:
        raise _encoding_problem(body) or _syntax_problem(body, str(error)) from None
    keys = _count_keys(max_depth, value)
    if keys is None:
        raise too_deep
    return value, keys


def _unicode_problem(body: bytes, error: UnicodeDecodeError) -> _Unusable:
    offset: int | None = None
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as whole:
        offset = whole.start
    return _Unusable(f"it is not UTF-8 ({error.reason})", offset=offset, hint="write UTF-8")


def _encoding_problem(body: bytes) -> _Unusable | None:
    """What is wrong when the text is JSON to its sender, in a form that is not read as JSON."""
    if body.startswith(_GZIP):
        return _Unusable("it is compressed (gzip)", offset=0, hint="send it as it is")
    is_wide = body.startswith(_UTF_16_MARKS) or b"\0" in body[:_FIRST_CHARACTERS]
    if not is_wide:
        return None
    return _Unusable("it is UTF-16 or UTF-32", offset=0, hint="write UTF-8")


def _syntax_problem(body: bytes, text: str) -> _Unusable:
    if text == "Input data was truncated":
        hint = "close every bracket and quotation mark"
        return _Unusable("it ends before the value is complete", offset=len(body), hint=hint)
    what, _, place = text.removeprefix("JSON is malformed: ").partition(" (byte ")
    offset = int(place.rstrip(")")) if place else None
    what = what[:1].lower() + what[1:]
    return _Unusable(what, offset=offset, hint=_STRICT_JSON)


def _count_keys(max_depth: int, value: Any) -> int | None:
    """The number of keys in all objects of `value`; None when it is nested too deep."""
    dicts = [value] if type(value) is dict else []
    lists = [value] if type(value) is list else []
    depth = keys = 0
    while dicts or lists:
        depth += 1
        if depth > max_depth:
            return None
        keys += sum(map(len, dicts))
        held = chain(
            chain.from_iterable(map(dict.values, dicts)),
            chain.from_iterable(lists),
        )
        inner = [item for item in held if type(item) is not str]  # most are, and hold nothing
        dicts = [item for item in inner if type(item) is dict]
        lists = [item for item in inner if type(item) is list]
    return keys


def _line_and_column_of_byte(body: bytes, offset: int) -> tuple[int, int]:
    before = body[:offset].decode("utf-8", "replace")
    return _line_and_column(before, len(before))


def _line_and_column(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


# --- positions ---

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_STRING_CHARACTER = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.|[^\\]"
)


class _Token(NamedTuple):
    path: tuple[str | int, ...]
    start: int
    text: str
    is_key: bool


def position(text: str, path: Sequence[str | int]) -> tuple[int, int] | None:
    """One-based line and column where the value at `path` starts in valid JSON `text`, or None.

    `path` holds member names and zero-based indexes, `["action", 0, "title"]`; of a repeated key
    the last counts. Columns count characters.
    """
    token = _value(text, path)
    return _line_and_column(text, token.start) if token else None


def string_position(text: str, path: Sequence[str | int], offset: int) -> tuple[int, int] | None:
    r"""One-based line and column of character `offset` (from zero) inside the string at `path`.

    Escapes are respected: `\n` and a surrogate pair `\ud83d\ude00` are one character each. An
    offset behind the end is the closing quote. None when there is no string at `path`.
    """
    token = _value(text, path)
    if token is None or not token.text.startswith('"'):
        return None
    starts = [match.start() for match in _STRING_CHARACTER.finditer(token.text[1:-1])]
    inside = starts[offset] if offset < len(starts) else len(token.text) - 2
    return _line_and_column(text, token.start + 1 + inside)


def _value(text: str, path: Sequence[str | int]) -> _Token | None:
    wanted = tuple(path)
    found = None
    for token in _walk(text):
        if token.path == wanted and not token.is_key:
            found = token
    return found


def _refuse_duplicate_keys(text: str, file: str) -> None:
    seen: set[tuple[str | int, ...]] = set()
    for token in _walk(text):
        if not token.is_key:
            continue
        if token.path in seen:
            line, column = _line_and_column(text, token.start)
            raise ContentError(
                f"The key '{token.path[-1]}' occurs twice in one object.",
                code="duplicate-key",
                hint="keep one of the two; of repeated keys a reader sees only one",
                where=Where(file, None, line, column),
            )
        seen.add(token.path)


def _walk(text: str) -> Iterator[_Token]:
    """Every key and every value of valid JSON with its path, in the order of the text."""
    path: list[str | int] = []
    indexes: list[int | None] = []  # per open container: the index in an array, None in an object
    expects_key = False
    for match in _TOKEN.finditer(text):
        found = match.group()
        if found == ":":
            expects_key = False
        elif found == ",":
            index = indexes[-1]
            expects_key = index is None
            if index is not None:
                path[-1] = indexes[-1] = index + 1
        elif found in "}]":
            path.pop()
            indexes.pop()
        elif expects_key:
            path[-1] = msgspec.json.decode(found, type=str)
            yield _Token(tuple(path), match.start(), found, is_key=True)
        else:
            yield _Token(tuple(path), match.start(), found, is_key=False)
            if found in "{[":
                expects_key = found == "{"
                path.append("" if expects_key else 0)
                indexes.append(None if expects_key else 0)


# --- resources, references, codings ---

_REFERENCE = re.compile(
    r"(?:(?i:https?)://[^?#|\s]+/)?([A-Z][A-Za-z]+)/([^/?#|\s]+)(?:/_history/[^/?#|\s]+)?"
)
_URN = "urn:uuid:"
ID = re.compile(r"[A-Za-z0-9.\-]{1,64}")
"""What the id of a resource may be (FHIR R4, id)."""
PATIENT_MEMBERS = ("subject", "patient", "beneficiary", "for", "individual")
"""Where a resource says whom it is about; the first one is by far the most usual."""


def resources(bundle: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The resources in the entries of a Bundle; entries without one are skipped."""
    entries = bundle.get("entry")
    for entry in entries if isinstance(entries, list) else ():
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict) and isinstance(resource.get("resourceType"), str):
            yield resource


def reference_key(reference: str) -> tuple[str, str] | None:
    """Type and id that a literal reference names, its base URL and version left out (REQ-22).

    `Patient/1`, `https://x/fhir/Patient/1/_history/2` → `("Patient", "1")`;
    `urn:uuid:<id>` → `("urn:uuid", <id in lower case>)`. None for `#contained`, conditional
    references and anything else.
    """
    if reference.lower().startswith(_URN):
        return "urn:uuid", reference[len(_URN) :].lower()
    match = _REFERENCE.fullmatch(reference)
    return (match[1], match[2]) if match else None


def same_reference(a: str, b: str) -> bool:
    """Whether two references name the same resource, whatever their base URL and version.

    A `urn:uuid:` names the resource whose id it holds; references without a key must be equal.
    """
    first, second = reference_key(a), reference_key(b)
    if first is None or second is None:
        return a == b
    if "urn:uuid" in {first[0], second[0]}:
        return first[1].lower() == second[1].lower()
    return first == second


def patient_references(resource: Mapping[str, Any]) -> Iterator[str]:
    """Every reference by which a resource says whom it is about (a Group or Device as well).

    It stands in `subject`, `patient`, `beneficiary` (Coverage), `for` (Task) or `individual`
    (ResearchSubject).
    """
    for member in PATIENT_MEMBERS:
        value = resource.get(member)
        if value is None:
            continue
        for item in value if isinstance(value, list) else [value]:
            reference = item.get("reference") if isinstance(item, dict) else None
            if isinstance(reference, str):
                yield reference


def codings(concept: Any) -> Iterator[dict[str, Any]]:
    """The codings of a CodeableConcept or of a list of them; nothing for anything else."""
    for item in concept if isinstance(concept, list) else [concept]:
        coding = item.get("coding") if isinstance(item, dict) else None
        for each in coding if isinstance(coding, list) else [coding]:
            if isinstance(each, dict):
                yield each
