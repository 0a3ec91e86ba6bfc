"""Where the published data for tests and benchmarks is, if it is at hand: it is read in place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
ROOT = Path(os.environ.get("LBP_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))


def folder(name: str) -> Path:
    """The data folder of this name; the test is skipped, by its name, where it is not at hand."""
    path = ROOT / name
    if not path.is_dir():
        pytest.skip(f"the data folder '{name}' is not at hand", allow_module_level=True)
    return path
