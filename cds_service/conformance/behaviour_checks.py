"""Checks of how a service takes unusual and wrong messages, browsers, feedback and tokens."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cds_service.conformance.checking import Level, NotSeen, check

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cds_service.conformance.client import Exchange
    from cds_service.conformance.observation import Observed

_BAD_REQUEST = (
    "not JSON", "no body", "an array", "no hook", "no hookInstance", "no context",
    "context is a string", "no patientId", "a hook of another kind",
)  # fmt: skip
_TRACE = re.compile(
    rb"Traceback \(most recent|^\s+at [\w.$]+\(.*:\d+\)|<html|<!doctype",
    re.IGNORECASE | re.MULTILINE,
)
_ANSWERED = {200, 412}


@check("VER-1", "VER-2", "VER-5", "GEN-10", "PF-5", "PF-6", "PF-14", "REQ-18")
def unusual_messages_are_understood(seen: Observed) -> Iterator[str]:
    """Unknown members, other users, absent or failed prefetch: 200, or 412 for missing data."""
    if not seen.awkward:
        raise NotSeen(seen.why_not_asked)
    for call in seen.awkward:
        if call.answer.status not in _ANSWERED:
            yield call.place


@check("VER-5", "GEN-10", level=Level.ADVICE)
def what_does_not_matter_changes_nothing(seen: Observed) -> Iterator[str]:
    """Unknown members and unasked prefetch keys change nothing: the plain call has that status."""
    plain = {call.service: call.answer.status for call in reversed(seen.calls)}
    for call in seen.awkward:
        is_ignorable = call.name in {"unknown members", "a prefetch key nobody asked for"}
        if is_ignorable and call.answer.status != plain[call.service]:
            yield f"{call.place}; the plain call: {plain[call.service]}"


@check("RESP-9", "REQ-12", level=Level.ADVICE)
def wrong_messages_are_refused(seen: Observed) -> Iterator[str]:
    """A message that is no JSON object, or lacks a required member, is answered with 400."""
    for name in _BAD_REQUEST:
        if name in seen.refused and seen.refused[name].status != 400:
            yield f"{name}: {seen.refused[name].told}, not 400"
    _services(seen)


@check("RESP-6", "REQ-12")
def nothing_crashes_the_service(seen: Observed) -> Iterator[str]:
    """Every message, whatever is in it, is answered, and not with a 500 or another server error."""
    for place, answer in seen.exchanges:
        if answer.status >= 500 or answer.failure is not None:
            yield place


@check("REQ-13", level=Level.ADVICE)
def an_unknown_service_is_404(seen: Observed) -> Iterator[str]:
    """A call to an id that discovery does not list is answered with 404."""
    _services(seen)
    if seen.refused["unknown service"].status != 404:
        yield str(seen.refused["unknown service"])


@check("REQ-14", level=Level.ADVICE)
def methods_and_types_are_checked(seen: Observed) -> Iterator[str]:
    """GET of a service is 405 with Allow; a body that is not JSON by its type is 415."""
    _services(seen)
    got = seen.refused["GET of a service"]
    if got.status != 405 or "allow" not in got.headers:
        yield f"{got}, Allow: {got.headers.get('allow')}"
    if seen.refused["plain text"].status != 415:
        yield f"text/plain: {seen.refused['plain text'].told}, not 415"


@check("RESP-7", level=Level.SHOULD)
def errors_are_operation_outcomes(seen: Observed) -> Iterator[str]:
    """The body of an error is a FHIR OperationOutcome."""
    found = [pair for pair in seen.exchanges if pair[1].status >= 400]
    if not found:
        raise NotSeen("no request was refused")
    for place, answer in found:
        body = answer.json
        if not isinstance(body, dict) or body.get("resourceType") != "OperationOutcome":
            yield place


@check("RESP-9")
def errors_show_nothing_of_the_inside(seen: Observed) -> Iterator[str]:
    """No error shows a stack trace or an HTML page."""
    for place, answer in seen.exchanges:
        if answer.status >= 400 and _TRACE.search(answer.body):
            yield place


@check("CORS-1", "CORS-2", "DISC-20", level=Level.ADVICE)
def browsers_may_ask(seen: Observed) -> Iterator[str]:
    """Preflight is answered without a token, and allows the header Authorization."""
    for path, answer in seen.preflights.items():
        allowed = answer.headers.get("access-control-allow-headers", "").lower()
        if answer.status not in {200, 204} or "access-control-allow-origin" not in answer.headers:
            yield f"{path}: {answer.told}, no Access-Control-Allow-Origin"
        elif "authorization" not in allowed or "content-type" not in allowed:
            yield f"{path}: Access-Control-Allow-Headers is {allowed!r}"


@check("CORS-4")
def any_origin_gets_no_credentials(seen: Observed) -> Iterator[str]:
    """Access-Control-Allow-Origin is not * where credentials are allowed."""
    for place, answer in seen.exchanges:
        if (
            answer.headers.get("access-control-allow-origin") == "*"
            and answer.headers.get("access-control-allow-credentials") == "true"
        ):
            yield place


@check("FB-1", "FB-2", "FB-4", "FB-5", "FB-7", "FB-13", "FB-18")
def feedback_is_taken(seen: Observed) -> Iterator[str]:
    """Feedback as CDS Hooks has it is taken (2xx): accepted, overridden, in a batch, repeated."""
    for name, answer in _feedback(seen).items():
        if not name.startswith("wrong") and "vendor" not in name and not answer.succeeded:
            yield f"{name}: {answer.told}"


@check("FB-19", level=Level.ADVICE)
def a_vendors_plural_is_taken(seen: Observed) -> Iterator[str]:
    """Feedback with overrideReasons, as one large vendor writes it, is taken."""
    for name, answer in _feedback(seen).items():
        if "vendor" in name and not answer.succeeded:
            yield f"{name}: {answer.told}"


@check("FB-17", level=Level.ADVICE)
def wrong_feedback_is_refused(seen: Observed) -> Iterator[str]:
    """Feedback with an unknown outcome, without a card, or that is no JSON is answered with 400."""
    for name, answer in _feedback(seen).items():
        if name.startswith("wrong") and answer.status != 400:
            yield f"{name}: {answer.told}"


@check("SEC-5", "SEC-6", "SEC-12", "SEC-13", "SEC-14", "SEC-16", "SEC-19", "SEC-35")
def bad_tokens_are_refused(seen: Observed) -> Iterator[str]:
    """A missing, misdirected, expired, unsigned or used token is answered with 401."""
    for name, answer in _tokens(seen).items():
        if answer.status != 401:
            yield f"{name}: {answer.told}"


@check("SEC-28", level=Level.ADVICE)
def refusals_do_not_say_why(seen: Observed) -> Iterator[str]:
    """All refusals of a token look the same, so that nothing can be learnt from them."""
    bodies = {re.sub(rb'"id":\s*"[^"]*"', b"", item.body) for item in _tokens(seen).values()}
    if len(bodies) > 1:
        yield f"there are {len(bodies)} different bodies"


def _services(seen: Observed) -> None:
    if not seen.refused:
        raise NotSeen(seen.why_not_asked)


def _feedback(seen: Observed) -> Mapping[str, Exchange]:
    """The answers, where there is a feedback endpoint at all: it is optional."""
    answers = seen.feedback
    if not answers or all(answer.status in {404, 405} for answer in answers.values()):
        raise NotSeen("the service takes no feedback")
    return answers


def _tokens(seen: Observed) -> Mapping[str, Exchange]:
    if not seen.tokens:
        raise NotSeen("no tokens were tried; give --key and --issuer")
    return seen.tokens
