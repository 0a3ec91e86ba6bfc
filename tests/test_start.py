"""A command loads what it needs: the service starts without the tools of authors."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

LOADED = """
import sys
from cds_service.cli import main
main.get_command(None, "serve")
import cds_service.web.server
print(*sorted(name for name in sys.modules if name.startswith("cds_service.")))
"""


def test_serve_loads_nothing_of_simulation_or_the_conformance_checks():
    told = subprocess.run(
        [sys.executable, "-c", LOADED], check=True, capture_output=True, text=True, timeout=120
    ).stdout.split()
    unwanted = ("cds_service.simulation", "cds_service.conformance", "cds_service.authoring.lint")
    assert "cds_service.web.server" in told
    assert [name for name in told if name.startswith(unwanted)] == []


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
