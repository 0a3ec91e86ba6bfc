"""`python -m bench`: how much longer a call takes than doing nothing, in one run."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

from bench import bodies, servers
from bench.load import Effort, Target, status
from bench.measure import Measured, Spread, over_http, without_http
from cds_service import config
from cds_service.data import plan_library
from cds_service.hooks.service import HookService

if TYPE_CHECKING:
    from collections.abc import Iterator

_COLUMNS = (
    "body", "bytes", "cards", "service ms", "p99", "do-nothing ms", "p99", "ratio",
    "decode ms", "call ms", "call/decode",
)  # fmt: skip


def main() -> None:
    chosen = _arguments()
    effort = Effort(chosen.requests, chosen.repetitions, chosen.connections)
    settings = config.from_environment()
    hooks = HookService(plan_library.load(settings.plans))
    with (
        servers.running(*servers.SERVICE) as service,
        servers.running(*servers.DO_NOTHING) as nothing,
    ):
        measured = list(_measure(hooks, service, nothing, effort, chosen.only))
    if not measured:
        raise SystemExit("no body could be measured")
    about: dict[str, Any] = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "workers": settings.workers,
        "threads": settings.threads,
        **asdict(effort),
    }
    if chosen.json:
        print(json.dumps({"about": about, "bodies": [asdict(item) for item in measured]}, indent=2))
    else:
        print(_table(measured))
        print(", ".join(f"{name} {value}" for name, value in about.items()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--requests", type=int, default=60, help="requests of one repetition")
    parser.add_argument("--repetitions", type=int, default=9, help="repetitions of each body")
    parser.add_argument("--connections", type=int, default=1, help="connections at the same time")
    parser.add_argument("--only", default="", help="only bodies whose name holds this text")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args()


def _measure(
    hooks: HookService, service: str, nothing: str, effort: Effort, only: str
) -> Iterator[Measured]:
    offered = {item["hook"]: item for item in _discovery(service)}
    large = bodies.large(offered["patient-view"].get("prefetch", {}))
    for body in (*bodies.examples(), large):
        entry = offered.get(body.hook)
        if only not in body.name or entry is None:
            continue
        path = f"/cds-services/{entry['id']}"
        code, _ = status(Target(service, path), body.content)
        if code != 200:
            print(f"{body.name}: not measured, the service answers {code}", file=sys.stderr)
            continue
        ours, theirs, ratio = over_http(
            Target(service, path), Target(nothing, path), body.content, effort
        )
        decode_ms, call_ms, cards = without_http(hooks, entry["id"], body, effort)
        yield Measured(
            name=body.name,
            size=len(body.content),
            cards=cards,
            service=ours,
            nothing=theirs,
            ratio=ratio,
            decode_ms=decode_ms,
            call_ms=call_ms,
            call_per_decode=call_ms.median / decode_ms.median,
        )


def _discovery(address: str) -> list[dict[str, Any]]:
    connection = HTTPConnection(address, timeout=30)
    try:
        connection.request("GET", "/cds-services")
        services: list[dict[str, Any]] = json.load(connection.getresponse())["services"]
        return services
    finally:
        connection.close()


def _table(measured: list[Measured]) -> str:
    rows = [_COLUMNS, *(_row(item) for item in measured)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def _row(item: Measured) -> tuple[str, ...]:
    return (
        item.name,
        str(item.size),
        str(item.cards),
        _shown(item.service.ms),
        f"{item.service.p99_ms:.2f}",
        _shown(item.nothing.ms),
        f"{item.nothing.p99_ms:.2f}",
        _shown(item.ratio),
        f"{item.decode_ms.median:.3f}",
        f"{item.call_ms.median:.3f}",
        f"{item.call_per_decode:.1f}",
    )


def _shown(value: Spread) -> str:
    return f"{value.median:.2f} [{value.low:.2f}-{value.high:.2f}]"


if __name__ == "__main__":
    main()
