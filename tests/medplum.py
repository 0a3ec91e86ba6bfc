"""The FHIR server of the sandbox, @medplum/fhir-router, for tests: started, filled, stopped."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sandbox import node
from sandbox.processes import Program

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parent.parent
SEED = REPOSITORY / "sandbox" / "seed.py"
PATIENTS = REPOSITORY / "examples" / "patients"


def need() -> None:
    """Skip, by name, where Node.js or the packages of sandbox/package-lock.json are not at hand."""
    if not node.is_installed():
        pytest.skip("the packages of sandbox/ are not installed (npm ci)")
    try:
        node.executable()
    except node.NotInstalled as missing:
        pytest.skip(str(missing))


@contextmanager
def medplum(*options: str) -> Iterator[str]:
    """The base URL of a server that is empty; `options` as fhir_server.mjs takes them."""
    need()
    command = [node.executable(), str(node.SERVER), "--port", "0", *options]
    with Program("the FHIR server", command, os.environ) as program:
        yield program.address()


def seed(base: str, folder: Path = PATIENTS, **environ: str) -> subprocess.CompletedProcess[str]:
    """The loader of the sandboxes, as they run it."""
    command = [sys.executable, str(SEED), base, str(folder)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environ}
    )
