"""What is acknowledged is on the disk: under kills, on a full disk, and seen from the kernel."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys

import pytest

from bench import feedback_durability


@pytest.mark.slow
@pytest.mark.requirement("B1")
def test_killed_workers_lose_double_and_invent_nothing(tmp_path):
    found = feedback_durability.run(tmp_path, messages=400, kill_every_s=0.7)
    assert found.kills > 0
    assert found.is_good, found


ACKNOWLEDGE = """
import os, sys
from datetime import UTC, datetime
from cds_service.store import FeedbackItem, Sender, Store
store, at = Store(sys.argv[1]), datetime(2024, 6, 1, tzinfo=UTC)
store.prepare()
for number in range(100):
    item = FeedbackItem(f"card-{number}", "overridden", at)
    store.add_feedback(Sender("s"), [item], received=at)
    os.write(1, b"acknowledged")
"""


@pytest.mark.slow
@pytest.mark.requirement("B2")
def test_the_disk_is_synchronised_before_each_acknowledgement(tmp_path):
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    calls = tmp_path / "calls"
    program = [sys.executable, "-c", ACKNOWLEDGE, f"sqlite:///{tmp_path}/cds.sqlite3"]
    trace = ["strace", "-f", "-o", str(calls), "-e", "trace=fsync,fdatasync,write"]
    subprocess.run([*trace, *program], check=True, capture_output=True, timeout=120)
    synchronised = acknowledged = 0
    is_synchronised = False
    for line in calls.read_text().splitlines():
        if "fdatasync(" in line or "fsync(" in line:
            is_synchronised = True
        elif '"acknowledged"' in line:
            acknowledged += 1
            synchronised += is_synchronised
            is_synchronised = False
    assert (acknowledged, synchronised) == (100, 100)


FILL = """
import resource, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from cds_service.errors import StoreUnavailable
from cds_service.store import Decision, FeedbackItem, Sender, Store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path, at = Path(sys.argv[1]), datetime(2024, 6, 1, tzinfo=UTC)
store = Store(f"sqlite:///{path}")
store.prepare()
none = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, none[1]))
kept = 0
def add(number):
    item = FeedbackItem(f"card-{number}", "overridden", at, comment="x" * 10_000)
    store.add_feedback(Sender("s"), [item], received=at)
try:
    while kept < 1000:
        add(kept)
        kept += 1
except StoreUnavailable:
    pass
taken = store.record(Decision("d", at, "s", "h", "core", "r", "i", (), {}, 1.0))
print(kept, taken, any(store.problem() for _ in range(500)))
resource.setrlimit(resource.RLIMIT_FSIZE, none)
add(kept)
print(store.problem() is None, store.flush())
"""


@pytest.mark.slow
@pytest.mark.requirement("B3")
def test_on_a_full_disk_nothing_is_acknowledged_and_it_heals(tmp_path):
    path = tmp_path / "cds.sqlite3"
    program = [sys.executable, "-c", FILL, str(path)]
    ended = subprocess.run(program, check=True, capture_output=True, text=True, timeout=120)
    kept, taken, is_told, is_healed, is_recorded = ended.stdout.split()
    assert 0 < int(kept) < 1000
    assert (taken, is_told) == ("True", "True")
    assert (is_healed, is_recorded) == ("True", "True")
    with sqlite3.connect(path) as database:
        assert database.execute("select count(*) from feedback").fetchone() == (int(kept) + 1,)
    database.close()
