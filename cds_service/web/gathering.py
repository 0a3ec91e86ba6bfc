"""Takes a request in before a thread is given to it, so that slow clients hold no thread.

Gunicorn reads requests in the threads that answer them: some hundred connections that send a byte
a second would keep all threads waiting (risk A7). Here the event loop reads until a request is
whole, as a reverse proxy does, and closes what is not whole in time.
"""

from __future__ import annotations

import re
import socket
import struct
import time
from dataclasses import dataclass, field
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

WHOLE_WITHIN_S = 20
"""Seconds in which a request must be there; the connection is closed then."""

STALLED_S = 10
"""Seconds without a byte, either way, after which a thread gives a connection up."""

MOST_BYTES = 256_000
"""What is gathered of one request; a thread reads the rest of a larger one."""

_MOST_HEAD_BYTES = 64_000  # more is refused by the parser, which is given it as it is
_PIECE = 65_536
_LINGER_S = 2
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{0,12})", re.IGNORECASE)
_BODY_OF_OTHER_KIND = re.compile(rb"\r\n(transfer-encoding|expect|upgrade):", re.IGNORECASE)


@dataclass(slots=True, eq=False)
class Gathering:
    """What has come so far on a connection, and until when it may take.

    A body that is said to be larger than `largest_body` is refused by a thread, not waited for.
    """

    connection: Any
    until: float
    largest_body: int
    received: bytearray = field(default_factory=bytearray)

    def is_whole(self) -> bool:
        """Whether a thread can go on without waiting for the client, or has to decide itself."""
        size = len(self.received)
        end = self.received.find(_END_OF_HEAD)
        if end < 0:
            return size > _MOST_HEAD_BYTES
        head = self.received[: end + len(_END_OF_HEAD)]
        if _BODY_OF_OTHER_KIND.search(head):
            return True
        lengths = _LENGTH.findall(head)  # none, or several: the parser decides what that means
        body = int(lengths[0] or 0) if len(lengths) == 1 else 0
        return body > self.largest_body or size >= min(len(head) + body, MOST_BYTES)


class GatheringWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn's worker with threads, which start on requests that are there."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._gathering: set[Gathering] = set()

    def enqueue_req(self, conn: Any) -> None:
        """Wait for the request in the event loop, unless a part of it has been read already."""
        if conn.parser is not None and conn.parser.unreader.buf.getvalue():
            super().enqueue_req(conn)
            return
        conn.sock.settimeout(0)
        until = time.monotonic() + WHOLE_WITHIN_S
        gathering = Gathering(conn, until, self.app.largest_body)
        self._gathering.add(gathering)
        self.poller.register(conn.sock, EVENT_READ, partial(self._receive, gathering))

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001  gunicorn's signature
        """At a stop, take the connections that the system has taken already, and no further ones.

        They would be reset else, with a request in them that the client believes to be sent (A8).
        """
        super().set_accept_enabled(enabled)
        if enabled or self.alive:
            return
        for listener in (each for each in self.sockets if each.sock is not None):
            before = -1
            while before < self.nr_conns < self.worker_connections:
                before = self.nr_conns
                self.accept(listener)
            listener.close()

    def _receive(self, gathering: Gathering, client: socket.socket) -> None:
        """Take what has come; on with the request when it is whole or its client is gone."""
        try:
            piece = client.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            self._drop(gathering)
            return
        gathering.received += piece
        if not piece and not gathering.received:
            self._drop(gathering)
        elif not piece or gathering.is_whole():
            self._forget(gathering)
            gathering.connection.received = bytes(gathering.received)
            super().enqueue_req(gathering.connection)

    def handle(self, conn: Any) -> Any:
        """Answer, in a thread: what was gathered first, then what is still to come."""
        conn.sock.settimeout(None)
        patience = struct.pack("ll", STALLED_S, 0)
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
        conn.init()
        received, conn.received = getattr(conn, "received", b""), b""
        conn.parser.unreader.unread(received)
        return super().handle(conn)

    def murder_pending(self) -> None:
        """Close what has taken too long; what has not begun, soon after a stop."""
        super().murder_pending()
        now = time.monotonic()
        for gathering in tuple(self._gathering):
            if not self.alive and not gathering.received:
                gathering.until = min(gathering.until, now + _LINGER_S)
            if gathering.until <= now:
                self._drop(gathering)

    def _forget(self, gathering: Gathering) -> None:
        self._gathering.discard(gathering)
        self.poller.unregister(gathering.connection.sock)

    def _drop(self, gathering: Gathering) -> None:
        self._forget(gathering)
        self.nr_conns -= 1
        gathering.connection.close()
