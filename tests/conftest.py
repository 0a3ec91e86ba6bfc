"""Fixtures for every test: where the shared data is, and settings that touch nothing outside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cds_service.config import Settings

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The data that nobody here wrote; it lies beside the repository, where it is there at all."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the shared data is not beside this repository")
    return folder


@pytest.fixture
def settings(tmp_path) -> Settings:
    """The defaults, with a database of the test's own."""
    from cds_service import config  # noqa: PLC0415  parts are tested without the whole

    return config.load({"CDS_DATABASE_URL": f"sqlite:///{tmp_path}/cds.sqlite3"})
