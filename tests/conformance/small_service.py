"""A small CDS service of the tests' own, over real HTTP: right, or wrong in chosen ways."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

SERVICE = {
    "hook": "patient-view",
    "id": "small",
    "title": "Small",
    "description": "Says one thing.",
    "prefetch": {"patient": "Patient/{{context.patientId}}"},
}
CARD = {
    "uuid": "11111111-1111-4111-8111-111111111111",
    "summary": "Do one thing.",
    "indicator": "info",
    "source": {"label": "A guideline", "topic": {"code": "one", "system": "urn:example"}},
    "suggestions": [
        {
            "label": "Do it",
            "uuid": "22222222-2222-4222-8222-222222222222",
            "actions": [
                {
                    "type": "create",
                    "description": "Orders it",
                    "resource": {"resourceType": "Task", "status": "draft", "intent": "proposal"},
                },
                {"type": "delete", "description": "Removes", "resourceId": "ServiceRequest/1"},
            ],
        }
    ],
    "selectionBehavior": "any",
    "overrideReasons": [{"code": "no", "system": "urn:example", "display": "No"}],
    "links": [{"label": "More", "url": "https://example.org/more", "type": "absolute"}],
}


def recommend_two(card: dict[str, Any]) -> None:
    (suggestion,) = card["suggestions"]
    card["suggestions"] = [{**suggestion, "uuid": name, "isRecommended": True} for name in "ab"]
    card["selectionBehavior"] = "at-most-one"


def action_of(card: dict[str, Any], number: int = 0) -> dict[str, Any]:
    return card["suggestions"][0]["actions"][number]


OF_CARDS: dict[str, Callable[[dict[str, Any]], object]] = {
    "long summary": lambda card: card.update(summary="x" * 140),
    "loud indicator": lambda card: card.update(indicator="hard-stop"),
    "no label": lambda card: card["source"].pop("label"),
    "null detail": lambda card: card.update(detail=None),
    "HTML in detail": lambda card: card.update(detail="<b>Do it</b>"),
    "no selectionBehavior": lambda card: card.pop("selectionBehavior"),
    "no uuid": lambda card: card.pop("uuid"),
    "reason without display": lambda card: card["overrideReasons"][0].pop("display"),
    "context on a plain link": lambda card: card["links"][0].update(appContext="x"),
    "action without description": lambda card: action_of(card).pop("description"),
    "resource is a string": lambda card: action_of(card).update(resource="{}"),
    "deletes by resource": lambda card: action_of(card, 1).update(resource="ServiceRequest/1"),
    "recommends two": recommend_two,
    "one suggestion, not a list": lambda card: card.update(suggestions=card["suggestions"][0]),
    "a link is a string": lambda card: card.update(links=["https://example.org/more"]),
    "a reason is a string": lambda card: card.update(overrideReasons=["no"]),
    "an action is a string": lambda card: card["suggestions"][0].update(actions=["create"]),
    "extension is a list": lambda card: card.update(extension=[{"url": "urn:example"}]),
    "launches by a word": lambda card: card["links"][0].update(autolaunchable="yes"),
}
"""What is wrong with a card, by name."""


PAGE = "https://ehr.example.org"
"""The page that "one page only" lets in."""


class SmallService:
    """Runs while it is entered. `defects` are names of what is wrong with it."""

    def __init__(self, *defects: str, tls: ssl.SSLContext | None = None) -> None:
        self.defects = set(defects)
        self.tls = tls

    def __enter__(self) -> str:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.get(self)

            def do_POST(self) -> None:
                service.post(self)

            def do_OPTIONS(self) -> None:
                service.preflight(self)

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if self.tls is not None:
            self.server.socket = self.tls.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.server.server_port}"

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    # --- what it answers ---

    def get(self, handler: BaseHTTPRequestHandler) -> None:
        if handler.path.rstrip("/") != "/cds-services":
            return answer(handler, 405, outcome(), Allow="POST, OPTIONS")
        if "redirects" in self.defects and handler.path.endswith("/"):
            return answer(handler, 308, None, Location="/cds-services")
        service = dict(SERVICE)
        changes: dict[str, Any] = {
            "no description": {"description": None},
            "blank hook title": {"title": " "},
            "odd token": {"prefetch": {"patient": "Patient/{{today()}}"}},
            "prefetch is a list": {"prefetch": ["Patient/1"]},
            "an address as template": {"prefetch": {"labs": "https://fhir.example.org/Patient"}},
            "orders in a template": {"prefetch": {"orders": "{{context.draftOrders}}"}},
            "the user's type twice": {"prefetch": {"user": "Practitioner/{{context.userId}}"}},
        }
        for name in self.defects & set(changes):
            service |= changes[name]
        if "no description" in self.defects:
            del service["description"]
        listed: list[Any] = [service, service] if "an id twice" in self.defects else [service]
        if "a service is a string" in self.defects:
            listed.append("small")
        return answer(
            handler, 200, listed if "a bare list" in self.defects else {"services": listed}
        )

    def post(self, handler: BaseHTTPRequestHandler) -> None:
        data = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        if handler.path.endswith("/feedback"):
            return self.feedback(handler, data)
        if not handler.path.endswith("/small"):
            status = 500 if "crashes on an unknown id" in self.defects else 404
            return answer(handler, status, outcome())
        if handler.headers.get_content_type() != "application/json":
            return answer(handler, 415, outcome())
        return self.refuse(handler) if problem_of(data) else self.advise(handler, data)

    def refuse(self, handler: BaseHTTPRequestHandler) -> None:
        if "hangs up" in self.defects:
            return handler.connection.close()
        if "shows its trace" in self.defects:
            trace = b"Traceback (most recent call last):\n  ValueError"
            return answer(handler, 400, None, body=trace)
        if "takes anything" in self.defects:
            return answer(handler, 200, self.cards())
        return answer(handler, 400, None if "bare errors" in self.defects else outcome())

    def advise(self, handler: BaseHTTPRequestHandler, data: bytes) -> None:
        if "hangs up on good messages" in self.defects:
            return handler.connection.close()
        if "insists on prefetch" in self.defects and not json.loads(data).get("prefetch"):
            return answer(handler, 400, outcome())
        if "numbers that are none" in self.defects:
            return answer(handler, 200, {**self.cards(), "extension": {"x": float("nan")}})
        return answer(handler, 200, self.cards(), **self.headers())

    def headers(self) -> dict[str, str]:
        return {"Content-Type": "text/html"} if "calls it HTML" in self.defects else {}

    def cards(self) -> Any:
        card: Any = json.loads(json.dumps(CARD))
        for defect in self.defects & set(OF_CARDS):
            OF_CARDS[defect](card)
        body: dict[str, Any] = {"cards": [card]}
        if "a card is a string" in self.defects:
            body["cards"].append("Do one thing.")
        if "acts by itself" in self.defects:
            body["systemActions"] = card["suggestions"][0]["actions"]
        return [card] if "cards without an object" in self.defects else body

    def feedback(self, handler: BaseHTTPRequestHandler, data: bytes) -> None:
        try:
            entries = json.loads(data)["feedback"]
            is_right = all(
                "card" in entry and entry["outcome"] in {"accepted", "overridden"}
                for entry in entries
            )
        except (ValueError, KeyError, TypeError):
            is_right = False
        if is_right and "refuses batches" in self.defects and len(entries) > 1:
            is_right = False
        if not is_right and "thanks for anything" not in self.defects:
            return answer(handler, 400, outcome())
        return answer(handler, 204 if "has nothing to say" in self.defects else 200, None)

    def preflight(self, handler: BaseHTTPRequestHandler) -> None:
        if "no preflight" in self.defects:
            return answer(handler, 405, outcome(), Allow="GET, POST")
        allowed = {"Access-Control-Allow-Headers": "authorization, content-type"}
        origin = {"Access-Control-Allow-Origin": "http://localhost:3000"}
        if "one page only" in self.defects:
            origin = (
                {"Access-Control-Allow-Origin": PAGE} if handler.headers["Origin"] == PAGE else {}
            )
        if "any origin with credentials" in self.defects:
            origin = {
                "Access-Control-Allow-Origin": "*",
                "Access-Control-Allow-Credentials": "true",
            }
        return answer(handler, 204, None, **allowed, **origin)


def problem_of(data: bytes) -> bool:
    """Whether the message is none that a patient-view service can answer."""
    try:
        message = json.loads(data)
        return not (
            message["hook"] == "patient-view"
            and isinstance(message["hookInstance"], str)
            and isinstance(message["context"]["patientId"], str)
        )
    except (ValueError, KeyError, TypeError):
        return True


def outcome() -> dict[str, Any]:
    issue = {"severity": "error", "code": "invalid", "diagnostics": "The message is not right."}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def answer(
    handler: BaseHTTPRequestHandler, status: int, content: Any, *, body: bytes = b"", **headers: str
) -> None:
    if content is not None:
        body = json.dumps(content).encode()
        headers = {"Content-Type": "application/json", **headers}
    handler.send_response(status)
    for name, value in {**headers, "Content-Length": str(len(body))}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)
