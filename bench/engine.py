"""`python -m bench.engine`: how many times the parsing of a body the engine takes for it.

The measure is `orjson.loads` of the same body. `apply` is the engine alone, `call` is
`HookService.call` on the decoded body: checking, prefetch, engine, cards.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import process_time_ns
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from bench import bodies
from bench.measure import Spread, spread
from bench.tables import table
from cds_service import fhir_json
from cds_service.data import plan_library
from cds_service.engine import Situation, apply
from cds_service.hooks import service as hook_service
from cds_service.hooks.service import HookService

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
PLANS = Path("plan_definitions")
SIZES = (100, 1_000, 5_000, 20_000)
_DECISION = UUID("00000000-0000-4000-8000-000000000000")
_MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Row:
    """One size of chart; all but `parse_ms` are multiples of the parse time, round by round."""

    observations: int
    size: int
    parse_ms: Spread
    apply: Spread
    call: Spread
    decode: Spread


@dataclass(frozen=True, slots=True)
class Loading:
    """Reading and compiling all shipped guidelines, and what a process needs for that."""

    seconds: Spread
    memory_mb: float
    memory_before_mb: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=15, help="rounds of everything in turn")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="Observations")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    chosen = parser.parse_args()
    library = plan_library.load(PLANS)
    traced = plan_library.load(PLANS, traced=True)
    # As in a worker, garbage collection does not walk the compiled guidelines again and again.
    gc.collect()
    gc.freeze()
    rows = [_measure(HookService(library), size, chosen.repetitions) for size in chosen.sizes]
    explained = _explained(library, traced, chosen.repetitions)
    loading = _loading(chosen.repetitions)
    if chosen.json:
        found = {"rows": [asdict(row) for row in rows], "explain": asdict(explained),
                 "loading": asdict(loading)}  # fmt: skip
        print(json.dumps(found, indent=2))
        return
    columns = ("Observations", "bytes", "parse ms", "apply / parse", "call / parse",
               "decode / parse")  # fmt: skip
    print(table(columns, [_shown(row) for row in rows]))
    print(f"explain on / off: {_cell(explained)}")
    print(f"loading and compiling: {_cell(loading.seconds)} s of CPU time")
    print(f"memory: {loading.memory_mb:.0f} MB with the guidelines, "
          f"{loading.memory_before_mb:.0f} MB with the modules alone")  # fmt: skip


def _shown(row: Row) -> tuple[str, ...]:
    measured = (row.parse_ms, row.apply, row.call, row.decode)
    return str(row.observations), str(row.size), *(_cell(value) for value in measured)


def _cell(value: Spread) -> str:
    return f"{value.median:.2f} [{value.low:.2f}-{value.high:.2f}]"


def _patient_view(hooks: HookService) -> Any:
    return next(item for item in hooks.library.services.values() if item.hook == "patient-view")


def _body(hooks: HookService, observations: int) -> bodies.Body:
    templates = {item.key: item.query for item in _patient_view(hooks).requirements}
    return bodies.large(templates, observations)


def situation_of(hooks: HookService, message: Any) -> tuple[Any, Situation]:
    """What a call hands to the engine for this message: the plan and the situation."""
    seen: list[tuple[Any, Situation]] = []

    def watched(plan: Any, situation: Situation) -> Any:
        seen.append((plan, situation))
        return apply(plan, situation)

    original, hook_service.apply = hook_service.apply, watched
    try:
        _call(hooks, message)
    finally:
        hook_service.apply = original
    return seen[0]


def _call(hooks: HookService, message: Any) -> Any:
    service = _patient_view(hooks)
    return hooks.call(service.id, message, now=NOW, decision_id=_DECISION)


def _measure(hooks: HookService, observations: int, repetitions: int) -> Row:
    body = _body(hooks, observations)
    message = fhir_json.decode(body.content)
    plan, situation = situation_of(hooks, message)
    runs = max(2_000 // observations, 1)
    parse, engine, call, decode = [], [], [], []
    for _ in range(repetitions):
        base = _best(lambda: orjson.loads(body.content), runs)
        parse.append(base / 1e6)
        engine.append(_best(lambda: apply(plan, situation), runs) / base)
        call.append(_best(lambda: _call(hooks, message), runs) / base)
        decode.append(_best(lambda: fhir_json.decode(body.content), runs) / base)
    return Row(
        observations, len(body.content), spread(parse), spread(engine), spread(call), spread(decode)
    )


def _explained(library: Any, traced: Any, repetitions: int) -> Spread:
    """How many times the engine takes with explain on, for the chart of 100 Observations."""
    pairs = []
    for loaded in (library, traced):
        hooks = HookService(loaded)
        message = fhir_json.decode(_body(hooks, 100).content)
        pairs.append(situation_of(hooks, message))
    ratios = []
    for _ in range(repetitions):
        off, on = (_best(lambda pair=pair: apply(*pair), 20) for pair in pairs)
        ratios.append(on / off)
    return spread(ratios)


def _best(work: Callable[[], object], runs: int) -> int:
    """The shortest of a few runs, in nanoseconds of CPU time: what else runs can only lengthen it.

    Without garbage collection, which falls on whoever is running when it is due.
    """
    times = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(runs):
            start = process_time_ns()
            work()
            times.append(process_time_ns() - start)
    finally:
        gc.enable()
    return min(times)


_IN_A_WORKER = """
import os, time
from pathlib import Path
from cds_service.web import server
from cds_service.data import plan_library
from cds_service.hooks.service import HookService
def resident():
    statm = Path("/proc/self/statm")
    pages = int(statm.read_text().split()[1]) if statm.exists() else 0
    return pages * os.sysconf("SC_PAGE_SIZE")
before = resident()
start = time.process_time()
hooks = HookService(plan_library.load(Path("plan_definitions")))
print(time.process_time() - start, before, resident())
"""


def _loading(repetitions: int) -> Loading:
    """In fresh processes, as a worker starts."""
    seconds, before, after = [], [], []
    for _ in range(min(repetitions, 5)):
        answer = subprocess.run(
            [sys.executable, "-c", _IN_A_WORKER], capture_output=True, text=True, check=True
        )
        taken, modules, loaded = answer.stdout.split()
        seconds.append(float(taken))
        before.append(int(modules) / _MEGABYTE)
        after.append(int(loaded) / _MEGABYTE)
    return Loading(spread(seconds), spread(after).median, spread(before).median)


if __name__ == "__main__":
    main()
