"""Runs wrk (https://github.com/wg/wrk), a load client that leaves the machine to the service.

At 600 requests a second it takes an eighth of a core, where threads of Python take a whole one.
The only user of wrk; `post.lua` is the script that it runs.
"""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from itertools import chain, repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bench.traffic import Tally

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.load import Target

_SCRIPT = Path(__file__).with_name("post.lua")


def post(
    target: Target,
    body: bytes | Sequence[bytes],
    connections: int,
    seconds: float,
    per_second: float | None = None,
) -> Tally:
    """What comes back within some time: at a pace, or as fast as requests are answered.

    Of several bodies each connection has one, in turns.
    At a pace each connection has its moments and skips those that pass while it waits, as
    `Traffic` does. A request under way at the end does not count, unless it waited for 10 s.

    Raises:
        SystemExit: wrk is not there, or failed.
    """
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not on the path: install it, for instance with apt-get")
    interval_ms = 1000 * connections / per_second if per_second else 0
    with TemporaryDirectory() as folder:
        files = []
        for number, content in enumerate([body] if isinstance(body, bytes) else body):
            files.append(Path(folder, str(number)))
            files[-1].write_bytes(content)
        ended = subprocess.run(
            ["wrk", f"-t{connections}", f"-c{connections}", f"-d{max(round(seconds), 1)}s",
             "--timeout", "10s", "-s", str(_SCRIPT), f"http://{target.address}{target.path}",
             "--", str(interval_ms), str(connections), *map(str, files)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if ended.returncode:
        raise SystemExit(f"wrk ended with {ended.returncode}: {ended.stderr}")
    return _tally(ended.stdout.splitlines())


def _tally(lines: list[str]) -> Tally:
    """What the script told; wrk's own report stands around it."""
    times: dict[int, Counter[int]] = {}
    tally = Tally()
    for kind, *values in (line.split() for line in lines if line):
        if kind == "answers":
            status, tenths, count = map(int, values)
            times.setdefault(status, Counter())[tenths] += count
        elif kind == "sums":
            tally.cut, tally.refused, tally.unhinted = map(int, values[:3])
            tally.seconds, tally.client_cpu_s = map(float, values[3:])
    for status, counts in times.items():
        each = (repeat(tenths / 10, count) for tenths, count in counts.items())
        tally.ms[status] = list(chain.from_iterable(each))
    return tally
