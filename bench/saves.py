"""`python -m bench.saves`: how long after a save `serve --reload` shows the new card.

A plan, a plan that gets a new version, and the Library of shared definitions are saved in a copy of
the guidelines; a request is sent every 10 ms until its cards are others. The CPU time is that of
the same save in this process, without the waiting and the requests.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import shutil
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time, sleep
from typing import TYPE_CHECKING

from bench.instance import started
from bench.measure import Spread, spread
from bench.tables import table
from cds_service import config
from cds_service.authoring.followed_library import FollowedLibrary
from cds_service.web import create_app

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PLANS = Path("plan_definitions")
REQUEST = Path("examples/requests/patient-view-cauda-equina.json")
SERVICE = "/cds-services/low-back-pain-patient-view"
_PLAN, _LIBRARY = "urgent/R01/PlanDefinition.json", "shared/Library-lbp-definitions.json"
_ASK_EVERY_S = 0.01
_PATIENCE_S, _PAUSE_S = 60, 2


def _titled(text: str, number: int) -> str:
    """The plan with another sentence on its card."""
    return text.replace('"title": "Possible', f'"title": "{number} Possible')


def _raised(text: str, number: int) -> str:
    """The plan with another sentence, and a higher version."""
    return _titled(text, number).replace('"version": "1.0.0"', f'"version": "1.0.{number}"')


def _defined(text: str, number: int) -> str:
    """The Library with the definition of cauda equina features switched off, and on again."""
    if number % 2:
        return text
    pattern = r'("name": "rfCES",.*?"expression": )"(?:[^"\\]|\\.)*"'
    return re.sub(pattern, r'\1"false"', text, count=1, flags=re.DOTALL)


SAVES: Mapping[str, tuple[str, Callable[[str, int], str]]] = {
    "a plan": (_PLAN, _titled),
    "a plan with a new version": (_PLAN, _raised),
    "a shared Library": (_LIBRARY, _defined),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of save: seconds until the new card, and milliseconds of CPU time."""

    name: str
    seconds: Spread
    cpu_ms: Spread


def measure(times: int) -> list[Row]:
    """Each kind of save this often."""
    with TemporaryDirectory() as folder:
        plans = Path(folder) / "plans"
        shutil.copytree(PLANS, plans)
        seconds = _until_shown(plans, times)
        cpu = _cpu(plans, times)
    return [Row(name, spread(seconds[name]), spread(cpu[name])) for name in SAVES]


def _until_shown(plans: Path, times: int) -> dict[str, list[float]]:
    body = REQUEST.read_bytes()
    found: dict[str, list[float]] = {name: [] for name in SAVES}
    with started(arguments=("--reload",), PLANS=str(plans), WORKERS="1") as instance:
        sleep(1)  # until it watches
        with closing(http.client.HTTPConnection(instance.address, timeout=10)) as connection:
            for name, (file, change) in SAVES.items():
                good = (plans / file).read_text("utf-8")
                for number in range(2, times + 2):
                    sleep(_PAUSE_S)  # nobody saves twice at once
                    before = _cards(connection, body)
                    began = perf_counter()
                    (plans / file).write_text(change(good, number), "utf-8")
                    while _cards(connection, body) == before:
                        if perf_counter() - began > _PATIENCE_S:
                            raise SystemExit(f"{name}: no other card in {_PATIENCE_S} s")
                        sleep(_ASK_EVERY_S)
                    found[name].append(perf_counter() - began)
                (plans / file).write_text(good, "utf-8")
                sleep(1)
    return found


def _cards(connection: http.client.HTTPConnection, body: bytes) -> list[str]:
    connection.request("POST", SERVICE, body, {"Content-Type": "application/json"})
    answer = json.load(connection.getresponse())
    return [card["summary"] for card in answer["cards"]]


def _cpu(plans: Path, times: int) -> dict[str, list[float]]:
    followed = FollowedLibrary(plans)
    store = f"sqlite:///{plans.parent}/saves.sqlite3"
    settings = config.load({"CDS_PLANS": str(plans), "CDS_DATABASE_URL": store})
    found: dict[str, list[float]] = {name: [] for name in SAVES}
    for name, (file, change) in SAVES.items():
        path = plans / file
        good = path.read_text("utf-8")
        for number in range(2, times + 2):
            followed.prepare()
            path.write_text(change(good, number), "utf-8")
            began = process_time()
            followed.take_in([path])
            app = create_app(settings, library=followed.library)
            found[name].append((process_time() - began) * 1000)
            app.extensions["store"].close()
        path.write_text(good, "utf-8")
        followed.take_in([path])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.saves", description=__doc__)
    parser.add_argument("--times", type=int, default=12, help="saves of each kind")
    rows = measure(parser.parse_args().times)
    lines = [
        (row.name, *(f"{value:.2f}" for value in _three(row.seconds)),
         *(f"{value:.0f}" for value in _three(row.cpu_ms)))
        for row in rows
    ]  # fmt: skip
    columns = ("saved", "s to the card", "low", "high", "ms of CPU", "low", "high")
    print(table(columns, lines))
    print("load average", *(f"{value:.1f}" for value in os.getloadavg()), "cpus", os.cpu_count())


def _three(found: Spread) -> tuple[float, float, float]:
    return found.median, found.low, found.high


if __name__ == "__main__":
    main()
