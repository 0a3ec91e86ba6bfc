"""What a CDS Hooks message must hold: the schemas of request and feedback, member by member.

Lenient on what comes in: unknown members pass (GEN-10), null and blank optional members are absent
(REQ-18, HK-1), vendor spellings are understood (FB-19). Strict where an answer would be a guess:
what is required and missing, or of the wrong JSON type, is a `RequestError` that names every such
member and what is expected there, never its value (PHI-5). Nothing that was passed in is changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict, cast

from marshmallow import ValidationError

from cds_service import fhir_json
from cds_service.engine import HOOK_NAME
from cds_service.errors import RequestError, Where
from cds_service.hooks import message_fields
from cds_service.hooks.contexts import CONTEXTS
from cds_service.hooks.message_fields import (
    Choice,
    JsonSchema,
    ListOf,
    Member,
    MessageSchema,
    Object,
    Seconds,
    Text,
    Timestamp,
)  # fmt: skip
from cds_service.store import FeedbackItem

_MOST_PROBLEMS = 20  # named in one error; further ones are counted
_MOST_SUGGESTIONS = 50  # of one card

_EPIC_REASON = "com.epic.cdshooks.feedback.overrideReason."
_EPIC_FHIR_VERSION = "com.epic.cdshooks.request.fhir-version"
_READ_AS_R4 = re.compile(r"r4b?|4(\.\d+){0,2}", re.IGNORECASE)


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
        RequestError: not an object, another hook, members missing or of the wrong type, or data
            that the client says is not FHIR R4.
    """
    message = _object(body)
    offered = message.get("hook")
    if isinstance(offered, str) and offered.strip() and offered != hook:
        other = f"'{offered}'" if HOOK_NAME.fullmatch(offered) else "another one"
        raise RequestError(
            f"this service answers the hook '{hook}', not {other}",
            where=Where(path="hook"),
            hint="discovery lists the services and the hook of each",
        )
    request = _load(_request_schema(hook), message)
    _check_fhir_version(request.get("extension") or {})
    if hook == "order-select":
        _check_selections(request["context"])
    if "fhirServer" not in request and "fhirAuthorization" in request:
        request["fhirAuthorization"].pop("access_token", None)
    return cast("Request", request)


def _check_fhir_version(extension: Mapping[str, Any]) -> None:
    """Refuses data of another version than R4, where a client tells it (REQ-19).

    Read as R4, the elements of DSTU2 and STU3 that have other names would be missing, and a rule
    would take them for not recorded.
    """
    told = extension.get(_EPIC_FHIR_VERSION)
    if isinstance(told, str) and told.strip() and not _READ_AS_R4.fullmatch(told.strip()):
        raise RequestError(
            "the data is not FHIR R4, which is the only version that is read here",
            where=Where(path=f"extension.{_EPIC_FHIR_VERSION}"),
            hint="choose R4 for this service where the client is set up",
        )


def _check_selections(context: Mapping[str, Any]) -> None:
    """Refuses selections of which none names a draft (HK-OSel-4).

    No order would be judged then, and an answer without cards would look like no objection.
    """
    drafts = fhir_json.resources(context["draftOrders"])
    named = {(draft.get("resourceType"), draft.get("id")) for draft in drafts}
    selections = context["selections"]
    if selections and not any(fhir_json.reference_key(item) in named for item in selections):
        raise RequestError(
            "none of them names a resource of context.draftOrders",
            where=Where(path="context.selections"),
            hint="write type and id of a draft, as in ServiceRequest/1",
        )


def load_feedback(body: Any) -> list[FeedbackItem]:
    """The feedback of one message, in its order; all of it or an error (FB-2…FB-11, FB-17…FB-20).

    Card and suggestion ids may be any text. Timestamps become UTC: an offset is applied, and one
    without offset is taken as UTC, as the specification wants it sent; a bare date is its midnight.

    Raises:
        RequestError: names each wrong member with its index, as in `feedback[2].card`.
    """
    return [_item(entry) for entry in _load(_FEEDBACK, _object(body))["feedback"]]


def request_json_schema(hook: str) -> JsonSchema:
    """What `load_request` takes, as JSON Schema."""
    described = _request_schema(hook).json_schema()
    described["properties"]["hook"] = {"const": hook}
    return described


def feedback_json_schema() -> JsonSchema:
    """What `load_feedback` takes, as JSON Schema."""
    return _FEEDBACK.json_schema()


# The request: one envelope, one context per hook.


def _request_schema(hook: str) -> MessageSchema:
    return _REQUESTS.get(hook) or _envelope(Object(required=True))


_AUTHORIZATION_TEXTS = ("access_token", "token_type", "scope", "subject", "patient")


def _envelope(context: Object) -> MessageSchema:
    return MessageSchema.of(
        {
            "hook": Text(required=True),
            "hookInstance": Text(required=True),
            "fhirServer": Text(),
            "fhirAuthorization": Object(
                members={"expires_in": Seconds()} | {name: Text() for name in _AUTHORIZATION_TEXTS}
            ),
            "context": context,
            "prefetch": Object(),
            "extension": Object(),
        }
    )


_REQUESTS = {hook: _envelope(context) for hook, context in CONTEXTS.items()}


# Feedback.

_REASON: Mapping[str, Member] = {
    "reason": Object(members={"code": Text(), "system": Text(), "display": Text()}),
    "userComment": Text(),
    "extension": Object(),
}

_ENTRY: Mapping[str, Member] = {
    "card": Text(required=True),
    "outcome": Choice("accepted", "overridden"),
    "outcomeTimestamp": Timestamp(),
    "acceptedSuggestions": ListOf(
        Object(required=True, members={"id": Text(required=True)}),
        "an array of objects with an id",
        most=_MOST_SUGGESTIONS,
    ),
    "overrideReason": Object(members=_REASON),
    "overrideReasons": Object(members=_REASON),
}


class _Entry(Object):
    """One feedback entry; an accepted one names what was accepted (FB-5)."""

    def __init__(self) -> None:
        super().__init__(required=True, members=_ENTRY)

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> dict[str, Any]:
        entry = super()._deserialize(value)
        if entry["outcome"] == "accepted" and not entry.get("acceptedSuggestions"):
            expected = "required with outcome 'accepted', an array of objects with an id"
            raise ValidationError({"acceptedSuggestions": [expected]})
        return entry

    def accepts(self) -> JsonSchema:
        """An entry, and what it must have when it was accepted."""
        accepted = {"properties": {"outcome": {"const": "accepted"}}}
        suggestions = {"acceptedSuggestions": {"type": "array", "minItems": 1}}
        return super().accepts() | {
            "if": accepted,
            "then": {"required": list(suggestions), "properties": suggestions},
        }


_FEEDBACK = MessageSchema.of({"feedback": ListOf(_Entry(), "an array of objects", required=True)})


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


def _load(schema: MessageSchema, message: Mapping[str, Any]) -> dict[str, Any]:
    """What the schema makes of the message, or one error that names all problems."""
    try:
        return schema.load_present(message)
    except ValidationError as error:
        found = list(message_fields.problems(error.messages_dict))
    (path, first), *others = found
    named = [first, *(f"{place}: {text}" for place, text in others[: _MOST_PROBLEMS - 1])]
    if len(found) > _MOST_PROBLEMS:
        named.append(f"and {len(found) - _MOST_PROBLEMS} more")
    raise RequestError("; ".join(named), where=Where(path=path))
