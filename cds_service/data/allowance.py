"""How many bytes all FHIR reads of one call may bring together (D7): memory is shared by all calls.

One answer has a limit of its own; without this one a dozen searches of many pages would each be
allowed theirs. Decoded JSON takes about ten times the bytes of its text.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cds_service.data.guarded_http import NoAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PER_CALL_BYTES = 10_000_000


class Allowance:
    """What is left of the bytes of one call. Its reads share it from several threads."""

    def __init__(self, max_bytes: int = PER_CALL_BYTES) -> None:
        self.max_bytes = max_bytes
        self._left = max_bytes
        self._lock = threading.Lock()

    @contextmanager
    def answer(self) -> Iterator[Callable[[int], None]]:
        """Counts the bytes of one answer as they come; raises NoAnswer once they are too many.

        An answer that fails gives its bytes back at once, so that those beside it may come to
        their end.
        """
        taken = 0

        def count(more: int) -> None:
            nonlocal taken
            taken += more
            with self._lock:
                self._left -= more
                if self._left >= 0:
                    return
                self._left += taken
                taken = 0
            raise NoAnswer(
                "the answers of the FHIR server to one call are larger than "
                f"{self.max_bytes} bytes together"
            )

        try:
            yield count
        except NoAnswer:
            with self._lock:
                self._left += taken
            raise
