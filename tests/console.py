"""The shell blocks of a page, run for real: `$ ` starts a command, what follows is what it prints.

An ellipsis `…` stands for any text, alone on a line for any lines. Ids may be any UUID. The address
of the documents, http://127.0.0.1:8080, becomes the one where the service of the test answers.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).parent.parent
COMMAND = Path(sys.executable).with_name("cds-service")
DOCUMENTED = "127.0.0.1:8080"
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ANYTHING = {"…": r"[^\n]*", "<lines>": r"(?:[^\n]*(?:\n|\Z))*?", "<uuid>": _UUID.pattern}


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a page and the output that the page shows for it."""

    page: str
    line: int
    command: str
    shown: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def steps(page: Path) -> Iterator[Step]:
    """The commands of a page, in its order."""
    text = page.read_text()
    for block in _BLOCK.finditer(text):
        line = text.count("\n", 0, block.start()) + 2
        for part in re.split(r"^\$ ", block[1], flags=re.MULTILINE):
            if part:
                command, shown = _parted(part)
                yield Step(page.name, line, command, shown)
            line += part.count("\n")


def _parted(part: str) -> tuple[str, str]:
    """The command, over several lines when they end with a backslash, and the output below it."""
    lines = part.split("\n")
    last = next(index for index, line in enumerate(lines) if not line.endswith("\\"))
    return "\n".join(lines[: last + 1]), "\n".join(lines[last + 1 :]).strip("\n")


def workplace(folder: Path) -> Path:
    """A copy of what commands read and change, as a clone has it, with the command installed."""
    for name in ("plan_definitions", "examples"):
        shutil.copytree(REPOSITORY / name, folder / name)
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "cds-service").symlink_to(COMMAND)
    return folder


def printed(step: Step, folder: Path, address: str) -> str:
    """What the command prints in `folder` on both streams; `address` is told as the documents'."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CDS_")}
    environment = {
        "PATH": f"{COMMAND.parent}:{os.environ['PATH']}",
        "CDS_PLANS": str(folder / "plan_definitions"),
    }
    run = subprocess.run(
        ["bash", "-c", step.command.replace(DOCUMENTED, address)],
        cwd=folder,
        env={**clean, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,  # other pages run at the same time
        check=False,
    )
    return run.stdout.replace(address, DOCUMENTED).strip("\n")


def is_as_shown(step: Step, output: str) -> bool:
    """Whether the output is what the page shows."""
    return re.fullmatch(_pattern(step.shown), output) is not None


def _pattern(shown: str) -> str:
    """An ellipsis is any text; alone on a line, any number of lines."""
    lines = re.sub(r"^ *…(?:\n|\Z)", "<lines>", _UUID.sub("<uuid>", shown), flags=re.MULTILINE)
    return "".join(
        _ANYTHING.get(part, re.escape(part)) for part in re.split("(<lines>|<uuid>|…)", lines)
    )
