"""The measurement runs: no time and no ratio is asserted."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent


@pytest.mark.slow
def test_it_measures_the_service_beside_the_do_nothing_handler():
    tiny = ["--requests", "2", "--repetitions", "1", "--only", "made", "--json"]
    run = subprocess.run(
        [sys.executable, "-m", "bench", *tiny], cwd=REPOSITORY, capture_output=True, check=False
    )
    assert run.returncode == 0, run.stderr.decode()

    (body,) = json.loads(run.stdout)["bodies"]
    assert 90_000 < body["size"] < 100_000
    assert body["cards"] > 0
    assert body["ratio"]["median"] > 0


@pytest.mark.slow
@pytest.mark.requirement("A8")
def test_a_stop_under_load_cuts_no_request():
    once = ["restarts", "--times", "1", "--seconds", "0.5"]
    run = subprocess.run(
        [sys.executable, "-m", "bench.under_load", *once],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    found = dict(line.rsplit("  ", 1) for line in run.stdout.splitlines() if "missed" not in line)
    said = {name.strip(): value.strip() for name, value in found.items()}
    assert said["requests cut"] == "0", run.stdout + run.stderr
    assert said["other statuses"] == "[]"
    assert int(said["requests answered"]) > 0


@pytest.mark.slow
@pytest.mark.requirement("A6")
@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not on the path")
def test_overload_is_answered_or_refused_with_a_hint():
    small = ["overload", "--seconds", "4", "--connections", "24"]
    run = subprocess.run(
        [sys.executable, "-m", "bench.under_load", *small],
        cwd=REPOSITORY,
        env=os.environ | {"CDS_QUEUE": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line.rsplit("  ", 1) for line in run.stdout.replace("   <- missed", "").splitlines()]
    found = {name.strip(): value.strip() for name, value in said}
    assert found["503 without Retry-After"] == "0", run.stdout + run.stderr
    assert found["requests without an answer"] == "0"
    assert found["processes alive"] == "2"
    assert set(ast.literal_eval(found["statuses"])) <= {200, 503}
