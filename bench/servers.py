"""Starts a server as a process of its own on a free port, and stops it."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICE = ("cds_service", "serve")
DO_NOTHING = ("bench.do_nothing",)
_ADDRESS = re.compile(r"answers at http://([0-9.]+:[0-9]+)")


@contextlib.contextmanager
def running(*module: str) -> Iterator[str]:
    """`host:port` of `python -m <module>`, with a database of its own, until the block ends.

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
                yield _address(process)
            finally:
                process.terminate()
                process.wait(timeout=30)


def _address(process: subprocess.Popen[str]) -> str:
    for line in process.stdout or ():
        if found := _ADDRESS.search(line):
            return found[1]
    raise SystemExit(f"{' '.join(map(str, process.args))} did not start")
