"""A server of key sets over real sockets, which counts who asks.

with KeyServer() as server:
    server.answers["/jwks.json"] = jwks(key().jwk())
    server.url("/jwks.json")
    server.asked          # the paths that were asked for, in order
"""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass
class Served:
    """One answer: a body, or `delay_s` seconds of nothing before it."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0


def jwks(*keys: dict[str, Any], **headers: str) -> Served:
    """A JWK Set of these keys."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Served(json.dumps({"keys": keys}).encode(), headers=named)


class KeyServer:
    """Serves `answers` by path; 404 for the rest."""

    def __init__(self) -> None:
        self.answers: dict[str, Served] = {}
        self.asked: list[str] = []
        self._closing = threading.Event()

    def __enter__(self) -> Self:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                served = server.answers.get(self.path, Served(b"{}", 404))
                server._closing.wait(served.delay_s)
                with suppress(OSError):
                    self.send_response(served.status)
                    self.send_header("Content-Type", "application/json")
                    for name, value in served.headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(served.body)

            def log_message(self, *_: object) -> None:
                """Nothing: the tests look at `asked`."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def url(self, path: str = "/jwks.json") -> str:
        """The address of a path."""
        return f"http://127.0.0.1:{self._server.server_port}{path}"
