"""`python -m sandbox`: start the FHIR server, put the example patients in, start the service."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox import node
from sandbox.node import NotInstalled
from sandbox.processes import Program, ProgramEnded

if TYPE_CHECKING:
    from collections.abc import Sequence

REPOSITORY = Path(__file__).resolve().parent.parent
PATIENTS = REPOSITORY / "examples" / "patients"
_SEED = REPOSITORY / "sandbox" / "seed.py"
_OTHER_PORTS = "when a port is taken, choose others: make sandbox PORT=8180 FHIR_PORT=8181"
_LOOK_EVERY_S = 0.2
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """Somebody asked the sandbox to end."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until somebody stops it: 0; 1 when a part of it could not start, or ended by itself."""
    asked = _arguments(arguments)
    for each in _SIGNALS:
        signal.signal(each, _stop)
    try:
        node.install()
        _run(asked.port, asked.fhir_port)
    except Stopped:
        print("The sandbox has stopped.")
        return 0
    except NotInstalled as problem:
        print(f"sandbox: {problem}", file=sys.stderr)
    except ProgramEnded as problem:
        print(f"sandbox: {problem}; {_OTHER_PORTS}", file=sys.stderr)
    return 1


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="of the service; 0: any free one")
    parser.add_argument("--fhir-port", type=int, default=8081, help="of the FHIR server")
    return parser.parse_args(arguments)


def _run(port: int, fhir_port: int) -> None:
    """Start everything, say where it is, and wait; returns never but by an exception."""
    serve_fhir = [node.executable(), str(node.SERVER), "--port", str(fhir_port)]
    with Program("the FHIR server", serve_fhir, os.environ) as fhir_server:
        base = fhir_server.address()
        _seed(base)
        serve = [sys.executable, "-m", "cds_service", "serve"]
        with Program("the service", serve, _settings(port, base)) as service:
            print(_summary(service.address(), base), flush=True)
            _watch([fhir_server, service])


def _settings(port: int, base: str) -> dict[str, str]:
    """The environment of the service; what the caller has set stays, but for what makes it one."""
    return {
        "CDS_DATABASE_URL": "sqlite:///var/sandbox.sqlite3",
        **os.environ,
        "CDS_PORT": str(port),
        "CDS_WORKBENCH": "yes",
        "CDS_WORKBENCH_FHIR": base,
        "CDS_OPEN_FHIR_SERVERS": "yes",  # this one asks for no token
    }


def _seed(base: str) -> None:
    command = [sys.executable, str(_SEED), base, str(PATIENTS)]
    if subprocess.run(command, check=False).returncode != 0:
        raise ProgramEnded("the example patients could not be put into the FHIR server")


def _summary(service: str, base: str) -> str:
    patients = len(list(PATIENTS.glob("*.json")))
    return f"""
The sandbox is ready; Ctrl-C stops it.
  workbench            {service}/workbench
  CDS services         {service}/cds-services
  integration sheet    {service}/integration
  FHIR server          {base}
  one of {patients} patients    {base}/Patient/cauda-equina
"""


def _watch(programs: Sequence[Program]) -> None:
    """Wait for a signal; raises ProgramEnded when a program ends by itself."""
    while True:
        for program in programs:
            if program.ended is not None:
                raise ProgramEnded(
                    f"{program.name} ended with status {program.ended}; the sandbox stops"
                )
        time.sleep(_LOOK_EVERY_S)


def _stop(*_: object) -> None:
    """The first signal ends the sandbox; further ones do not disturb the ending."""
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise Stopped


if __name__ == "__main__":
    sys.exit(main())
