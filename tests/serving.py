"""The real service as a process of its own, started by the command that users type."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = Path(sys.executable).with_name("cds-service")
_ADDRESS = re.compile(r"answers at (http://\S+)")


@contextlib.contextmanager
def serving(folder: Path, **environment: str) -> Iterator[tuple[str, str]]:
    """The address of `cds-service serve` on a free port, and what it printed until it was ready.

    The database is in `folder`; `environment` holds further settings.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
    settings = {"CDS_PORT": "0", "CDS_DATABASE_URL": f"sqlite:///{folder}/cds.sqlite3"}
    with (
        (folder / "log").open("w+") as log,
        subprocess.Popen(
            [COMMAND, "serve"],
            env={**clean, **settings, **environment},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            yield _started(process, folder / "log")
        finally:
            process.terminate()
            process.wait(timeout=20)


def _started(process: subprocess.Popen[str], log: Path) -> tuple[str, str]:
    """Address and output; the last line printed is the last setting."""
    printed = ""
    for line in process.stdout or ():
        printed += line
        if line.lstrip().startswith("CDS_LOG_LEVEL="):
            return _ADDRESS.search(printed)[1], printed  # type: ignore[index]
    raise AssertionError(f"the service did not start:\n{printed}\n{log.read_text()}")
