"""Node.js for the FHIR server: which node runs it, and its packages as the lock file has them.

The server needs a newer Node.js than many systems have, so that the lock file holds one for Linux;
elsewhere the system's is used.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
SERVER = FOLDER / "fhir_server.mjs"
NEEDED = "Node.js 22.18 or newer (not 23, and 24 from 24.2)"
_LOCK = FOLDER / "package-lock.json"
_INSTALLED = FOLDER / "node_modules" / ".package-lock.json"
_INSTALL_TIMEOUT_S = 900


class NotInstalled(Exception):
    """Something that the FHIR server needs is missing; the argument is a sentence with a remedy."""


def install() -> None:
    """Install the locked packages, unless they are there; raises NotInstalled."""
    if is_installed():
        return
    npm = shutil.which("npm")
    if npm is None:
        raise NotInstalled(
            "npm is not on this machine: install Node.js, which brings it, "
            "or use the sandbox of docker-compose.yml"
        )
    print("Installing the FHIR server (about 300 MB, once) …", flush=True)
    command = [npm, "ci", "--loglevel=error"]
    try:
        run = subprocess.run(command, cwd=FOLDER, check=False, timeout=_INSTALL_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise NotInstalled("npm did not finish: is the package registry reachable?") from None
    if run.returncode != 0:
        raise NotInstalled(f"npm could not install what {_LOCK.name} lists; it says why above")


def is_installed() -> bool:
    """Whether the packages that are there are those of the lock file."""
    if not _INSTALLED.is_file():
        return False
    wanted, there = _packages(_LOCK), _packages(_INSTALLED)
    return all(
        there[name] == entry if name in there else entry.get("optional", False)
        for name, entry in wanted.items()
    )


def _packages(lock: Path) -> dict[str, dict[str, Any]]:
    """What a lock file of npm lists, by the folder of each package; nothing for another file."""
    try:
        listed: dict[str, dict[str, Any]] = json.loads(lock.read_bytes())["packages"]
    except (ValueError, KeyError):
        return {}
    return {name: entry for name, entry in listed.items() if name}


def executable() -> str:
    """The node that can run the FHIR server; raises NotInstalled when there is none."""
    candidates = [str(path) for path in FOLDER.glob("node_modules/node-*/bin/node")]
    if found := shutil.which("node"):
        candidates.append(found)
    versions = {path: version for path in candidates if (version := _version(path))}
    for path, version in versions.items():
        if _is_new_enough(version):
            return path
    here = ", ".join("{}.{}".format(*version) for version in versions.values())
    raise NotInstalled(
        f"the FHIR server needs {NEEDED}; this machine has {here or 'none'}: install a newer one, "
        "or use the sandbox of docker-compose.yml"
    )


def _version(path: str) -> tuple[int, int] | None:
    try:
        run = subprocess.run(
            [path, "--version"], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(r"v(\d+)\.(\d+)", run.stdout)
    return (int(found[1]), int(found[2])) if found else None


def _is_new_enough(version: tuple[int, int]) -> bool:
    return (22, 18) <= version < (23, 0) or version >= (24, 2)
