"""HTTP connections whose answers end at a deadline, however slowly a server drips them.

A socket's own timeout starts anew with every byte; here a timer shuts the socket down.
"""

from __future__ import annotations

import contextlib
import socket
from threading import Timer
from typing import TYPE_CHECKING, Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from urllib3.response import HTTPResponse


@contextlib.contextmanager
def cut_after(seconds: float, cut: Callable[[], None]) -> Iterator[None]:
    """Calls `cut` if the block has not ended after `seconds`; a blocked read then fails."""
    timer = Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _shutdown(sock: Any) -> Callable[[], None]:
    def cut() -> None:
        with contextlib.suppress(OSError):
            # Past SSLSocket.shutdown, which would swap the TLS object under a running read.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)

    return cut


class _HTTPConnection(HTTPConnection):
    cut: Callable[[], None] | None = None

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 itself
        self.cut = _shutdown(self.sock)
        with cut_after(float(self.timeout or 0), self.cut):
            return super().getresponse()


class _HTTPSConnection(HTTPSConnection):
    cut: Callable[[], None] | None = None

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 itself
        self.cut = _shutdown(self.sock)
        with cut_after(float(self.timeout or 0), self.cut):
            return super().getresponse()


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _HTTPPool, "https": _HTTPSPool}
"""Pool class per URL scheme; a request's read timeout also bounds the wait for all headers."""


def cut_of(response: HTTPResponse) -> Callable[[], None]:
    """The function that ends a running read of this response's body."""
    cut: Callable[[], None] | None = getattr(response.connection, "cut", None)
    return cut or (lambda: None)
