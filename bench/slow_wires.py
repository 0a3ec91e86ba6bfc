"""Connections that send a byte a second, and how long they are let."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from typing import Self

_TICK_S = 1.0


class SlowWires:
    """So many connections that never finish their request; `begin` is what each sends at once."""

    def __init__(self, address: str, count: int, begin: bytes) -> None:
        host, port = address.split(":")
        self._selector = selectors.DefaultSelector()
        self._began: dict[socket.socket, float] = {}
        for _ in range(count):
            wire = socket.create_connection((host, int(port)), timeout=30)
            wire.sendall(begin)
            wire.settimeout(0)
            self._began[wire] = time.monotonic()
            self._selector.register(wire, selectors.EVENT_READ)
        self.closed_after_s: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._drip, daemon=True)

    @property
    def still_open(self) -> int:
        return len(self._began)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for wire in self._began:
            wire.close()
        self._selector.close()

    def _drip(self) -> None:
        due = time.monotonic() + _TICK_S
        while not self._stop.is_set() and self._began:
            for key, _ in self._selector.select(0.2):
                self._gone(key.fileobj)  # an answer or an end: this one is over
            if time.monotonic() >= due:
                due += _TICK_S
                for wire in list(self._began):
                    try:
                        wire.send(b"x")
                    except OSError:
                        self._gone(wire)

    def _gone(self, wire: socket.socket) -> None:
        began = self._began.pop(wire, None)
        if began is not None:
            self.closed_after_s.append(time.monotonic() - began)
            self._selector.unregister(wire)
            wire.close()
