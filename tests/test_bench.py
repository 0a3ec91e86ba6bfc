"""The measurement runs: no time and no ratio is asserted."""

from __future__ import annotations

import json
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
