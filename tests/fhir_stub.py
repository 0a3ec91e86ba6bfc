"""A small FHIR server over real sockets for tests: search, paging, tokens, and every way to fail.

with FhirStub([patient, condition], token="t") as stub:
    stub.base        # http://127.0.0.1:<port>/fhir
    stub.seen        # every request that arrived
    stub.faults["Condition"] = status(503)
"""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Fault = Callable[["Handler"], None]


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]


class FhirStub:
    """Serves `resources` under `base`; `token`: the only one accepted; `page_size`: per page."""

    def __init__(
        self,
        resources: Iterable[dict[str, Any]] = (),
        *,
        token: str | None = None,
        page_size: int = 1000,
    ) -> None:
        self.resources = list(resources)
        self.token = token
        self.page_size = page_size
        self.faults: dict[str, Fault] = {}
        self.on_request: Callable[[], None] = lambda: None
        self.seen: list[Seen] = []
        self.connections: set[tuple[str, int]] = set()
        self.dripped = 0
        self.closing = threading.Event()

    def __enter__(self) -> Self:
        handler = type("BoundHandler", (Handler,), {"stub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def base(self) -> str:
        return f"{self.origin}/fhir"

    def paths(self) -> list[str]:
        """The requests as `Type/id` or `Type?query`, in the order of arrival."""
        return [
            each.path.removeprefix("/fhir/")
            + (f"?{urlencode(each.query, doseq=True)}" if each.query else "")
            for each in self.seen
        ]


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    stub: FhirStub
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        with suppress(OSError):  # clients that hang up are what the tests are about
            super().handle()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        self.stub.connections.add(self.client_address)
        self.stub.seen.append(Seen("GET", parts.path, query, dict(self.headers)))
        self.stub.on_request()
        expected = self.stub.token
        if expected and self.headers.get("Authorization") != f"Bearer {expected}":
            self.send_resource(outcome("error"), 401)
            return
        kind, _, identifier = parts.path.removeprefix("/fhir/").partition("/")
        if fault := self.stub.faults.get(kind):
            with suppress(OSError):
                fault(self)
        elif identifier:
            self.read_one(kind, identifier)
        else:
            self.search(kind, query)

    def read_one(self, kind: str, identifier: str) -> None:
        for resource in self.stub.resources:
            if (resource["resourceType"], resource.get("id")) == (kind, identifier):
                self.send_resource(resource)
                return
        self.send_resource(outcome("error"), 404)

    def search(self, kind: str, query: dict[str, list[str]]) -> None:
        found = [
            resource
            for resource in self.stub.resources
            if resource["resourceType"] == kind
            and ("patient" not in query or names_patient(resource, query["patient"][0]))
        ]
        page = int(query.get("_page", ["0"])[0])
        size = min(self.stub.page_size, int(query.get("_count", ["1000"])[0]))
        entries = found[page * size : (page + 1) * size]
        bundle = searchset(entries, total=len(found), base=self.stub.base)
        if (page + 1) * size < len(found):
            following = urlencode(query | {"_page": [str(page + 1)]}, doseq=True)
            link = {"relation": "next", "url": f"{self.stub.base}/{kind}?{following}"}
            bundle["link"].append(link)
        self.send_resource(bundle)

    def send_resource(self, resource: object, status: int = 200) -> None:
        self.send_bytes(json.dumps(resource).encode(), status=status)

    def send_bytes(
        self,
        body: bytes,
        *,
        status: int = 200,
        content_type: str = "application/fhir+json",
        headers: dict[str, str] | None = None,
        length: int | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(body)

    def drip(self, data: bytes) -> None:
        """Sends byte by byte until the client hangs up; counts the bytes in `stub.dripped`."""
        self.close_connection = True
        for byte in data:
            if self.stub.closing.wait(0.01):
                return
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            self.stub.dripped += 1

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
        """Nothing: the tests look at `stub.seen`."""


# --- resources ---


def searchset(
    resources: Iterable[dict[str, Any]], *, total: int | None = None, base: str = ""
) -> dict[str, Any]:
    """A searchset Bundle of matches."""
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "link": []}
    bundle["entry"] = [
        {
            "fullUrl": f"{base}/{resource['resourceType']}/{resource.get('id')}",
            "resource": resource,
            "search": {"mode": "match"},
        }
        for resource in resources
    ]
    return bundle if total is None else bundle | {"total": total}


def outcome(severity: str) -> dict[str, Any]:
    """An OperationOutcome with one issue."""
    return {"resourceType": "OperationOutcome", "issue": [{"severity": severity, "code": "x"}]}


def names_patient(resource: dict[str, Any], identifier: str) -> bool:
    """Whether `subject` or `patient` is Patient/`identifier`."""
    wanted = f"Patient/{identifier.removeprefix('Patient/')}"
    return any(resource.get(name, {}).get("reference") == wanted for name in ("subject", "patient"))


# --- faults ---


def status(code: int, **headers: str) -> Fault:
    """Answers `code` with an OperationOutcome."""
    body = json.dumps(outcome("error")).encode()
    return lambda handler: handler.send_bytes(body, status=code, headers=headers)


def answer(body: bytes, content_type: str = "application/fhir+json") -> Fault:
    """Answers 200 with these bytes, whatever they are."""
    return lambda handler: handler.send_bytes(body, content_type=content_type)


def resource_answer(resource: object) -> Fault:
    """Answers 200 with this JSON value."""
    return lambda handler: handler.send_resource(resource)


def next_page(url: str) -> Fault:
    """Answers an empty page whose `next` link is `url`."""
    return resource_answer(searchset([]) | {"link": [{"relation": "next", "url": url}]})


def hang(handler: Handler) -> None:
    """Accepts the request and stays silent."""
    handler.close_connection = True
    handler.stub.closing.wait(30)


def reset(handler: Handler) -> None:
    """Closes the connection with a reset instead of an answer."""
    handler.close_connection = True
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.connection.close()


def cut_body(handler: Handler) -> None:
    """Promises more bytes than it sends."""
    handler.close_connection = True
    handler.send_bytes(b'{"resourceType": "Bund', length=1000)


def drip_headers(handler: Handler) -> None:
    """Sends the status line and headers byte by byte, for ever as far as a client can tell."""
    handler.drip(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 5000)


def drip_body(handler: Handler) -> None:
    """Sends headers at once and the body, of known length, byte by byte."""
    handler.send_bytes(b"", length=5000)
    handler.drip(b" " * 5000)


def drip_chunked(handler: Handler) -> None:
    """Sends the size line of a chunk byte by byte."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.drip(b"0" * 5000)


def drip_unbounded(handler: Handler) -> None:
    """Sends a body without a length byte by byte; what arrives first is a complete resource."""
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(json.dumps(searchset([])).encode())
    handler.drip(b" " * 5000)


def gzip_bomb(size: int) -> Fault:
    """Answers `size` spaces in a few kilobytes of gzip."""
    packed = gzip.compress(b" " * size)
    return lambda handler: handler.send_bytes(packed, headers={"Content-Encoding": "gzip"})


def gzip_answer(resource: object) -> Fault:
    """Answers 200 with this JSON value, packed."""
    packed = gzip.compress(json.dumps(resource).encode())
    return lambda handler: handler.send_bytes(packed, headers={"Content-Encoding": "gzip"})


def broken_gzip(handler: Handler) -> None:
    """Answers bytes that say they are gzip."""
    handler.send_bytes(b"no gzip", headers={"Content-Encoding": "gzip"})


def garbage(handler: Handler) -> None:
    """Answers something that is not HTTP."""
    handler.close_connection = True
    handler.wfile.write(b"SSH-2.0-OpenSSH\r\n\r\n")


class Meeting:
    """A fault that answers nobody before `size` requests are waiting at the same time."""

    def __init__(self, size: int) -> None:
        self.barrier = threading.Barrier(size)

    def answer(self, handler: Handler) -> None:
        """An empty searchset once all are there; 504 when they do not come within 10 s."""
        try:
            self.barrier.wait(10)
        except threading.BrokenBarrierError:
            handler.send_resource(outcome("error"), 504)
        else:
            handler.send_resource(searchset([], total=0))


@cache
def closed_port() -> int:
    """A port on which nothing listens, nor will: it stays taken as long as this process lives."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    port: int = taken.getsockname()[1]
    taken.detach()
    return port
