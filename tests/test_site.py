"""The documentation builds as a site, with the reference that is made from the code."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from console import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Built in a folder of its own, any warning being an error."""
    pytest.importorskip("sphinx")
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", "docs", str(folder)],
        cwd=REPOSITORY,
        check=True,
    )
    return folder


def test_the_site_has_every_page_of_the_folder(site):
    pages = {path.stem for path in (REPOSITORY / "docs").glob("*.md")}

    assert pages <= {path.stem for path in site.glob("*.html")}


def test_the_reference_has_every_name_of_the_fhirpath_api(site):
    from cds_service import fhirpath  # noqa: PLC0415 - what is compared

    text = (site / "_generated" / "fhirpath.html").read_text()
    missing = [name for name in fhirpath.__all__ if f"cds_service.fhirpath.{name}" not in text]

    assert missing == []


def test_the_reference_has_every_command_with_its_help(site):
    text = (site / "_generated" / "commands.html").read_text()

    assert "cds-service feedback report" in text
    assert "Start the service under gunicorn" in text
