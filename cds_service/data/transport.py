"""HTTP connections that go to checked addresses, and whose answers end at a deadline.

A host name is resolved once per connection and the very address that was checked is connected to,
so that a name that leads elsewhere a moment later (DNS rebinding) leads nowhere.
A socket's own timeout starts anew with every byte; here a timer shuts the socket down.
"""

from __future__ import annotations

import contextlib
import socket
from ipaddress import ip_address
from threading import Timer
from typing import TYPE_CHECKING, Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from urllib3.response import HTTPResponse

    from cds_service.data.outbound import Guard


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


class AddressRefused(Exception):
    """A host name leads only to addresses that may not be called."""


class Unreached(Exception):
    """No connection, for a reason that the one who set up the server can mend; the text says it.

    Not an OSError, which urllib3 would replace by one of its own.
    """


class _Checked:
    """A connection that asks its guard which of the host's addresses it may go to."""

    cut: Callable[[], None] | None = None
    guard: Guard
    timeout: Any
    sock: Any

    def _new_conn(self) -> socket.socket:
        connection: Any = self  # what urllib3's connection has besides
        try:
            return _connected(connection, self.guard)
        except TimeoutError as late:
            raise ConnectTimeoutError(connection, "no connection in time") from late
        except socket.gaierror as unknown:
            raise Unreached("its host name leads to no address") from unknown
        except ConnectionRefusedError as refused:
            raise Unreached("nothing listens at its port") from refused
        except OSError as broken:
            raise NewConnectionError(connection, "no connection") from broken

    def getresponse(self) -> HTTPResponse:
        self.cut = _shutdown(self.sock)
        with cut_after(float(self.timeout or 0), self.cut):
            parent: Any = super()
            response: HTTPResponse = parent.getresponse()
            return response


def _connected(connection: Any, guard: Guard) -> socket.socket:
    """A socket to the first address of the host that the guard permits and that answers."""
    host = connection._dns_host  # noqa: SLF001  the host as it is resolved, as in urllib3
    port: int = connection.port
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    permitted = [
        (family, target)
        for family, _, _, _, target in found
        if guard.permits(host, port, ip_address(str(target[0]).partition("%")[0]))
    ]
    if not permitted:
        raise AddressRefused
    for family, target in permitted[:-1]:
        with contextlib.suppress(OSError):
            return _dialled(family, target, connection.timeout)
    return _dialled(*permitted[-1], connection.timeout)


def _dialled(family: int, target: Any, timeout: float | None) -> socket.socket:
    """A socket to this very address: it is not resolved again."""
    dialled = socket.socket(family, socket.SOCK_STREAM)
    try:
        dialled.settimeout(timeout)
        dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        dialled.connect(target)
    except OSError:
        dialled.close()
        raise
    return dialled


def pools(guard: Guard) -> dict[str, type[HTTPConnectionPool]]:
    """Pool class per URL scheme; a request's read timeout also bounds the wait for all headers."""

    class Plain(_Checked, HTTPConnection):  # type: ignore[misc]  # as urllib3 itself
        pass

    class Tls(_Checked, HTTPSConnection):  # type: ignore[misc]  # as urllib3 itself
        pass

    Plain.guard = Tls.guard = guard

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = Tls

    return {"http": PlainPool, "https": TlsPool}


def cut_of(response: HTTPResponse) -> Callable[[], None]:
    """The function that ends a running read of this response's body."""
    cut: Callable[[], None] | None = getattr(response.connection, "cut", None)
    return cut or (lambda: None)
