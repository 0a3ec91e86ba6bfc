"""Everything that is asked of the service under test, once, before anything is judged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from cds_service.conformance.client import Unreachable
from cds_service.hooks.example_request import example_request

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cds_service.conformance.client import Client, Exchange

SERVICES = "/cds-services"


@dataclass(frozen=True, slots=True)
class Call:
    """A hook call that a service had to answer, and how it did."""

    service: str
    name: str
    request: Mapping[str, Any]
    answer: Exchange

    @property
    def place(self) -> str:
        """Where a problem is, for a reader: the service, the call and the status."""
        return f"{self.service} ({self.name}): {self.answer.told}"

    @property
    def cards(self) -> list[Any]:
        """The cards of a 200; none of what is not a list."""
        body = self.answer.json if self.answer.status == 200 else None
        cards = body.get("cards") if isinstance(body, dict) else None
        return cards if isinstance(cards, list) else []


@dataclass(slots=True)
class Observed:
    """What was seen. `provoked` and the rest hold answers by the name of what was sent.

    Attributes:
        calls: good messages, for each service.
        awkward: messages that are right, though unusual.
        refused: messages that no service can answer.
        preflights: by path.
        feedback: feedback messages, by name; those that begin with "wrong" are not acceptable.
        tokens: calls with a token that must not be accepted; empty where none can be signed.
    """

    discovery: Exchange
    slashed: Exchange
    calls: list[Call] = field(default_factory=list)
    awkward: list[Call] = field(default_factory=list)
    refused: dict[str, Exchange] = field(default_factory=dict)
    preflights: dict[str, Exchange] = field(default_factory=dict)
    feedback: dict[str, Exchange] = field(default_factory=dict)
    tokens: dict[str, Exchange] = field(default_factory=dict)

    @property
    def services(self) -> list[dict[str, Any]]:
        """The entries of discovery that are objects with a string id and hook."""
        body = self.discovery.json
        listed = body.get("services") if isinstance(body, dict) else None
        return [
            item
            for item in (listed if isinstance(listed, list) else ())
            if isinstance(item, dict)
            and isinstance(item.get("id"), str)
            and isinstance(item.get("hook"), str)
        ]

    @property
    def cards(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every card that is an object, with its place."""
        for call in (*self.calls, *self.awkward):
            for number, card in enumerate(call.cards):
                if isinstance(card, dict):
                    yield f"{call.service} ({call.name}) cards[{number}]", card

    @property
    def exchanges(self) -> Iterator[tuple[str, Exchange]]:
        """Everything that was asked, each with a line that says what, and the status."""
        for answer in (self.discovery, self.slashed, *self.preflights.values()):
            yield str(answer), answer
        for call in (*self.calls, *self.awkward):
            yield call.place, call.answer
        for group in (self.refused, self.feedback, self.tokens):
            for name, answer in group.items():
                yield f"{answer.method} {answer.path} ({name}): {answer.told}", answer

    @property
    def why_not_asked(self) -> str:
        """Why there is nothing beyond the plain calls."""
        if self.services:
            return "no service answered its plain call"
        return "discovery lists no service"


def observe(client: Client, requests: Iterable[Mapping[str, Any]] = ()) -> Observed:
    """Ask everything. `requests` are hook calls of the site, sent to each service of their hook.

    A service that does not answer its plain call is asked nothing more.

    Raises Unreachable when discovery gives no answer.
    """
    discovery = client.get(SERVICES)
    if discovery.failure is not None:
        raise Unreachable(f"{client.base}: {discovery}", hint=discovery.hint)
    seen = Observed(discovery, client.get(f"{SERVICES}/"))
    given = list(requests)
    for service in seen.services:
        _call(client, seen, service, given)
    seen.preflights[SERVICES] = _preflight(client, SERVICES, "GET")
    silent = {call.service for call in seen.calls if call.answer.failure is not None}
    for service in [item for item in seen.services if item["id"] not in silent][:1]:
        path = f"{SERVICES}/{service['id']}"
        seen.preflights[path] = _preflight(client, path, "POST")
        seen.preflights[f"{path}/feedback"] = _preflight(client, f"{path}/feedback", "POST")
        message = hook_call(service)
        _provoke(client, seen, path, message)
        _send_feedback(client, seen, path)
        _misuse_tokens(client, seen, path, message)
    return seen


def hook_call(service: Mapping[str, Any]) -> dict[str, Any]:
    """A call about an adult of whom nothing is recorded, as CDS Hooks 2.0.1 writes it."""
    templates = service.get("prefetch")
    templates = templates if isinstance(templates, dict) else {}
    return {**example_request(service["hook"], templates), "hookInstance": str(uuid4())}


def _preflight(client: Client, path: str, method: str) -> Exchange:
    headers = {
        "Origin": client.origin,
        "Access-Control-Request-Headers": "authorization,content-type",
        "Access-Control-Request-Method": method,
    }
    return client.send("OPTIONS", path, headers=headers, token="")


def _call(
    client: Client, seen: Observed, service: Mapping[str, Any], given: list[Mapping[str, Any]]
) -> None:
    path = f"{SERVICES}/{service['id']}"
    plain = hook_call(service)
    named = {"an adult, nothing recorded": plain}
    own = (item for item in given if item.get("hook") == service["hook"])
    named |= {f"request {number}": dict(item) for number, item in enumerate(own, start=1)}
    for name, message in named.items():
        seen.calls.append(Call(service["id"], name, message, client.post(path, message)))
        if seen.calls[-1].answer.failure is not None:
            return
    for name, message in _awkward(plain).items():
        seen.awkward.append(Call(service["id"], name, message, client.post(path, message)))


def _awkward(plain: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Messages that clients send and that a service must understand."""
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": "exception"}],
    }
    failed = {
        key: found if key == "patient" else outcome for key, found in plain["prefetch"].items()
    }
    context = plain["context"]
    return {
        "unknown members": {**plain, "extension": {"org.example.x": 1}, "anything": [1]},
        "a PractitionerRole": {**plain, "context": {**context, "userId": "PractitionerRole/1"}},
        "a prefetch key nobody asked for": {
            **plain,
            "prefetch": {
                **plain["prefetch"],
                "unasked": {"resourceType": "Patient", "id": "example"},
            },
        },
        "no prefetch": {name: value for name, value in plain.items() if name != "prefetch"},
        "prefetch is null": {**plain, "prefetch": None},
        "OperationOutcomes in prefetch": {**plain, "prefetch": failed},
    }


def _provoke(client: Client, seen: Observed, path: str, message: dict[str, Any]) -> None:
    def without(member: str) -> dict[str, Any]:
        return {name: value for name, value in message.items() if name != member}

    bodies: dict[str, Any] = {
        "not JSON": b"{",
        "no body": b"",
        "an array": [],
        "no hook": without("hook"),
        "no hookInstance": without("hookInstance"),
        "no context": without("context"),
        "context is a string": {**message, "context": "x"},
        "no patientId": {**message, "context": {"userId": "Practitioner/1"}},
        "prefetch is a string": {**message, "prefetch": "x"},
        "a number twice too large": b'{"hook": 1e999}',
    }
    seen.refused |= {name: client.post(path, body) for name, body in bodies.items()}
    seen.refused["unknown service"] = client.post(f"{SERVICES}/no-such-service-here", message)
    seen.refused["a hook of another kind"] = client.post(path, {**message, "hook": "no-such-hook"})
    seen.refused["plain text"] = client.post(path, message, headers={"Content-Type": "text/plain"})
    seen.refused["GET of a service"] = client.get(path)


def _send_feedback(client: Client, seen: Observed, path: str) -> None:
    entry = {
        "card": str(uuid4()),
        "outcome": "accepted",
        "acceptedSuggestions": [{"id": str(uuid4())}],
        "outcomeTimestamp": "2024-06-01T10:05:31Z",
    }
    overridden = {
        "card": entry["card"],
        "outcome": "overridden",
        "overrideReason": {"reason": {"code": "x", "system": "urn:example"}, "userComment": "n"},
        "outcomeTimestamp": "2024-06-01T10:05:32Z",
    }
    plural = {**overridden, "overrideReasons": overridden["overrideReason"]}
    del plural["overrideReason"]
    messages = {
        "accepted": [entry],
        "overridden": [overridden],
        "overridden without a reason": [
            {name: value for name, value in overridden.items() if name != "overrideReason"}
        ],
        "a batch": [entry, overridden],
        "the same again": [entry],
        "overrideReasons, as one vendor writes it": [plural],
        "wrong outcome": [{**entry, "outcome": "ignored"}],
        "wrong: no card": [{name: value for name, value in entry.items() if name != "card"}],
    }
    for name, entries in messages.items():
        seen.feedback[name] = client.post(f"{path}/feedback", {"feedback": entries})
    seen.feedback["wrong: not JSON"] = client.post(f"{path}/feedback", b"{")


def _misuse_tokens(client: Client, seen: Observed, path: str, message: dict[str, Any]) -> None:
    if client.signer is None:
        return
    url, sign = client.base + path, client.signer.token
    used = sign(url)
    client.post(path, message, token=used)
    header, payload, _ = sign(url).split(".")
    bad = {
        "no token": "",
        "a token for another address": sign("https://elsewhere.example.org/cds-services/x"),
        "an expired token": sign(url, iat=1, exp=301),
        "a token without an end": sign(url, exp=None),
        "a token of an unknown issuer": sign(url, iss="https://unknown.example.org"),
        "a token used twice": used,
        "a token without its signature": f"{header}.{payload}.",
    }
    seen.tokens |= {name: client.post(path, message, token=token) for name, token in bad.items()}
