"""Shares connections evenly between the processes, so that none is full while others have room.

All processes accept from one listener, and the one that is idle just then takes all that come at
once: 94 of 128 connections, and all their requests for as long as they are kept, while the other
one has little to do. Here a process that has more than another leaves new ones to it for a moment.
"""

from __future__ import annotations

import mmap
import time
from typing import TYPE_CHECKING, Any

from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

if TYPE_CHECKING:
    import socket

_ACCEPTS_NONE = -1
_AHEAD = 3
"""Connections more than another process has, from which on new ones are left to that one."""

_LEAVE_FOR_S = 0.003
"""How long: then they are taken after all, because the other one may be busy or hang."""

_SEATS_EACH = 4  # while processes are replaced there are twice as many, and some that end slowly


class Connections:
    """How many each process has, in memory that processes forked later share.

    The process that forks gives each its seat and takes it back; a process writes on its own seat
    only.
    """

    def __init__(self, processes: int) -> None:
        self._free = set(range(_SEATS_EACH * processes))
        self._counts = memoryview(mmap.mmap(-1, 4 * len(self._free))).cast("i")
        for seat in self._free:
            self._counts[seat] = _ACCEPTS_NONE

    def seat(self) -> int | None:
        """A place for a process that is about to be forked, while there is one."""
        return self._free.pop() if self._free else None

    def give_back(self, seat: int) -> None:
        """The process has ended."""
        self._counts[seat] = _ACCEPTS_NONE
        self._free.add(seat)

    def tell(self, seat: int, count: int | None) -> None:
        """How many a process has; None when it accepts no more."""
        self._counts[seat] = _ACCEPTS_NONE if count is None else count

    def is_ahead(self, seat: int) -> bool:
        """Whether another process that accepts has clearly fewer."""
        enough = self._counts[seat] - _AHEAD
        return any(_ACCEPTS_NONE < count <= enough for count in self._counts)


class BalancedWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn's worker with threads, which leaves connections to others that have fewer."""

    seat: int | None = None  # given before the fork

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._leaves_until = 0.0

    def has_more_than_others(self) -> bool:
        """Whether a client would better come to another process."""
        return self.seat is not None and self.app.connections.is_ahead(self.seat)

    def accept(self, listener: socket.socket) -> None:
        """Take a connection, or leave it to others for a moment."""
        self._tell()
        if self.alive and self.has_more_than_others():
            self._leaves_until = time.monotonic() + _LEAVE_FOR_S
            self.set_accept_enabled(False)
        else:
            super().accept(listener)

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001  gunicorn's signature
        """Not within the moment; what others have left by its end is taken, whoever is ahead."""
        if enabled and time.monotonic() < self._leaves_until:
            return
        super().set_accept_enabled(enabled)
        if enabled and self._leaves_until:
            self._leaves_until = 0.0
            for listener in self.sockets:
                super().accept(listener)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Until something happens, or the moment is over."""
        self._tell()
        if self._leaves_until:
            timeout = min(timeout, max(self._leaves_until - time.monotonic(), 0.0))
        super().wait_for_and_dispatch_events(timeout)

    def _tell(self) -> None:
        if self.seat is not None:
            self.app.connections.tell(self.seat, self.nr_conns if self.alive else None)
