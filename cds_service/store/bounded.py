"""Work on the database that nobody waits for longer than is agreed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from typing import TYPE_CHECKING, TypeVar

from cds_service.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

_THREADS = 4


class Bounded:
    """A few threads of one process that do what a caller waits for, for so long at most.

    A database that hangs keeps these threads busy and no others; work that waits for one of them
    is dropped when its caller goes. The threads start with the first use, so that a process may
    fork before.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="store")

    def within(self, seconds: float, work: Callable[[], Result]) -> Result:
        """What `work` gives; raises its exceptions, and StoreUnavailable when it takes longer."""
        underway = self._threads.submit(work)
        try:
            return underway.result(max(seconds, 0.0))
        except Late as late:
            underway.cancel()
            raise StoreUnavailable("the database did not answer in time") from late

    def close(self) -> None:
        """Drop what waits; what runs may end by itself. New work starts new threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="store")
