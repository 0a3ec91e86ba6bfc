"""`python -m bench.under_load NAME`: the service under load and faults, against stated goals.

Each scenario starts a service of its own, prints what it measured, and ends with exit code 1 when
a goal is missed. Durations are arguments; the goals are those of the risks in brackets.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeAlias

from bench import bodies, wrk
from bench.hanging import HangingServers
from bench.instance import started
from bench.load import Target, status
from bench.slow_wires import SlowWires
from bench.traffic import Traffic, behind, for_seconds
from cds_service import fhir_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bench.traffic import Tally

Found: TypeAlias = list[tuple[str, Any, bool]]
"""Per line of the report: what was measured, its value, and whether that meets its goal."""

PATH = "/cds-services/low-back-pain-patient-view"
_HEAD = b"POST /cds-services/x HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
_CALLERS = 8
_WARM_UP_S = 3


def overload(chosen: argparse.Namespace) -> Found:
    """3 x capacity (A6): goodput at least 80 % of peak, 503 within 50 ms, back within 10 s."""
    body = _body()
    with started() as service:
        target = Target(service.address, PATH)
        wrk.post(target, body, _CALLERS, _WARM_UP_S)
        used = [service.cpu_seconds()]
        peak = wrk.post(target, body, _CALLERS, chosen.seconds / 4)
        used.append(service.cpu_seconds())
        pace = 3 * peak.per_second()
        loaded = wrk.post(target, body, chosen.connections, chosen.seconds, pace)
        used.append(service.cpu_seconds())
        processes, memory = len(service.workers()), service.resident_mb()
        time.sleep(1)
        after = wrk.post(target, body, _CALLERS, min(chosen.seconds / 4, 10))
    took = used[1] - used[0], used[2] - used[1]
    runs = peak, loaded
    had = [cpu / run.seconds for cpu, run in zip(took, runs, strict=True)]
    each = [1000 * cpu / len(run.ms[200]) for cpu, run in zip(took, runs, strict=True)]
    share = loaded.per_second() / peak.per_second()
    asked = sum(map(len, loaded.ms.values())) / loaded.seconds
    return [
        ("peak, answers per second", round(peak.per_second()), True),
        ("peak, p95 ms", round(peak.p95_ms()), True),
        ("asked per second under load", round(asked), asked > 2.5 * peak.per_second()),
        ("goodput under load / peak", round(share, 2), share >= 0.8),
        ("p95 ms of 200 under load", round(loaded.p95_ms()), True),
        ("p95 ms of 503", round(loaded.p95_ms(503)), loaded.p95_ms(503) <= 50),
        ("statuses", loaded.statuses(), set(loaded.ms) <= {200, 503}),
        ("503 without Retry-After", loaded.unhinted, loaded.unhinted == 0),
        ("requests without an answer", loaded.cut, loaded.cut == 0),
        ("processes alive", processes, processes == int(os.environ.get("CDS_WORKERS", "2"))),
        ("memory after, MB", round(memory), True),
        (
            "goodput 1 s after / peak",
            round(after.per_second() / peak.per_second(), 2),
            after.per_second() >= 0.8 * peak.per_second(),
        ),
        ("cores that the clients took: peak, load", _cores(peak, loaded), True),
        ("cores that the service had: peak, load", _rounded(had), True),
        ("its CPU ms for each 200: peak, load", _rounded(each), True),
    ]


def slow_clients(chosen: argparse.Namespace) -> Found:
    """Slow headers and bodies (A7): other clients' p95 at most doubled; closed within 30 s."""
    body = _body()
    with started() as service:
        address = chosen.through or service.address
        target = Target(address, PATH)
        pace = 20.0
        for_seconds(target, body, 4, _WARM_UP_S)
        normal = for_seconds(target, body, 4, chosen.seconds, pace)
        with (
            SlowWires(address, chosen.connections, _HEAD) as heads,
            SlowWires(
                address, chosen.connections, _HEAD + b"Content-Length: 9999\r\n\r\n{"
            ) as tails,
        ):
            loaded = for_seconds(target, body, 4, chosen.seconds, pace)
            end = time.monotonic() + 90
            while heads.still_open + tails.still_open and time.monotonic() < end:
                time.sleep(0.2)
            closed = [*heads.closed_after_s, *tails.closed_after_s]
            open_still = heads.still_open + tails.still_open
    ratio = loaded.p95_ms() / normal.p95_ms()
    return [
        ("p95 ms without slow clients", round(normal.p95_ms(), 1), True),
        ("p95 ms with them", round(loaded.p95_ms(), 1), True),
        ("ratio", round(ratio, 2), ratio <= 2),
        ("statuses", loaded.statuses(), set(loaded.ms) == {200}),
        ("slow connections", 2 * chosen.connections, True),
        ("last one closed after s", round(max(closed, default=0.0)), max(closed, default=0) <= 30),
        ("still open", open_still, open_still == 0),
    ]


def hanging_servers(chosen: argparse.Namespace) -> Found:
    """Half of the calls need FHIR servers that hang (A5): the others: p95 500 ms, 99.9 %."""
    body = _body()
    with (
        HangingServers(chosen.servers) as hanging,
        started(OPEN_FHIR_SERVERS="yes") as service,
        ThreadPoolExecutor(1) as beside,
    ):
        target = Target(service.address, PATH)
        needy = json.loads(body)
        del needy["prefetch"]
        stuck_bodies = [fhir_json.encode(needy | {"fhirServer": base}) for base in hanging.bases]
        wrk.post(target, body, _CALLERS, _WARM_UP_S)
        peak = wrk.post(target, body, _CALLERS, min(chosen.seconds / 4, 10)).per_second()
        pace = chosen.share * peak / 2
        load = chosen.connections, chosen.seconds, pace
        control = wrk.post(target, body, chosen.connections, chosen.seconds / 4, 2 * pace)
        waiting = beside.submit(wrk.post, target, stuck_bodies, *load)
        well = wrk.post(target, body, *load)
        stuck = waiting.result()
        hanging.recover()
        time.sleep(10)
        after = wrk.post(target, body, _CALLERS, min(chosen.seconds / 4, 10), pace / 2)
        again = wrk.post(target, stuck_bodies, chosen.servers, 5, chosen.servers)
    return [
        ("capacity, answers per second", round(peak), True),
        ("each kind asked per second", round(pace), True),
        ("all with their data: share of 200", round(control.share(), 4), control.share() >= 0.999),
        ("all with their data: p95 ms", round(control.p95_ms()), control.p95_ms() <= 500),
        ("with their data: statuses", well.statuses(), True),
        ("with their data: share of 200", round(well.share(), 4), well.share() >= 0.999),
        ("with their data: p95 ms", round(well.p95_ms()), well.p95_ms() <= 500),
        ("server hangs: statuses", stuck.statuses(), set(stuck.ms) <= {200, 412, 503}),
        ("server hangs: without an answer", stuck.cut, stuck.cut == 0),
        ("p95 ms 10 s after", round(after.p95_ms()), after.p95_ms() <= 500),
        (
            "servers asked again 10 s after: statuses",
            again.statuses(),
            again.share(412) >= 0.999,
        ),
        ("the same: p95 ms", round(again.p95_ms(412)), again.p95_ms(412) <= 500),
        ("cores that the clients took", _cores(well, stuck), True),
    ]


def restarts(chosen: argparse.Namespace) -> Found:
    """SIGTERM under load (A8): no request cut, stop within 10 s, ready within 3 s."""
    body = _body()
    stops, starts, cut, answered = [], [], 0, 0
    for _ in range(chosen.times):
        with started() as service:
            starts.append(service.ready_after_s)
            traffic = Traffic(Target(service.address, PATH), body, _CALLERS, fresh=True)
            with traffic:
                time.sleep(chosen.seconds)
                stops.append(service.stop())
            cut += traffic.tally.cut
            answered += len(traffic.tally.ms.get(200, ()))
            others = set(traffic.tally.ms) - {200, 503}
    return [
        ("restarts", chosen.times, True),
        ("requests answered", answered, answered > 0),
        ("requests cut", cut, cut == 0),
        ("other statuses", sorted(others), not others),
        ("slowest stop, s", round(max(stops), 1), max(stops) <= 10),
        ("slowest start to ready, s", round(max(starts), 1), max(starts) <= 3),
    ]


def reloads(chosen: argparse.Namespace) -> Found:
    """New guidelines while serving (A12): no failed call, no answer of two revisions."""
    body = _body()
    with TemporaryDirectory() as folder:
        plans = Path(folder) / "plans"
        shutil.copytree("plan_definitions", plans)
        file = plans / "urgent" / "R01" / "PlanDefinition.json"
        text = file.read_text()
        with started(PLANS=str(plans)) as service:
            seen = {service.get("/ready")["revision"]}
            traffic = Traffic(Target(service.address, PATH), body, _CALLERS, fresh=True)
            with traffic:
                for number in range(chosen.times):
                    version = f'"version": "1.0.{number}"'
                    file.write_text(text.replace('"version": "1.0.0"', version, 1))
                    service.process.send_signal(signal.SIGHUP)
                    time.sleep(chosen.seconds)
                    seen.add(service.get("/ready")["revision"])
            ended = service.get("/ready")
    tally = traffic.tally
    return [
        ("reloads", chosen.times, True),
        ("revisions seen", len(seen), len(seen) >= min(chosen.times, 2)),
        ("requests answered", len(tally.ms.get(200, ())), bool(tally.ms.get(200))),
        ("requests cut", tally.cut, tally.cut == 0),
        ("statuses", tally.statuses(), set(tally.ms) <= {200, 503}),
        ("ready at the end", ended["ready"], ended["ready"]),
    ]


def soak(chosen: argparse.Namespace) -> Found:
    """20 % load for long (A9) with two patients in turns (I1): memory, files and answers stay."""
    content = [body.content for body in bodies.examples() if body.hook == "patient-view"][:2]
    with started() as service:
        target = Target(service.address, PATH)
        peak = for_seconds(target, content[0], _CALLERS, 5).per_second()
        alone = [_cards(status(target, body)[1]) for body in content]
        pace = 0.1 * peak
        traffics = [Traffic(target, body, 2, pace) for body in content]
        memory, files, differences, asked = [], [], 0, 0
        with behind(*traffics):
            time.sleep(min(chosen.seconds / 5, 60))
            end = time.monotonic() + chosen.seconds
            while time.monotonic() < end:
                memory.append(service.resident_mb())
                files.append(service.open_files())
                for body, expected in zip(content, alone, strict=True):
                    asked += 1
                    differences += _cards(status(target, body)[1]) != expected
                time.sleep(chosen.seconds / 100)
    half = len(memory) // 2
    growth = sum(memory[half:]) / len(memory[half:]) - sum(memory[:half]) / half
    statuses = [sorted(traffic.tally.ms) for traffic in traffics]
    return [
        ("seconds", round(chosen.seconds), True),
        ("answers", sum(len(t.tally.ms.get(200, ())) for t in traffics), True),
        ("statuses", statuses, all(found == [200] for found in statuses)),
        ("memory MB, first and last", (round(memory[0], 1), round(memory[-1], 1)), True),
        ("growth from first to second half, MB", round(growth, 2), growth <= 2),
        ("open files, least and most", (min(files), max(files)), max(files) - min(files) <= 12),
        (f"answers that differ from those alone, of {asked}", differences, differences == 0),
    ]


SCENARIOS: dict[str, tuple[Callable[..., Found], dict[str, float]]] = {
    "overload": (overload, {"seconds": 120, "connections": 192}),
    "slow-clients": (slow_clients, {"seconds": 15, "connections": 500}),
    "hanging-servers": (
        hanging_servers,
        {"seconds": 300, "connections": 64, "share": 0.7, "servers": 10},
    ),
    "restarts": (restarts, {"seconds": 1, "times": 20}),
    "reloads": (reloads, {"seconds": 2, "times": 20}),
    "soak": (soak, {"seconds": 3600}),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.under_load", description=__doc__)
    commands = parser.add_subparsers(dest="scenario", required=True)
    for name, (scenario, defaults) in SCENARIOS.items():
        command = commands.add_parser(name, help=(scenario.__doc__ or "").replace("%", "%%"))
        for option, default in defaults.items():
            kind = int if option in {"connections", "servers", "times"} else float
            command.add_argument(f"--{option}", type=kind, default=default)
        command.add_argument("--through", default="", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    found = SCENARIOS[chosen.scenario][0](chosen)
    width = max(len(name) for name, _, _ in found)
    for name, value, is_good in found:
        print(f"{name.ljust(width)}  {value}{'' if is_good else '   <- missed'}")
    raise SystemExit(0 if all(is_good for _, _, is_good in found) else 1)


def _body() -> bytes:
    """A call of usual size that brings its data."""
    return (bodies.EXAMPLES / "patient-view-fever.json").read_bytes()


def _cards(answer: bytes) -> list[tuple[str, str]]:
    """What does not depend on the decision's id."""
    return [(card["summary"], card["detail"]) for card in json.loads(answer)["cards"]]


def _cores(*tallies: Tally) -> tuple[float, ...]:
    """How much of the machine the clients took of the service."""
    return _rounded(tally.client_cores() for tally in tallies)


def _rounded(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(round(value, 2) for value in values)


if __name__ == "__main__":
    main()
