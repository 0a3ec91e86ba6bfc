"""`python -m bench.throughput`: answers per second with wrk, beside a handler that does nothing.

Both servers run under the same gunicorn settings and get the same body of 100 Observations, in
turns. Needs wrk (https://github.com/wg/wrk) on the path.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

from bench import bodies, servers, wrk
from bench.load import Target, status
from bench.measure import Spread, spread
from bench.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECTIONS = (1, 8, 32)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of wrk; `cpu_ms` is what the server's processes used for each answer."""

    per_second: float
    p50_ms: float
    p99_ms: float
    failed: int
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class Side:
    """One server at one number of connections, over all rounds."""

    per_second: Spread
    p50_ms: Spread
    p99_ms: Spread
    cpu_ms: Spread
    failed: int


@dataclass(frozen=True, slots=True)
class Row:
    """`throughput` is service / do-nothing and `cpu` do-nothing / service, round by round."""

    connections: int
    service: Side
    nothing: Side
    throughput: Spread
    cpu: Spread


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.throughput", description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="of one run")
    parser.add_argument("--rounds", type=int, default=5, help="of both servers in turns")
    parser.add_argument("--connections", type=int, nargs="*", default=CONNECTIONS)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    chosen = parser.parse_args()
    with (
        servers.started(*servers.SERVICE) as service,
        servers.started(*servers.DO_NOTHING) as nothing,
    ):
        path, body = _prepared(service)
        rows = [
            _row(
                count,
                [
                    tuple(_run(each, path, body, count, chosen.seconds) for each in both)
                    for both in [(service, nothing)] * chosen.rounds
                ],
            )
            for count in chosen.connections
        ]
    if chosen.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return
    columns = ("connections", "server", "answers/s", "p50 ms", "p99 ms", "CPU ms", "failed")
    print(table(columns, [line for row in rows for line in _lines(row)]))
    for row in rows:
        print(f"{row.connections} connections: throughput ratio {_cell(row.throughput)}, "
              f"by CPU time {_cell(row.cpu)}")  # fmt: skip


def _prepared(service: servers.Running) -> tuple[str, bytes]:
    """The path of the patient-view service, and the body."""
    connection = HTTPConnection(service.address, timeout=30)
    connection.request("GET", "/cds-services")
    offered = json.load(connection.getresponse())["services"]
    connection.close()
    entry = next(item for item in offered if item["hook"] == "patient-view")
    body = bodies.large(entry.get("prefetch", {})).content
    path = f"/cds-services/{entry['id']}"
    code, _ = status(Target(service.address, path), body)
    if code != 200:
        raise SystemExit(f"the service answers {code} to the body of this measurement")
    return path, body


def _run(server: servers.Running, path: str, body: bytes, connections: int, seconds: int) -> Run:
    before = servers.cpu_seconds(server.process_id)
    tally = wrk.post(Target(server.address, path), body, connections, seconds)
    used = servers.cpu_seconds(server.process_id) - before
    answers = len(tally.ms.get(200, ()))
    return Run(
        tally.per_second(),
        tally.percentile_ms(50),
        tally.percentile_ms(99),
        sum(tally.statuses().values()) - answers + tally.cut,
        used / max(answers, 1) * 1e3,
    )


def _row(connections: int, rounds: list[Any]) -> Row:
    ours, theirs = zip(*rounds, strict=True)
    return Row(
        connections,
        _side(ours),
        _side(theirs),
        spread([one.per_second / other.per_second for one, other in rounds]),
        spread([other.cpu_ms / one.cpu_ms for one, other in rounds]),
    )


def _side(runs: tuple[Run, ...]) -> Side:
    return Side(
        spread([run.per_second for run in runs]),
        spread([run.p50_ms for run in runs]),
        spread([run.p99_ms for run in runs]),
        spread([run.cpu_ms for run in runs]),
        sum(run.failed for run in runs),
    )


def _lines(row: Row) -> Iterator[tuple[str, ...]]:
    for name, side in (("service", row.service), ("do-nothing", row.nothing)):
        cells = (side.per_second, side.p50_ms, side.p99_ms, side.cpu_ms)
        yield str(row.connections), name, *map(_cell, cells), str(side.failed)


def _cell(value: Spread) -> str:
    return f"{value.median:.2f} [{value.low:.2f}-{value.high:.2f}]"


if __name__ == "__main__":
    main()
