"""What a FHIR operation is asked with: a Parameters resource, or the query of a GET, read strictly.

Source: FHIR R4 Operations. A parameter that an operation does not know is refused by name, so that
no client believes it was heeded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cds_service.errors import RequestError, Where, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Arguments:
    """The values by parameter name, in the order in which they came."""

    given: Mapping[str, list[Any]]

    @classmethod
    def from_query(cls, pairs: Iterable[tuple[str, str]], known: Collection[str]) -> Arguments:
        """The arguments in a query string; those without a value, or blank, are not given."""
        given: dict[str, list[Any]] = {}
        for name, value in pairs:
            _refuse_unknown(name, known)
            if value.strip():
                given.setdefault(name, []).append(value)
        return cls(given)

    @classmethod
    def from_body(cls, body: object, known: Collection[str]) -> Arguments:
        """The arguments in a Parameters resource; raises RequestError for anything else."""
        given = named(body, "Parameters")
        for name in given:
            _refuse_unknown(name, known)
        return cls(given)

    def text(self, name: str) -> str | None:
        """A string, code, uri or canonical; of a Reference its `reference`."""
        value = self._one(name)
        if isinstance(value, dict) and isinstance(value.get("reference"), str):
            value = value["reference"]
        if value is None or (isinstance(value, str) and value.strip()):
            return value
        raise problem(name, "must be a string that is not blank")

    def required(self, name: str) -> str:
        """The same, when it must be there."""
        value = self.text(name)
        if value is None:
            raise problem(name, "required, a string")
        return value

    def number(self, name: str) -> int | None:
        """A whole number from zero."""
        value = self._one(name)
        if isinstance(value, str):
            value = whole_number(value)
        elif value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        raise problem(name, "must be a whole number from 0")

    def flag(self, name: str) -> bool:
        """A boolean; False when not given."""
        value = self._one(name)
        spelled = {None: False, "true": True, "false": False}
        if isinstance(value, bool):
            return value
        if (value is None or isinstance(value, str)) and value in spelled:
            return spelled[value]
        raise problem(name, "must be true or false")

    def object(self, name: str) -> Mapping[str, Any] | None:
        """A resource or a complex value."""
        value = self._one(name)
        if value is None or isinstance(value, dict):
            return value
        raise problem(name, "must be a resource or a complex value, in a POSTed Parameters")

    def _one(self, name: str) -> Any:
        values = self.given.get(name, [])
        if len(values) > 1:
            raise problem(name, f"is given {len(values)} times; one is allowed")
        return values[0] if values else None


def named(body: object, place: str) -> dict[str, list[Any]]:
    """The values of a Parameters resource by name; RequestError says where it is none."""
    if not isinstance(body, dict) or body.get("resourceType") != "Parameters":
        raise problem(place, "must be a Parameters resource")
    found: dict[str, list[Any]] = {}
    entries = body.get("parameter", [])
    for index, entry in enumerate(entries if isinstance(entries, list) else [entries]):
        here = f"{place}.parameter[{index}]"
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise problem(here, "must be an object with a name")
        found.setdefault(entry["name"], []).append(_value(entry, here))
    return found


def problem(place: str, what: str) -> RequestError:
    """The error for one parameter, as a sentence that starts with its name."""
    return RequestError(what, where=Where(path=place))


def whole_number(text: str) -> int | None:
    """The number that ASCII digits spell, or None."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _value(entry: Mapping[str, Any], place: str) -> Any:
    members = [key for key in entry if key.startswith("value") or key == "resource"]
    if len(members) != 1 or entry[members[0]] is None:
        raise problem(place, "must have one value[x] or resource")
    return entry[members[0]]


def _refuse_unknown(name: str, known: Collection[str]) -> None:
    if name not in known:
        raise RequestError(
            f"this operation has no parameter '{name}'",
            code="unknown-parameter",
            hint=did_you_mean(name, known) or f"its parameters are: {', '.join(sorted(known))}",
            where=Where(path=name),
        )
