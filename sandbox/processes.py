"""Programs that are started, say where they answer, and are stopped with everything they started.

Each is the leader of a process group of its own, so that Ctrl-C reaches the one who started it,
who then stops them in order. On Linux they end as well when that one is killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_STOP_TIMEOUT_S = 20.0
_BOUND = Path(__file__).with_name("bound.py")


class ProgramEnded(Exception):
    """A program ended that was to run; the argument is a sentence."""


class Program:
    """A program under this one's care: `with Program("the service", [...], environ) as running`.

    Attributes:
        name: what it is called in messages.
    """

    def __init__(self, name: str, command: Sequence[str], environ: Mapping[str, str]) -> None:
        self.name = name
        self._reader: threading.Thread | None = None
        self._process = subprocess.Popen(
            [sys.executable, str(_BOUND), *command],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def process_id(self) -> int:
        """Of the program itself, which is its group's too."""
        return self._process.pid

    @property
    def ended(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.poll()

    def address(self) -> str:
        """Where it answers, when it says `… answers at URL`; what it prints later is dropped.

        Raises:
            ProgramEnded: it ended before.
        """
        output = self._output()
        for line in output:
            if " answers at " in line:
                self._reader = threading.Thread(target=output.read, daemon=True)
                self._reader.start()  # so that it never stands still on a full pipe
                return line.split(" answers at ")[1].strip()
        self._process.wait()
        raise ProgramEnded(f"{self.name} did not start; it says why above")

    def stop(self) -> None:
        """Ask it to end, and end what is left of its group after a while."""
        if self.ended is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_TIMEOUT_S)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._reader is not None:
            self._reader.join()
        self._output().close()

    def _output(self) -> IO[str]:
        assert self._process.stdout is not None
        return self._process.stdout
