"""A real nginx with the server blocks of an example, as a process of this user."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
"""Folders of its own in which nginx keeps what does not fit into its memory."""
_UP_WITHIN_S = 20


def free_port() -> int:
    """A port of loopback that nobody listens on just now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def adapted(example: Path, replaced: Mapping[str, str]) -> str:
    """The text of the example with each pattern replaced, which stands there once."""
    text = example.read_text(encoding="utf-8")
    for pattern, by in replaced.items():
        text, count = re.subn(pattern, by, text)
        assert count == 1, f"the example has {count} of {pattern}"
    return text


@contextmanager
def running(folder: Path, servers: str, port: int) -> Iterator[None]:
    """nginx with these server blocks, once `port`, which is one of theirs, is open."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed")
    temporary = "".join(f"{name}_temp_path {folder}/{name};\n" for name in TEMPORARY)
    user = "user root;\n" if os.geteuid() == 0 else ""
    whole = folder / "nginx.conf"
    whole.write_text(
        f"daemon off;\n{user}worker_processes 1;\npid {folder}/pid;\n"
        f"error_log {folder}/error.log;\nevents {{}}\n"
        f"http {{\naccess_log {folder}/access.log;\n{temporary}{servers}\n}}\n"
    )
    with (folder / "said").open("w") as said:
        process = subprocess.Popen([program, "-c", whole], stdout=said, stderr=said)
    try:
        end = time.monotonic() + _UP_WITHIN_S
        while not _is_open(port) and time.monotonic() < end:
            assert process.poll() is None, (folder / "said").read_text()
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(timeout=15)


def _is_open(port: int) -> bool:
    with socket.socket() as knocking:
        return knocking.connect_ex(("127.0.0.1", port)) == 0
