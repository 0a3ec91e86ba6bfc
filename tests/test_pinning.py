"""What is installed is what was locked: one version and its hashes for every library (K2)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
LOCKED = ("run.txt", "test.txt", "audit.txt", "advisories.txt")


@pytest.mark.requirement("K2")
@pytest.mark.parametrize("name", LOCKED)
def test_every_library_has_one_version_and_a_hash(name):
    text = (REPOSITORY / "requirements" / name).read_text(encoding="utf-8")
    entries = re.findall(r"^([a-zA-Z0-9].*(?:\n +--hash=.*)*)", text, flags=re.MULTILINE)
    assert entries
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._\[\],-]+==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry


@pytest.mark.requirement("K2")
@pytest.mark.parametrize("target", ["setup", "run"])
def test_make_installs_nothing_without_its_hash(target):
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    assert f"\n{target}:" in makefile
    installs = [line for line in makefile.splitlines() if "pip install" in line and " -r " in line]
    assert installs
    assert all("--require-hashes" in line for line in installs)


@pytest.mark.requirement("K1")
def test_a_library_that_could_not_be_looked_up_is_no_library_without_holes():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    (command,) = re.findall(r"^\t\S+/pip-audit (.*)$", makefile, flags=re.MULTILINE)
    assert {"--strict", "--require-hashes", "requirements/run.txt"} <= set(command.split())
