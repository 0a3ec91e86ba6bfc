"""The members that CDS Hooks messages are made of: what each accepts, and the same as JSON Schema.

Every field checks and describes itself in one place, so that the published document (OpenAPI) says
what the service does. Errors name what is expected, never the value (PHI-5). With `hooks.schemas`
the only user of marshmallow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias, cast

from marshmallow import INCLUDE, Schema, ValidationError, fields, validate

from cds_service import fhir_json

JsonSchema: TypeAlias = dict[str, Any]
"""A schema of JSON Schema 2020-12, as OpenAPI 3.1 takes it."""

_TIMESTAMP = re.compile(
    r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:?\d\d)?)?", re.ASCII
)
_NOT_BLANK = r"\S"
MOST_ITEMS = 1000
"""Items of an array in one message: what one call checks, and stores in one transaction."""


class Member(fields.Field[Any]):
    """A member of a message that can say what it accepts."""

    def accepts(self) -> JsonSchema:
        """What is valid when the member is there and not null."""
        raise NotImplementedError

    def json_schema(self) -> JsonSchema:
        """What is valid; where the member is optional, null as well."""
        accepted = self.accepts()
        if self.required:
            return accepted
        if "type" not in accepted:
            return {"anyOf": [accepted, {"type": "null"}]}
        return {**accepted, "type": [accepted["type"], "null"]}


class MessageSchema(Schema):
    """An object whose unknown members pass, and whose optional members are absent when null."""

    class Meta:  # noqa: D106  the class docstring says it
        unknown = INCLUDE

    error_messages = {"type": "must be an object"}  # noqa: RUF012  marshmallow's own declaration

    @classmethod
    def of(cls, members: Mapping[str, Member]) -> MessageSchema:
        """The schema of an object with these members."""
        return cast("MessageSchema", cls.from_dict(dict(members))())

    def load_present(self, value: Any) -> dict[str, Any]:
        """The members that have a value; raises ValidationError."""
        loaded: dict[str, Any] = self.load(value)
        return {
            name: member
            for name, member in loaded.items()
            if member is not None or name not in self.fields
        }

    def json_schema(self) -> JsonSchema:
        """The same as JSON Schema."""
        described: JsonSchema = {"type": "object"}
        required = [name for name, member in self.fields.items() if member.required]
        if required:
            described["required"] = required
        described["properties"] = {
            name: cast("Member", member).json_schema() for name, member in self.fields.items()
        }
        return described


class Object(Member):
    """A JSON object: one of `members` when given, else any, as it is.

    `older` are names that members had before, for arrays: where only the older one is there, its
    value counts, a single one as an array of one.
    """

    def __init__(
        self,
        *,
        required: bool = False,
        members: Mapping[str, Member] | None = None,
        older: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(
            required=required, allow_none=not required, error_messages=_messages("an object")
        )
        self._schema = None if members is None else MessageSchema.of(members)
        self._older = older or {}

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise self.make_error("invalid")
        if self._schema is None:
            return dict(value)
        return self._schema.load_present(self._renamed(value) if self._older else value)

    def _renamed(self, value: Mapping[str, Any]) -> dict[str, Any]:
        renamed = dict(value)
        for older, name in self._older.items():
            if renamed.get(name) is None and renamed.get(older) is not None:
                given = renamed.pop(older)
                renamed[name] = given if isinstance(given, list) else [given]
        return renamed

    def accepts(self) -> JsonSchema:
        """An object, with its members where they are known."""
        return {"type": "object"} if self._schema is None else self._schema.json_schema()


class Text(Member):
    """A string that is not blank; an optional one that is blank counts as absent.

    `convert` gives the value to keep, or None when the string is not what `expected` says;
    `pattern` says the same in JSON Schema.
    """

    def __init__(
        self,
        *,
        required: bool = False,
        expected: str = "a string",
        convert: Callable[[str], str | None] = str,
        pattern: str = _NOT_BLANK,
    ) -> None:
        super().__init__(
            required=required,
            allow_none=not required,
            error_messages=_messages(expected) | {"blank": f"required, {expected}, not blank"},
        )
        self._convert = convert
        self._pattern = pattern

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> str | None:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        if not value.strip():
            if self.required:
                raise self.make_error("blank")
            return None
        converted = self._convert(value)
        if converted is None:
            raise self.make_error("invalid")
        return converted

    def accepts(self) -> JsonSchema:
        """A string; an optional one may be blank."""
        if self.required:
            return {"type": "string", "pattern": self._pattern}
        if self._pattern == _NOT_BLANK:
            return {"type": "string"}
        return {"type": "string", "pattern": rf"^\s*$|{self._pattern}"}


class Choice(fields.String, Member):
    """One of a few words."""

    def __init__(self, *words: str) -> None:
        expected = " or ".join(f"'{word}'" for word in words)
        super().__init__(
            required=True,
            validate=validate.OneOf(words, error=f"must be {expected}"),
            error_messages=_messages(expected),
        )
        self._words = words

    def accepts(self) -> JsonSchema:
        """The words."""
        return {"type": "string", "enum": list(self._words)}


class Timestamp(Member):
    """A date-time, in UTC."""

    def __init__(self) -> None:
        super().__init__(required=True, error_messages=_messages("a date-time in UTC"))

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> datetime:
        if not isinstance(value, str) or not _TIMESTAMP.fullmatch(value.strip()):
            raise self.make_error("invalid")
        try:
            moment = datetime.fromisoformat(value.strip().upper())
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            raise self.make_error("invalid") from None

    def accepts(self) -> JsonSchema:
        """A date-time; a bare date is understood as well."""
        return {
            "type": "string",
            "anyOf": [{"format": "date-time"}, {"format": "date"}],
            "description": "In UTC; an offset is applied, and a bare date is its midnight.",
        }


class Bundle(Member):
    """A Bundle of drafts, `type` optional (REQ-23); entries without a resource are left out.

    With `takes_array` an array of resources counts as the Bundle that it stands for (HK-AB-4).
    """

    def __init__(self, *, takes_array: bool = False) -> None:
        super().__init__(
            required=True, error_messages=_messages("an object with resourceType Bundle")
        )
        self._takes_array = takes_array

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> dict[str, Any]:
        if self._takes_array and isinstance(value, list):
            value = {"resourceType": "Bundle", "entry": [{"resource": item} for item in value]}
        if not isinstance(value, Mapping) or value.get("resourceType") != "Bundle":
            raise self.make_error("invalid")
        entries = [] if value.get("entry") is None else value["entry"]
        if not isinstance(entries, list):
            raise ValidationError({"entry": ["must be an array"]})
        wrong = dict(_wrong_entries(entries))
        if wrong:
            raise ValidationError({"entry": wrong})
        kept = [entry for entry in entries if entry and entry.get("resource")]
        return {**value, "entry": kept}

    def accepts(self) -> JsonSchema:
        """A FHIR Bundle with a resource in each entry."""
        resource = {"type": ["object", "null"], "properties": {"id": {"type": "string"}}}
        bundle = {
            "type": "object",
            "required": ["resourceType"],
            "properties": {
                "resourceType": {"const": "Bundle"},
                "entry": {
                    "type": ["array", "null"],
                    "items": {"type": ["object", "null"], "properties": {"resource": resource}},
                },
            },
        }
        if not self._takes_array:
            return bundle
        return {"anyOf": [bundle, {"type": "array", "items": resource}]}


def _wrong_entries(entries: list[Any]) -> Iterator[tuple[int, Any]]:
    for index, entry in enumerate(entries):
        if entry is not None and not isinstance(entry, Mapping):
            yield index, ["must be an object"]
        elif entry and "resourceType" in entry and "resource" not in entry:
            yield index, {"resource": ["required; the resource itself stands where its entry goes"]}
        elif entry and not isinstance(entry.get("resource", {}), Mapping | None):
            yield index, {"resource": ["must be an object, a FHIR resource"]}
        elif entry and not isinstance((entry.get("resource") or {}).get("id", ""), str):
            yield index, {"resource": {"id": ["must be a string"]}}


class Resource(Member):
    """One resource of a type, bare or under `resource`, as an example writes it (HK-AI-4)."""

    def __init__(self, resource_type: str) -> None:
        super().__init__(
            required=True, error_messages=_messages(f"an object with resourceType {resource_type}")
        )
        self._type = resource_type

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> dict[str, Any]:
        is_wrapped = isinstance(value, Mapping) and "resourceType" not in value
        resource = value.get("resource") if is_wrapped else value
        if not isinstance(resource, Mapping) or resource.get("resourceType") != self._type:
            raise self.make_error("invalid")
        return dict(resource)

    def accepts(self) -> JsonSchema:
        """A resource of the type."""
        bare = {
            "type": "object",
            "required": ["resourceType"],
            "properties": {"resourceType": {"const": self._type}},
        }
        wrapped = {"type": "object", "required": ["resource"], "properties": {"resource": bare}}
        return {"anyOf": [bare, wrapped]}


class Seconds(Member):
    """Whole seconds, also as a string of digits (AUTHZ-15)."""

    def __init__(self) -> None:
        super().__init__(allow_none=True, error_messages=_messages("whole seconds"))

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> int:
        if isinstance(value, bool) or not re.fullmatch(r"\d{1,9}", str(value), re.ASCII):
            raise self.make_error("invalid")
        return int(value)

    def accepts(self) -> JsonSchema:
        """A whole number, or its digits."""
        return {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": 999_999_999},
                {"type": "string", "pattern": "^[0-9]{1,9}$"},
            ]
        }


class ListOf(fields.List[Any], Member):
    """An array, each item of which is the `inner` member; one of more items is not looked at."""

    def __init__(
        self, inner: Member, expected: str, *, required: bool = False, most: int = MOST_ITEMS
    ) -> None:
        super().__init__(
            inner,
            required=required,
            allow_none=not required,
            error_messages=_messages(expected)
            | {"many": f"must hold at most {most} items in one message"},
        )
        self._most = most

    def _deserialize(self, value: Any, *about: Any, **options: Any) -> list[Any]:
        if isinstance(value, list) and len(value) > self._most:
            raise self.make_error("many")
        return super()._deserialize(value, *about, **options)

    def accepts(self) -> JsonSchema:
        """An array of what the inner member accepts."""
        items = cast("Member", self.inner).json_schema()
        return {"type": "array", "maxItems": self._most, "items": items}


def id_of(resource_type: str, *, required: bool) -> Text:
    """A FHIR id, bare or after its resource type, and kept bare (REQ-20)."""

    def bare(value: str) -> str | None:
        found = fhir_json.ID.fullmatch(value.removeprefix(f"{resource_type}/"))
        return found.group() if found else None

    return Text(
        required=required,
        expected=f"a string, the FHIR id of the {resource_type}",
        convert=bare,
        pattern=rf"^({resource_type}/)?[A-Za-z0-9.\-]{{1,64}}$",
    )


def problems(messages: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every problem of a ValidationError with the path of its member, in the schema's order."""
    if not isinstance(messages, Mapping):
        yield path, ", ".join(cast("Sequence[str]", messages))
        return
    for name, below in messages.items():
        if name == "_schema":
            place = path
        elif isinstance(name, int):
            place = f"{path}[{name}]"
        else:
            place = f"{path}.{name}" if path else str(name)
        yield from problems(below, place)


def _messages(expected: str) -> dict[str, str | list[Any] | dict[Any, Any]]:
    return {
        "required": f"required, {expected}",
        "null": f"required, {expected}, not null",
        "invalid": f"must be {expected}",
        "type": f"must be {expected}",
    }
