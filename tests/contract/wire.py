"""Requests byte by byte, as no client library would send them, and what comes back."""

from __future__ import annotations

import http.client
import io
import json
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from schemas import checker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contract.clients import Server

JSON = b"Content-Type: application/json\r\n"
_READ_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Reply:
    """The first final answer on a connection, and how many answers there were."""

    status: int
    body: bytes
    answers: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """What the OperationOutcome says."""
        return self.json["issue"][0]["diagnostics"]


def request(
    target: str | bytes,
    *,
    method: str = "POST",
    head: bytes = JSON,
    body: bytes = b"{}",
    length: bool = True,
) -> bytes:
    """One HTTP/1.1 request that asks to close the connection; `length` adds Content-Length."""
    place = target if isinstance(target, bytes) else target.encode()
    start = method.encode() + b" " + place + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    counted = b"Content-Length: %d\r\n" % len(body) if length else b""
    return start + head + counted + b"\r\n" + body


def send(server: Server, data: bytes) -> Reply:
    """Send the bytes and read until the server closes; every error is held against the contract."""
    host, port = server.place.split(":")
    said = b""
    with socket.create_connection((host, int(port)), timeout=10) as wire:
        wire.sendall(data)
        with suppress(ConnectionResetError):
            while part := wire.recv(_READ_BYTES):
                said += part
    replies = list(_replies(said))
    for status, headers, body in replies:
        if status >= 400:
            checker.error(headers, body)
    status, _, body = next(item for item in replies if item[0] >= 200)
    return Reply(status, body, len(replies))


def _replies(said: bytes) -> list[tuple[int, Mapping[str, str], bytes]]:
    """Status, headers and body of each answer in a row; each of ours but 1xx names its length."""
    found = []
    while said:
        head, _, rest = said.partition(b"\r\n\r\n")
        line, _, fields = head.partition(b"\r\n")
        status = int(line.split(b" ")[1])
        headers = http.client.parse_headers(io.BytesIO(fields + b"\r\n\r\n"))
        size = int(headers.get("Content-Length", 0 if status < 200 else len(rest)))
        found.append((status, headers, rest[:size]))
        said = rest[size:]
    return found
