"""Writes decisions behind the calls: a bounded queue and one thread for each process.

A hook call never waits for storage. What cannot be written now waits and is tried again; when as
many wait as are allowed, the next ones are refused. Nothing is lost unsaid: `offer` answers False,
or `on_lost` is told.
"""

from __future__ import annotations

import atexit
import threading
from collections import deque
from dataclasses import replace
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError

from cds_service.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cds_service.store.records import Decision

MOST_WAITING = 1000
"""Decisions of one process that may wait for the database."""
DRAIN_WITHIN_S = 5.0
"""How long a process that ends goes on trying to write what waits."""
MOST_REQUEST_BYTES = 50_000_000
"""Bytes of kept requests of one process that may wait; decisions then go on without theirs."""
_BATCH = 200
_LINGER_S = 0.02  # how long the first of a batch waits for others
_APART_S = 0.25  # from one batch to the next, unless it is full: a commit costs as much as a call
_TRY_AGAIN_AFTER_S = 0.5


class DecisionWriter:
    """The decisions of one process that are not written yet, and the thread that writes them.

    The thread starts with the first decision, so that a process may fork before.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Decision]], None],
        *,
        most_waiting: int = MOST_WAITING,
        on_lost: Callable[[int], None] | None = None,
    ) -> None:
        self._write = write
        self._most_waiting = most_waiting
        self._on_lost = on_lost
        self._waiting: deque[Decision] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_hurried = False
        self._stop_at: float | None = None
        self._rests_until = 0.0
        self._most = _BATCH  # in one batch; fewer after a failure, which its size may have caused

    def offer(self, decision: Decision) -> bool:
        """Take a decision to be written soon; False when too many wait already."""
        with self._changed:
            if len(self._waiting) >= self._most_waiting or self._stop_at is not None:
                return False
            self._waiting.append(self._with_room(decision))
            if self._thread is None or not self._thread.is_alive():  # also after a fork
                self._start()
            if len(self._waiting) in {1, _BATCH}:  # the thread knows of the others
                self._changed.notify_all()
        return True

    def flush(self, timeout_s: float) -> bool:
        """Write now what waits, and wait for it; False when it did not succeed in that time."""
        with self._changed:
            self._is_hurried = True
            self._changed.notify_all()
            done = self._changed.wait_for(lambda: not self._waiting, timeout_s)
            self._is_hurried = False
        return done

    def close(self, timeout_s: float = DRAIN_WITHIN_S) -> None:
        """Write what waits, for at most so long; what then remains is lost and said so."""
        with self._changed:
            if self._thread is None:
                return
            self._stop_at = monotonic() + timeout_s
            self._changed.notify_all()
            thread = self._thread
        atexit.unregister(self.close)
        thread.join(timeout_s + 1)
        with self._changed:
            self._lose(len(self._waiting))
            self._waiting.clear()
            self._thread, self._stop_at = None, None

    def _with_room(self, decision: Decision) -> Decision:
        """The decision, without its request when too many bytes of such wait already."""
        if decision.request is None:
            return decision
        waiting = sum(len(each.request.message) for each in self._waiting if each.request)
        if waiting + len(decision.request.message) <= MOST_REQUEST_BYTES:
            return decision
        return replace(decision, request=None)

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="decisions", daemon=True)
        atexit.register(self.close)
        self._thread.start()

    def _run(self) -> None:
        while batch := self._next():
            written = self._try(batch)
            self._most = _BATCH if written else max(self._most // 2, 1)
            with self._changed:
                for _ in range(written):
                    self._waiting.popleft()
                self._changed.notify_all()
                if not written and not self._wait_before_next_try():
                    return

    def _next(self) -> list[Decision]:
        """The oldest decisions, once there are any; none when it is time to stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stop_at is not None)
            self._changed.wait_for(
                lambda: (
                    self._is_hurried or self._stop_at is not None or len(self._waiting) >= _BATCH
                ),
                max(_LINGER_S, self._rests_until - monotonic()),
            )
            self._rests_until = monotonic() + _APART_S
            return list(islice(self._waiting, self._most))

    def _wait_before_next_try(self) -> bool:
        if self._stop_at is not None and monotonic() >= self._stop_at:
            return False
        self._changed.wait(_TRY_AGAIN_AFTER_S)
        return True

    def _try(self, batch: list[Decision]) -> int:
        """Write these; how many are done with, which is none when the database is away."""
        try:
            self._write(batch)
        except StoreUnavailable as error:
            if _is_away(error.__cause__):
                return 0
            if len(batch) > 1:
                return self._one_by_one(batch)
            self._lose(1)
        return len(batch)

    def _one_by_one(self, batch: list[Decision]) -> int:
        """Write these apart, because one of them cannot be written at all."""
        for done, decision in enumerate(batch):
            if not self._try([decision]):
                return done
        return len(batch)

    def _lose(self, count: int) -> None:
        if count and self._on_lost is not None:
            self._on_lost(count)


def _is_away(cause: BaseException | None) -> bool:
    """Whether the failure is the database's, not that of what was to be written."""
    if isinstance(cause, SQLAlchemyError):
        return isinstance(cause, DBAPIError) and not isinstance(cause, IntegrityError | DataError)
    return True
