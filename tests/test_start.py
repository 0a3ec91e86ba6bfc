"""A command loads what it needs: the service starts without the tools of authors."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

LOADED = """
import sys
from cds_service.cli import main
main.get_command(None, "serve")
import cds_service.web.server
print(*sorted(sys.modules))
"""


@pytest.fixture(scope="module")
def loaded():
    """The modules that are loaded when the service starts."""
    return subprocess.run(
        [sys.executable, "-c", LOADED], check=True, capture_output=True, text=True, timeout=120
    ).stdout.split()


def test_serve_loads_nothing_of_simulation_or_the_conformance_checks(loaded):
    unwanted = ("cds_service.simulation", "cds_service.conformance", "cds_service.authoring.lint")
    assert "cds_service.web.server" in loaded
    assert [name for name in loaded if name.startswith(unwanted)] == []


@pytest.mark.requirement("K2")
def test_serve_loads_no_library_of_the_tools_of_authors(loaded):
    assert {"fhir", "pydantic", "markdown_it", "pygal"} & set(loaded) == set()


def test_a_port_that_another_program_has_is_told_at_once():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        ended = subprocess.run(
            [sys.executable, "-m", "cds_service", "serve"],
            env={**os.environ, "CDS_HOST": "127.0.0.1", "CDS_PORT": port},
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert ended.returncode == 2
    told = f"cannot listen at CDS_HOST=127.0.0.1, CDS_PORT={port}: Address already in use"
    assert told in ended.stderr
    assert "choose another one with CDS_PORT" in ended.stderr
