"""`python -m bench.simulation`: visits a second of a simulation, beside the calls it makes.

The cohort is the example patients many times over, each with one visit on one day. `alone` is
`cds-service simulate` in one process, `cores` the same with one process for each core, both from
the files on disk to the judgements. `calls` are the very `HookService.call`s of that simulation in
a loop, with their requests ready: the least that it can take in one process.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from bench.measure import Spread, spread
from bench.tables import table
from cds_service.data import plan_library
from cds_service.hooks.service import HookService
from cds_service.simulation import cohort as cohorts
from cds_service.simulation import local_engine, visits
from cds_service.simulation.evaluation import Judge, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cds_service.data.plan_library import PlanLibrary

PATIENTS = Path("examples/patients")
PLANS = Path("plan_definitions")
_ZONE = ZoneInfo("UTC")
_DAY = visits.end_of_day(date(2024, 6, 1), _ZONE)


class _Recorder(HookService):
    """A hook service that remembers what it was asked."""

    def __init__(self, library: PlanLibrary) -> None:
        super().__init__(library)
        self.asked: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def call(self, *positional: Any, **named: Any) -> Any:
        self.asked.append((positional, named))
        return super().call(*positional, **named)


@dataclass(frozen=True, slots=True)
class Found:
    """Visits a second of each way, and how many times the calls alone the simulation takes."""

    visits: int
    calls: int
    alone: Spread
    cores: Spread
    loop: Spread
    alone_per_loop: Spread


def main() -> None:
    chosen = _arguments()
    with TemporaryDirectory() as folder:
        _write_cohort(Path(folder), chosen.copies)
        found = measured(Path(folder), chosen.rounds)
    if chosen.json:
        print(json.dumps(asdict(found), indent=2))
        return
    columns = ("", "visits a second", "quartiles")
    rows = [_row(name, getattr(found, name)) for name in ("alone", "cores", "loop")]
    print(table(columns, rows))
    ratio = found.alone_per_loop
    print(f"{found.visits} visits, {found.calls} calls, {os.cpu_count()} cores")
    print(f"alone / loop: {ratio.median:.2f} ({ratio.low:.2f}, {ratio.high:.2f})")


def measured(folder: Path, rounds: int) -> Found:
    """Each way in turns, so that what disturbs the machine disturbs all of them."""
    library = plan_library.load(PLANS)
    recorder, hooks = _Recorder(library), HookService(library)
    scope = Scope(_ZONE, b"a key for the bench", visits.Period(), on=_DAY)
    _simulate(Judge(recorder, scope), folder, 1)
    judge, patients = Judge(hooks, scope), _simulate(Judge(hooks, scope), folder, 1)
    times: dict[str, list[float]] = {"alone": [], "cores": [], "loop": []}
    for _ in range(rounds):
        times["alone"].append(_seconds(lambda: _simulate(judge, folder, 1)))
        times["cores"].append(_seconds(lambda: _simulate(judge, folder, os.cpu_count() or 1)))
        times["loop"].append(_seconds(lambda: _repeat(hooks, recorder.asked)))
    rates = {name: spread([patients / each for each in taken]) for name, taken in times.items()}
    ratios = [one / other for one, other in zip(times["alone"], times["loop"], strict=True)]
    return Found(patients, len(recorder.asked), **rates, alone_per_loop=spread(ratios))


def _simulate(judge: Judge, folder: Path, workers: int) -> int:
    """The number of patients, each of whom has one visit."""
    cohort = cohorts.index(cohorts.files_of(folder), judge.kinds)
    return len(local_engine.judge_all(judge, cohort, workers=workers, note=lambda _: None))


def _repeat(hooks: HookService, asked: Sequence[tuple[tuple[Any, ...], dict[str, Any]]]) -> None:
    for positional, named in asked:
        hooks.call(*positional, **named)


def _seconds(work: Callable[[], object]) -> float:
    begun = perf_counter()
    work()
    return perf_counter() - begun


def _write_cohort(folder: Path, copies: int) -> None:
    """The example patients, `copies` times, each copy under ids of its own."""
    for path in sorted(PATIENTS.glob("*.json")):
        text = path.read_text(encoding="utf-8")
        for number in range(copies):
            name = f"{path.stem}-{number}"
            (folder / f"{name}.json").write_text(text.replace(path.stem, name), encoding="utf-8")


def _row(name: str, rate: Spread) -> tuple[str, str, str]:
    return name, f"{rate.median:.0f}", f"{rate.low:.0f}-{rate.high:.0f}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.simulation", description=__doc__)
    parser.add_argument("--copies", type=int, default=25, help="of each example patient")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
