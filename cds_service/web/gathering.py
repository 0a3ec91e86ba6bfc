"""Takes a request in before a thread is given to it, so that slow clients hold no thread.

Gunicorn reads requests in the threads that answer them: some hundred connections that send a byte
a second would keep all threads waiting (risk A7). Here the event loop reads until a request is
whole, as a reverse proxy does, and closes what is not whole in time. A request that would find no
room is answered by the event loop as well: it would have to wait for a thread else (risk A6).
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import time
from dataclasses import dataclass, field
from functools import partial
from selectors import EVENT_READ
from typing import TYPE_CHECKING, Any

from gunicorn.http.errors import NoMoreData  # type: ignore[import-untyped]
from gunicorn.http.unreader import SocketUnreader  # type: ignore[import-untyped]

from cds_service.web.admission import ALWAYS_ADMITTED
from cds_service.web.balancing import BalancedWorker

if TYPE_CHECKING:
    from collections.abc import Callable

    from cds_service.web.admission import Admission

WHOLE_WITHIN_S = 20
"""Seconds in which a request must be there; the connection is closed then. A thread that reads the
rest of a large one has as long again."""

STALLED_S = 10
"""Seconds without a byte, either way, after which a thread gives a connection up."""

MOST_BYTES = 256_000
"""What is gathered of one request; a thread reads the rest of a larger one."""

_MOST_HEAD_BYTES = 64_000  # more is refused by the parser, which is given it as it is
_PIECE = 65_536
_LINGER_S = 2
_TELL_EVERY_S = 1.0  # it may be silent for 30 s
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{0,12})", re.IGNORECASE)
_LAST_ON_CONNECTION = re.compile(rb"\r\nconnection:[^\r]*\bclose\b", re.IGNORECASE)
_REQUEST_LINE = re.compile(rb"[A-Z]+ ([^ ?]+)[^ ]* HTTP/1\.1\r\n")
_PROBES = frozenset(path.encode() for path in ALWAYS_ADMITTED)
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

    def start_again(self) -> None:
        """This request is answered; the next one may come and take as long."""
        self.received.clear()
        self.until = _from_now()

    def is_whole(self) -> bool:
        """Whether a thread can go on without waiting for the client, or has to decide itself."""
        head = self._head()
        if not head:
            return len(self.received) > _MOST_HEAD_BYTES
        if _BODY_OF_OTHER_KIND.search(head):
            return True
        body = _body_bytes(head)
        whole = min(len(head) + body, MOST_BYTES)
        return body > self.largest_body or len(self.received) >= whole

    def may_be_refused(self) -> bool:
        """Whether this is a request as most are, all of it and nothing behind it, and no probe."""
        head = self._head()
        line = _REQUEST_LINE.match(head)
        return (
            line is not None
            and line[1] not in _PROBES
            and not _BODY_OF_OTHER_KIND.search(head)
            and len(self.received) == len(head) + _body_bytes(head)
        )

    def keeps_connection(self) -> bool:
        """Whether the client may send another request after this one."""
        return not _LAST_ON_CONNECTION.search(self._head())

    def _head(self) -> bytearray:
        """The request line and the headers; empty while they are not all there."""
        end = self.received.find(_END_OF_HEAD)
        return self.received[: end + len(_END_OF_HEAD)] if end >= 0 else bytearray()


class InTime(SocketUnreader):  # type: ignore[misc]  # gunicorn has no types
    """Reads from a client until a moment: one that sends a little now and then holds no thread."""

    def __init__(self, client: Any, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(client)
        self._clock = clock
        self.until = float("inf")

    def chunk(self, size_hint: int | None = None) -> Any:
        """What comes next; after the moment it is as if the client had gone."""
        if self._clock() >= self.until:
            raise NoMoreData
        return super().chunk(size_hint)


def _from_now() -> float:
    """Until when a request must be there whose time begins now."""
    return time.monotonic() + WHOLE_WITHIN_S


def _body_bytes(head: bytearray) -> int:
    """What the head says; with no length, or several, the parser decides what that means."""
    lengths = _LENGTH.findall(head)
    return int(lengths[0] or 0) if len(lengths) == 1 else 0


class GatheringWorker(BalancedWorker):
    """A worker whose threads start on requests that are there."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._gathering: set[Gathering] = set()
        self._with_threads = 0
        self._told_at = 0.0

    def enqueue_req(self, conn: Any) -> None:
        """Wait for the request in the event loop, unless a part of it has been read already."""
        if conn.parser is not None and conn.parser.unreader.buf.getvalue():
            self._give_thread(conn)
            return
        gathering = Gathering(conn, _from_now(), self.app.largest_body)
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
            admission = self.app.admission
            if self.alive and admission and self._is_too_much(admission, gathering):
                self._refuse(admission, gathering, client)
                return
            self._forget(gathering)
            gathering.connection.received = bytes(gathering.received)
            self._give_thread(gathering.connection)

    def _give_thread(self, conn: Any) -> None:
        self._with_threads += 1
        super().enqueue_req(conn)

    def finish_request(self, conn: Any, fs: Any) -> None:
        """A thread is done with this connection."""
        self._with_threads -= 1
        super().finish_request(conn, fs)

    def _is_too_much(self, admission: Admission, gathering: Gathering) -> bool:
        return admission.is_full(self._with_threads) and gathering.may_be_refused()

    def _refuse(self, admission: Admission, gathering: Gathering, client: socket.socket) -> None:
        """Turn a request away here and now; its client may send the next one.

        In few calls of the system: after each of them the threads that compute go first. A client
        of a process that has more than others is sent away, to come to one of those.
        """
        keeps = gathering.keeps_connection() and not self.has_more_than_others()
        answer = admission.refuse(keeps_connection=keeps)
        sent = 0
        with contextlib.suppress(OSError):
            sent = client.send(answer)  # a few hundred bytes, into an empty buffer
        if keeps and sent == len(answer):
            gathering.start_again()
        else:
            self._drop(gathering)

    def handle(self, conn: Any) -> Any:
        """Answer, in a thread: what was gathered first, then what is still to come."""
        if not conn.initialized:
            patience = struct.pack("ll", STALLED_S, 0)
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
            conn.init()
            conn.parser.unreader = InTime(conn.sock)
        conn.parser.unreader.until = _from_now()
        received, conn.received = getattr(conn, "received", b""), b""
        conn.parser.unreader.unread(received)
        return super().handle(conn)

    def notify(self) -> None:
        """Tell the first process that this one is alive: once a second, not at every event.

        It is a call of the system, after which the threads that compute go first.
        """
        now = time.monotonic()
        if now - self._told_at >= _TELL_EVERY_S:
            self._told_at = now
            super().notify()

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
