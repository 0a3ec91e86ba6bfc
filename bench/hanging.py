"""FHIR servers that accept connections and say nothing, until they are told to recover."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from typing import Self

_ANSWER = (
    b"HTTP/1.1 404 Not Found\r\nContent-Type: application/fhir+json\r\nContent-Length: 2\r\n"
    b"Connection: close\r\n\r\n{}"
)


class HangingServers:
    """So many of them, each on a port of loopback of its own; `bases` are their addresses."""

    def __init__(self, count: int) -> None:
        self._listeners = [
            socket.create_server(("127.0.0.1", 0), backlog=1000) for _ in range(count)
        ]
        self.bases = [f"http://127.0.0.1:{each.getsockname()[1]}/fhir" for each in self._listeners]
        self._kept: list[socket.socket] = []
        self._has_recovered = self._is_over = False
        self._thread = threading.Thread(target=self._accept)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        self._thread.join()
        for wire in (*self._listeners, *self._kept):
            wire.close()

    def recover(self) -> None:
        """From now on every request is answered, with 404."""
        self._has_recovered = True

    def _accept(self) -> None:
        with selectors.DefaultSelector() as poller:
            for listener in self._listeners:
                poller.register(listener, selectors.EVENT_READ)
            while not self._is_over:
                for key, _ in poller.select(0.2):
                    assert isinstance(key.fileobj, socket.socket)
                    wire = key.fileobj.accept()[0]
                    if self._has_recovered:
                        _answer(wire)
                    else:
                        self._kept.append(wire)


def _answer(wire: socket.socket) -> None:
    with wire, contextlib.suppress(OSError):
        wire.settimeout(1)
        wire.recv(65_536)
        wire.sendall(_ANSWER)
