"""`python -m bench.feedback_durability`: feedback while the processes that take it are killed.

Clients send feedback over HTTP, every message another card, and send it again until it is
acknowledged. Meanwhile every worker process gets SIGKILL every few seconds. At the end the database
is compared with what was sent: acknowledged and not there is lost, there twice is doubled, there
and never sent is invented (risk B1).
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATH = "/cds-services/low-back-pain-patient-view/feedback"
_CLIENTS = 4
_FIRST_AFTER_S = 0.1


@dataclass(frozen=True, slots=True)
class Found:
    """What became of the messages; `integrity` is what SQLite says about its file."""

    acknowledged: int
    sent_again: int
    kills: int
    lost: int
    doubled: int
    invented: int
    integrity: str

    @property
    def is_good(self) -> bool:
        return (self.lost, self.doubled, self.invented, self.integrity) == (0, 0, 0, "ok")


def run(folder: Path, *, messages: int, kill_every_s: float) -> Found:
    """Send so many messages to a service in `folder` that loses its workers again and again."""
    done = threading.Event()
    counts = {"again": 0, "kills": 0}
    with _service(folder) as (process, place):
        killer = threading.Thread(target=_kill, args=(process.pid, kill_every_s, done, counts))
        killer.start()
        shares = [range(start, messages, _CLIENTS) for start in range(_CLIENTS)]
        clients = [threading.Thread(target=_send, args=(place, share, counts)) for share in shares]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        done.set()
        killer.join()
    with closing(sqlite3.connect(folder / "cds.sqlite3")) as database:
        stored = [card for (card,) in database.execute("select card from feedback")]
        (integrity,) = database.execute("pragma integrity_check").fetchone()
    sent = {f"card-{number}" for number in range(messages)}
    return Found(
        acknowledged=messages,
        sent_again=counts["again"],
        kills=counts["kills"],
        lost=len(sent - set(stored)),
        doubled=len(stored) - len(set(stored)),
        invented=len(set(stored) - sent),
        integrity=integrity,
    )


@contextmanager
def _service(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    variables = {"CDS_PORT": "0", "CDS_DATABASE_URL": f"sqlite:///{folder}/cds.sqlite3"}
    inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cds_service", "serve"],
            env=inherited | variables,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    try:
        line = next(line for line in process.stdout if "answers at " in line)
        yield process, urlsplit(line.split("answers at ")[1].strip()).netloc
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def _kill(parent: int, every_s: float, done: threading.Event, counts: dict[str, int]) -> None:
    """Soon for the first time, so that few messages are enough."""
    pauses = chain((_FIRST_AFTER_S,), repeat(every_s))
    while not done.wait(next(pauses)):
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        for child in children:
            with suppress(ProcessLookupError):  # it ended by itself
                os.kill(int(child), signal.SIGKILL)
                counts["kills"] += 1


def _send(place: str, numbers: range, counts: dict[str, int]) -> None:
    for number in numbers:
        item = {
            "card": f"card-{number}",
            "outcome": "overridden",
            "outcomeTimestamp": "2024-06-01T10:05:31Z",
        }
        body = json.dumps({"feedback": [item]})
        while not _is_acknowledged(place, body):
            counts["again"] += 1
            time.sleep(0.05)


def _is_acknowledged(place: str, body: str) -> bool:
    try:
        with closing(http.client.HTTPConnection(place, timeout=30)) as connection:
            connection.request("POST", _PATH, body, {"Content-Type": "application/json"})
            return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.feedback_durability")
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--kill-every", type=float, default=2.0, metavar="SECONDS")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = run(Path(folder), messages=chosen.messages, kill_every_s=chosen.kill_every)
    print(found)
    raise SystemExit(0 if found.is_good else 1)


if __name__ == "__main__":
    main()
