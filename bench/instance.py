"""One running service that can be looked at and signalled: its processes, memory and readiness."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from bench import servers

if TYPE_CHECKING:
    from collections.abc import Iterator

_ADDRESS = re.compile(r"answers at http://([0-9.]+:[0-9]+)")
_READY_WITHIN_S = 60


@dataclass(frozen=True, slots=True)
class Instance:
    """A service that was started: its first process, address, and seconds until ready."""

    process: subprocess.Popen[str]
    address: str
    ready_after_s: float

    def workers(self) -> list[int]:
        """The ids of the processes that answer."""
        pid = self.process.pid
        return [int(x) for x in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def resident_mb(self) -> float:
        """Proportional resident memory of all its processes."""
        every = [self.process.pid, *self.workers()]
        return sum(_kilobytes(pid) for pid in every) / 1000

    def open_files(self) -> int:
        """File descriptors of the processes that answer."""
        return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in self.workers())

    def cpu_seconds(self) -> float:
        """What all its processes have used so far."""
        return servers.cpu_seconds(self.process.pid)

    def get(self, path: str) -> Any:
        """The JSON at a path."""
        with closing(http.client.HTTPConnection(self.address, timeout=10)) as connection:
            connection.request("GET", path)
            return json.load(connection.getresponse())

    def stop(self) -> float:
        """SIGTERM; the seconds until it has ended."""
        began = time.monotonic()
        self.process.terminate()
        self.process.wait(timeout=60)
        return time.monotonic() - began


@contextlib.contextmanager
def started(
    port: int = 0, *, arguments: tuple[str, ...] = (), **settings: str
) -> Iterator[Instance]:
    """`cds-service serve` with these arguments and `CDS_` settings, and a database of its own."""
    with TemporaryDirectory() as folder, (Path(folder) / "log").open("w+") as log:
        environment = {
            **os.environ,
            "CDS_PORT": str(port),
            "CDS_LOG_LEVEL": "warning",
            "CDS_DATABASE_URL": f"sqlite:///{folder}/bench.sqlite3",
            **{f"CDS_{name}": value for name, value in settings.items()},
        }
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "cds_service", "serve", *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            address = _announced(process)
            _wait_until_ready(address)
            yield Instance(process, address, time.monotonic() - began)
        finally:
            process.terminate()
            process.communicate(timeout=60)


def _announced(process: subprocess.Popen[str]) -> str:
    for line in process.stdout or ():
        if found := _ADDRESS.search(line):
            return found[1]
    raise SystemExit("the service did not start")


def _wait_until_ready(address: str) -> None:
    end = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < end:
        with (
            contextlib.suppress(OSError),
            closing(http.client.HTTPConnection(address, timeout=10)) as connection,
        ):
            connection.request("GET", "/ready")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.02)
    raise SystemExit("the service was not ready in time")


def _kilobytes(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) if found else 0
