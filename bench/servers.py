"""Starts a server as a process of its own on a free port, and stops it."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICE = ("cds_service", "serve")
DO_NOTHING = ("bench.do_nothing",)
_ADDRESS = re.compile(r"answers at http://([0-9.]+:[0-9]+)")


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers: its `host:port`, and the process that started its workers."""

    address: str
    process_id: int


@contextlib.contextmanager
def running(*module: str) -> Iterator[str]:
    """`host:port` of `python -m <module>`, with a database of its own, until the block ends."""
    with started(*module) as server:
        yield server.address


@contextlib.contextmanager
def started(*module: str) -> Iterator[Running]:
    """`python -m <module>`, with a database of its own, until the block ends.

    Settings come from the environment, so that workers and threads are those of the site.
    """
    with TemporaryDirectory() as folder:
        database = f"sqlite:///{folder}/bench.sqlite3"
        environment = {**os.environ, "CDS_PORT": "0", "CDS_DATABASE_URL": database}
        with (
            open(f"{folder}/log", "w+") as log,  # noqa: PTH123 - a name in a folder of its own
            subprocess.Popen(
                [sys.executable, "-m", *module],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            ) as process,
        ):
            try:
                yield Running(_address(process), process.pid)
            finally:
                process.terminate()
                process.wait(timeout=30)


def _address(process: subprocess.Popen[str]) -> str:
    for line in process.stdout or ():
        if found := _ADDRESS.search(line):
            return found[1]
    raise SystemExit(f"{' '.join(map(str, process.args))} did not start")


def cpu_seconds(process_id: int) -> float:
    """What a process and its children have used so far, of all CPUs together (Linux: /proc)."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:  # it has ended meanwhile
            continue
        if process_id in {int(stat.parent.name), int(fields[1])}:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
