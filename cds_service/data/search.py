"""Search over the loaded guideline resources: which parameters there are, and what they match.

Source: FHIR R4 Search. All resources of a type are at hand and few, so a search looks at each.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from cds_service import fhir_json
from cds_service.data.parameters import problem, whole_number
from cds_service.errors import RequestError, Where, did_you_mean
from cds_service.versions import joined

Resource: TypeAlias = Mapping[str, Any]
Token: TypeAlias = tuple[str | None, str]
"""A value of a resource: its system, where it has one, and its text or code."""

DEFAULT_COUNT, MOST = 20, 200
PUBLICATION_STATUS = "http://hl7.org/fhir/publication-status"
_SUMMARIES = ("true", "count", "false")
_COMMA, _PIPE = re.compile(r"(?<!\\),"), re.compile(r"(?<!\\)\|")
_ESCAPED = re.compile(r"\\([\\,$|])")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter; `note` where it differs from the standard one of its name."""

    kind: Literal["string", "token", "uri"]
    values: Callable[[Resource], Iterator[Token]]
    note: str | None = None

    @property
    def modifiers(self) -> tuple[str, ...]:
        """The modifiers that may follow its name after a colon."""
        own = {"string": ("contains", "exact"), "token": ("not",), "uri": ()}
        return (*own[self.kind], "missing")


def _member(name: str, system: str | None = None) -> Callable[[Resource], Iterator[Token]]:
    def values(resource: Resource) -> Iterator[Token]:
        value = resource.get(name)
        if isinstance(value, str):
            yield system, value

    return values


def _jurisdictions(resource: Resource) -> Iterator[Token]:
    for coding in fhir_json.codings(resource.get("jurisdiction")):
        yield coding.get("system"), str(coding.get("code"))


def _contexts(resource: Resource) -> Iterator[Token]:
    contexts = resource.get("useContext")
    for context in contexts if isinstance(contexts, list) else ():
        for coding in fhir_json.codings(context.get("valueCodeableConcept")):
            yield coding.get("system"), str(coding.get("code"))
    yield from _jurisdictions(resource)


def _canonicals(resource: Resource) -> Iterator[Token]:
    """The url, and `url|version`."""
    for _, url in _member("url")(resource):
        names = dict.fromkeys([url, joined(url, resource.get("version"))])
        yield from ((None, name) for name in names)


PARAMETERS: Mapping[str, Parameter] = {
    "_id": Parameter("token", _member("id")),
    "context": Parameter(
        "token", _contexts, "A code of useContext.valueCodeableConcept or of jurisdiction."
    ),
    "jurisdiction": Parameter("token", _jurisdictions),
    "name": Parameter("string", _member("name")),
    "status": Parameter("token", _member("status", PUBLICATION_STATUS)),
    "title": Parameter("string", _member("title")),
    "url": Parameter("uri", _canonicals),
    "version": Parameter("token", _member("version")),
}
CONTROLS = ("_count", "_format", "_offset", "_pretty", "_summary")
"""Parameters that say how to answer, not what to find."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One `name:modifier=a,b` of a query: any of the values is enough."""

    name: str
    modifier: str | None
    wanted: tuple[str, ...]

    def holds(self, resource: Resource) -> bool:
        """Whether the resource is as this criterion wants it."""
        parameter = PARAMETERS[self.name]
        values = list(parameter.values(resource))
        if self.modifier == "missing":
            return (not values) is (self.wanted == ("true",))
        found = any(
            _matches(parameter.kind, self.modifier, text, value)
            for text in self.wanted
            for value in values
        )
        return found is (self.modifier != "not")


@dataclass(frozen=True, slots=True)
class Query:
    """A search as it was understood; `pairs` are the parameters of the query that were heeded."""

    criteria: tuple[Criterion, ...]
    pairs: tuple[tuple[str, str], ...]
    count: int
    offset: int
    summary: str

    def run(self, resources: Iterable[Resource]) -> list[Resource]:
        """The resources that hold every criterion, in their order."""
        return [
            item for item in resources if all(criterion.holds(item) for criterion in self.criteria)
        ]


def parse(pairs: Collection[tuple[str, str]], *, lenient: bool = False) -> Query:
    """The query of a search URL. Parameters without a value, or with a blank one, are not given.

    An unknown one is refused by name, unless the client asks for leniency; then it is ignored.
    """
    criteria, heeded, controls = [], [], {}
    for key, value in pairs:
        name, _, modifier = key.partition(":")
        if name not in PARAMETERS and key not in CONTROLS:
            if not lenient:
                raise _unknown(name)
            continue
        if not value.strip():
            continue
        heeded.append((key, value))
        if key in CONTROLS:
            controls[key] = value
        else:
            criteria.append(_criterion(name, modifier or None, value))
    count = _control(controls, "_count", DEFAULT_COUNT)
    return Query(
        criteria=tuple(criteria),
        pairs=tuple(heeded),
        count=min(count, MOST),
        offset=_control(controls, "_offset", 0),
        summary="count" if count == 0 else _summary(controls),
    )


def _criterion(name: str, modifier: str | None, value: str) -> Criterion:
    modifiers = PARAMETERS[name].modifiers
    if modifier is not None and modifier not in modifiers:
        allowed = ", ".join(f"{name}:{item}" for item in modifiers)
        raise problem(f"{name}:{modifier}", f"this modifier is not known here; known: {allowed}")
    if modifier == "missing" and value not in {"true", "false"}:
        raise problem(f"{name}:missing", "must be true or false")
    return Criterion(name, modifier, tuple(part for part in _COMMA.split(value) if part))


def _matches(kind: str, modifier: str | None, wanted: str, value: Token) -> bool:
    if kind == "token":
        return _is_token(wanted, value)
    text = _unescaped(wanted)
    if kind == "uri" or modifier == "exact":
        return text == value[1]
    if modifier == "contains":
        return _folded(text) in _folded(value[1])
    return _folded(value[1]).startswith(_folded(text))


def _is_token(wanted: str, value: Token) -> bool:
    """`code`, `system|code`, `|code` (no system) or `system|` (any code)."""
    parts = [_unescaped(part) for part in _PIPE.split(wanted, maxsplit=1)]
    if len(parts) == 1:
        return parts[0] == value[1]
    return parts[0] == (value[0] or "") and parts[1] in {"", value[1]}


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(r"\1", text)


def _folded(text: str) -> str:
    """Without case and accents, as string parameters compare."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def _control(controls: Mapping[str, str], name: str, default: int) -> int:
    number = whole_number(controls[name]) if name in controls else default
    if number is None:
        raise problem(name, "must be a whole number from 0")
    return number


def _summary(controls: Mapping[str, str]) -> str:
    value = controls.get("_summary", "false")
    if value not in _SUMMARIES:
        raise problem("_summary", f"must be one of {', '.join(_SUMMARIES)}")
    return value


def _unknown(name: str) -> RequestError:
    known = ", ".join((*PARAMETERS, *CONTROLS))
    close = did_you_mean(name, (*PARAMETERS, *CONTROLS))
    return RequestError(
        f"there is no search parameter '{name}'",
        code="unknown-parameter",
        hint=f"{close} Known: {known}" if close else f"known: {known}",
        where=Where(path=name),
    )
