"""What a CDS Hooks message must hold: marshmallow schemas of request and feedback, their only user.

Lenient on what comes in: unknown members pass (GEN-10), null and blank optional members are absent
(REQ-18, HK-1), vendor spellings are understood (FB-19). Strict where an answer would be a guess:
what is required and missing, or of the wrong JSON type, is a `RequestError` that names every such
member and what is expected there, never its value (PHI-5). Nothing that was passed in is changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NotRequired, TypedDict, cast

from marshmallow import INCLUDE, Schema, ValidationError, fields, validate

from cds_service.errors import RequestError, Where
from cds_service.store import FeedbackItem

_MOST_PROBLEMS = 20  # named in one error; further ones are counted

_HOOK_NAME = re.compile(r"[A-Za-z0-9.\-]{1,64}", re.ASCII)
_FHIR_ID = re.compile(r"[A-Za-z0-9.\-]{1,64}", re.ASCII)
_TIMESTAMP = re.compile(
    r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:?\d\d)?)?", re.ASCII
)
_EPIC_REASON = "com.epic.cdshooks.feedback.overrideReason."


class Request(TypedDict):
    """A checked service request, with the member names of the specification.

    Optional members are present only with a value. `context` holds bare ids in `patientId` and
    `encounterId`, and in `draftOrders.entry` only entries with a resource. Values in `prefetch`
    are as they came, null included, which means "searched, nothing found".
    """

    hook: str
    hookInstance: str
    context: dict[str, Any]
    prefetch: NotRequired[dict[str, Any]]
    fhirServer: NotRequired[str]
    fhirAuthorization: NotRequired[dict[str, Any]]
    extension: NotRequired[dict[str, Any]]


def load_request(body: Any, hook: str) -> Request:
    """The checked request of a service that answers `hook` (REQ-1…REQ-23, HK rows).

    A `fhirAuthorization` without `fhirServer` loses its `access_token`: there is nowhere to use it
    (REQ-17). The context of a hook that is not in the table passes as it is (HK-0).

    Raises:
        RequestError: not an object, another hook, or members missing or of the wrong type.
    """
    message = _object(body)
    offered = message.get("hook")
    if isinstance(offered, str) and offered.strip() and offered != hook:
        other = f"'{offered}'" if _HOOK_NAME.fullmatch(offered) else "another one"
        raise RequestError(
            f"this service answers the hook '{hook}', not {other}",
            where=Where(path="hook"),
            hint="discovery lists the services and the hook of each",
        )
    request = _load(_request_schema(hook), message)
    if "fhirServer" not in request and "fhirAuthorization" in request:
        request["fhirAuthorization"].pop("access_token", None)
    return cast("Request", request)


def load_feedback(body: Any) -> list[FeedbackItem]:
    """The feedback of one message, in its order; all of it or an error (FB-2…FB-11, FB-17…FB-20).

    Card and suggestion ids may be any text. Timestamps become UTC: an offset is applied, and one
    without offset is taken as UTC, as the specification wants it sent; a bare date is its midnight.

    Raises:
        RequestError: names each wrong member with its index, as in `feedback[2].card`.
    """
    return [_item(entry) for entry in _load(_FEEDBACK, _object(body))["feedback"]]


# Fields. Each says what it expects; the same words serve "required" and "must be".


def _messages(expected: str) -> dict[str, str | list[Any] | dict[Any, Any]]:
    return {
        "required": f"required, {expected}",
        "null": f"required, {expected}, not null",
        "invalid": f"must be {expected}",
        "type": f"must be {expected}",
    }


class _Lenient(Schema):
    """An object whose unknown members pass, and whose optional members are absent when null."""

    class Meta:
        unknown = INCLUDE

    error_messages = {"type": "must be an object"}  # noqa: RUF012  marshmallow's own declaration

    def load_present(self, value: Any) -> dict[str, Any]:
        loaded: dict[str, Any] = self.load(value)
        return {
            name: member
            for name, member in loaded.items()
            if member is not None or name not in self.fields
        }


class _Object(fields.Field[dict[str, Any]]):
    """A JSON object: one of `members` when given, else any, as it is."""

    def __init__(
        self, *, required: bool = False, members: Mapping[str, fields.Field[Any]] | None = None
    ) -> None:
        super().__init__(
            required=required, allow_none=not required, error_messages=_messages("an object")
        )
        self._schema = None if members is None else _schema(members)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise self.make_error("invalid")
        return dict(value) if self._schema is None else self._schema.load_present(value)


class _Text(fields.Field[str | None]):
    """A string that is not blank; an optional one that is blank counts as absent.

    `convert` gives the value to keep, or None when the string is not what `expected` says.
    """

    def __init__(
        self,
        *,
        required: bool = False,
        expected: str = "a string",
        convert: Callable[[str], str | None] = str,
    ) -> None:
        super().__init__(
            required=required,
            allow_none=not required,
            error_messages=_messages(expected) | {"blank": f"required, {expected}, not blank"},
        )
        self._convert = convert

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


class _Timestamp(fields.Field[datetime]):
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


class _Bundle(fields.Field[dict[str, Any]]):
    """A Bundle of drafts, `type` optional (REQ-23); entries without a resource are left out."""

    def __init__(self) -> None:
        super().__init__(
            required=True, error_messages=_messages("an object with resourceType Bundle")
        )

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> dict[str, Any]:
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


def _wrong_entries(entries: list[Any]) -> Iterator[tuple[int, Any]]:
    for index, entry in enumerate(entries):
        if entry is not None and not isinstance(entry, Mapping):
            yield index, ["must be an object"]
        elif entry and not isinstance(entry.get("resource", {}), Mapping | None):
            yield index, {"resource": ["must be an object, a FHIR resource"]}
        elif entry and not isinstance((entry.get("resource") or {}).get("id", ""), str):
            yield index, {"resource": {"id": ["must be a string"]}}


class _Seconds(fields.Field[int]):
    """Whole seconds, also as a string of digits (AUTHZ-15)."""

    def __init__(self) -> None:
        super().__init__(allow_none=True, error_messages=_messages("whole seconds"))

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> int:
        if isinstance(value, bool) or not re.fullmatch(r"\d{1,9}", str(value), re.ASCII):
            raise self.make_error("invalid")
        return int(value)


def _list(inner: fields.Field[Any], expected: str, *, required: bool = False) -> fields.List[Any]:
    return fields.List(
        inner, required=required, allow_none=not required, error_messages=_messages(expected)
    )


def _id_of(resource_type: str, *, required: bool) -> _Text:
    """A FHIR id, bare or after its resource type, and kept bare (REQ-20)."""

    def bare(value: str) -> str | None:
        found = _FHIR_ID.fullmatch(value.removeprefix(f"{resource_type}/"))
        return found.group() if found else None

    expected = f"a string, the FHIR id of the {resource_type}"
    return _Text(required=required, expected=expected, convert=bare)


def _schema(members: Mapping[str, fields.Field[Any]]) -> _Lenient:
    return cast("_Lenient", _Lenient.from_dict(dict(members))())


# The request: one envelope, one context per hook (section 9 of the requirements).


def _context(*, encounter: bool = False, **more: fields.Field[Any]) -> _Object:
    return _Object(
        required=True,
        members={
            "userId": _Text(required=True),
            "patientId": _id_of("Patient", required=True),
            "encounterId": _id_of("Encounter", required=encounter),
            **more,
        },
    )


_CONTEXTS: Mapping[str, _Object] = {
    "patient-view": _context(),
    "encounter-start": _context(encounter=True),
    "order-sign": _context(draftOrders=_Bundle()),
    "order-select": _context(
        draftOrders=_Bundle(),
        selections=_list(_Text(required=True), "an array of strings", required=True),
    ),
}


def _request_schema(hook: str) -> _Lenient:
    return _REQUESTS.get(hook) or _envelope(_Object(required=True))


_AUTHORIZATION_TEXTS = ("access_token", "token_type", "scope", "subject", "patient")


def _envelope(context: _Object) -> _Lenient:
    return _schema(
        {
            "hook": _Text(required=True),
            "hookInstance": _Text(required=True),
            "fhirServer": _Text(),
            "fhirAuthorization": _Object(
                members={"expires_in": _Seconds()}
                | {name: _Text() for name in _AUTHORIZATION_TEXTS}
            ),
            "context": context,
            "prefetch": _Object(),
            "extension": _Object(),
        }
    )


_REQUESTS = {hook: _envelope(context) for hook, context in _CONTEXTS.items()}


# Feedback.

_REASON: Mapping[str, fields.Field[Any]] = {
    "reason": _Object(members={"code": _Text(), "system": _Text(), "display": _Text()}),
    "userComment": _Text(),
    "extension": _Object(),
}

_ENTRY: Mapping[str, fields.Field[Any]] = {
    "card": _Text(required=True),
    "outcome": fields.String(
        required=True,
        validate=validate.OneOf(
            ["accepted", "overridden"], error="must be 'accepted' or 'overridden'"
        ),
        error_messages=_messages("'accepted' or 'overridden'"),
    ),
    "outcomeTimestamp": _Timestamp(),
    "acceptedSuggestions": _list(
        _Object(required=True, members={"id": _Text(required=True)}),
        "an array of objects with an id",
    ),
    "overrideReason": _Object(members=_REASON),
    "overrideReasons": _Object(members=_REASON),
}


class _Entry(_Object):
    """One feedback entry; an accepted one names what was accepted (FB-5)."""

    def __init__(self) -> None:
        super().__init__(required=True, members=_ENTRY)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> dict[str, Any]:
        entry = super()._deserialize(value)
        if entry["outcome"] == "accepted" and not entry.get("acceptedSuggestions"):
            expected = "required with outcome 'accepted', an array of objects with an id"
            raise ValidationError({"acceptedSuggestions": [expected]})
        return entry


_FEEDBACK = _schema({"feedback": _list(_Entry(), "an array of objects", required=True)})


def _item(entry: Mapping[str, Any]) -> FeedbackItem:
    override = entry.get("overrideReason") or entry.get("overrideReasons") or {}
    reason = override.get("reason") or _epic_reason(override.get("extension") or {})
    return FeedbackItem(
        card=entry["card"],
        outcome=entry["outcome"],
        at=entry["outcomeTimestamp"],
        suggestions=tuple(accepted["id"] for accepted in entry.get("acceptedSuggestions", ())),
        reason_system=reason.get("system"),
        reason_code=reason.get("code"),
        reason_display=reason.get("display"),
        comment=override.get("userComment"),
    )


def _epic_reason(extension: Mapping[str, Any]) -> dict[str, str]:
    """The reason that Epic puts into the extension instead of a Coding, as a Coding (FB-19)."""
    named = {
        "code": extension.get(_EPIC_REASON + "reasonCategory"),
        "display": extension.get(_EPIC_REASON + "reasonDisplay")
        or extension.get(_EPIC_REASON + "reasonTitle"),
    }
    reason = {name: str(value) for name, value in named.items() if value is not None}
    return {**reason, "system": _EPIC_REASON + "reasonCategory"} if reason else {}


# Errors.


def _object(body: Any) -> Mapping[str, Any]:
    if not isinstance(body, Mapping):
        raise RequestError("the body must be one JSON object")
    return body


def _load(schema: _Lenient, message: Mapping[str, Any]) -> dict[str, Any]:
    """What the schema makes of the message, or one error that names all problems."""
    try:
        return schema.load_present(message)
    except ValidationError as error:
        problems = list(_problems(error.messages_dict))
    (path, first), *others = problems
    named = [first, *(f"{place}: {text}" for place, text in others[: _MOST_PROBLEMS - 1])]
    if len(problems) > _MOST_PROBLEMS:
        named.append(f"and {len(problems) - _MOST_PROBLEMS} more")
    raise RequestError("; ".join(named), where=Where(path=path))


def _problems(messages: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every problem with the path of its member, in the order of the schema."""
    if not isinstance(messages, Mapping):
        yield path, ", ".join(messages)
        return
    for name, below in messages.items():
        if name == "_schema":
            place = path
        elif isinstance(name, int):
            place = f"{path}[{name}]"
        else:
            place = f"{path}.{name}" if path else str(name)
        yield from _problems(below, place)
