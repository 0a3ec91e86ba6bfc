"""Many patients at once, against a server of several processes: each is answered as alone.

    python -m contract.interleaved 20000 1000      # in tests/; calls, and patients

The charts are the example requests, each patient with days of its own, while the ids of what is
recorded are the same in all of them: what was kept under too narrow a name would come out at
another patient's. One patient of ten is read from a FHIR server that answers after a while, and
every fifth call is broken. What is right is computed in this process, whose hashes have another
order. Not over midnight, because ages and durations change then.
"""

from __future__ import annotations

import json
import random
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from contract.clients import REPOSITORY, client_with, serving
from fhir_stub import FhirStub

from cds_service import fhir_json
from cds_service.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contract.clients import Server

REQUESTS = REPOSITORY / "examples" / "requests"
BROKEN = (b"", b"{", b'{"hook": "patient-view"}', b"\xff", b"[" * 1000)
_DAY = re.compile(r'(?<=")\d{4}-\d{2}-\d{2}')
_READ_FROM_SERVER = 10  # one patient of so many
_BROKEN_CALL = 5  # one call of so many
_TURNED_AWAY = 503
_LONGEST_PAUSE_S = 0.01

Said = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Call:
    """One hook call about one patient."""

    path: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a run: statuses, answers that are not the patient's own, and what was kept."""

    statuses: Counter[int]
    kinds: int
    wrong: tuple[str, ...]
    recorded: int
    logged: int

    @property
    def is_clean(self) -> bool:
        """Every answer was right, and every call left its record and its line in the log."""
        all_calls = sum(count for status, count in self.statuses.items() if status != _TURNED_AWAY)
        is_kept = (self.recorded, self.logged) == (self.statuses[200], all_calls)
        return not self.wrong and is_kept and set(self.statuses) <= {200, 400, 412, _TURNED_AWAY}


def said(status: int, answer: Any) -> Said:
    """Status and cards without what belongs to the one decision."""
    cards = answer.get("cards", [])
    for card in cards:
        for item in (card, *card.get("suggestions", ())):
            item.pop("uuid")
        card["extension"]["org.example.lbp"].pop("decision")
    return status, json.dumps(cards, sort_keys=True)


def patients(count: int, stub: FhirStub) -> list[Call]:
    """So many patients; every tenth one's chart is in the FHIR server and not in the request."""
    examples = list(_examples())
    made = []
    for number in range(count):
        text, hook = examples[number % len(examples)]
        body = json.loads(_moved(text, f"patient-{number}", number % 300))
        if number % _READ_FROM_SERVER == 0:
            stub.resources += _resources(body.pop("prefetch"))
            body["fhirServer"] = stub.base
        made.append(Call(f"/cds-services/low-back-pain-{hook}", body))
    return made


def _examples() -> Iterator[tuple[str, str]]:
    for file in sorted(REQUESTS.glob("*.json")):
        body = json.loads(file.read_text(encoding="utf-8"))
        if "hook" in body and "prefetch" in body:
            yield json.dumps(body), body["hook"]


def _moved(text: str, patient: str, days: int) -> str:
    """The request about another patient, with every day so much earlier."""
    before = json.loads(text)["context"]["patientId"].removeprefix("Patient/")
    renamed = text.replace(f'"{before}"', f'"{patient}"').replace(
        f"Patient/{before}", f"Patient/{patient}"
    )
    earlier = timedelta(days=days)
    return _DAY.sub(lambda day: (date.fromisoformat(day[0]) - earlier).isoformat(), renamed)


def _resources(prefetch: dict[str, Any]) -> list[dict[str, Any]]:
    """What stands in the values of prefetch, each resource once."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for value in prefetch.values():
        for each in fhir_json.resources(value) if value and "entry" in value else (value,):
            if each and each["resourceType"] != "Bundle":
                found[each["resourceType"], each["id"]] = each
    return list(found.values())


def run(folder: Path, calls: int, patient_count: int, *, threads: int = 16) -> Report:
    """Make the calls, and compare every answer with that of its patient alone."""
    setup = {"OPEN_FHIR_SERVERS": "yes", "DATABASE_URL": f"sqlite:///{folder}/calls.sqlite3"}
    with FhirStub() as stub:
        charts = patients(patient_count, stub)
        alone = _alone(folder, charts)
        stub.on_request = lambda: time.sleep(random.uniform(0, _LONGEST_PAUSE_S))
        order = [number % patient_count for number in range(calls)]
        random.Random(7).shuffle(order)
        for server in serving(folder, WORKERS="2", THREADS="8", DEADLINE_S="30", **setup):
            sender = _Sender(server, charts, alone)
            with ThreadPoolExecutor(threads) as pool:
                for each in [pool.submit(sender.send, *item) for item in enumerate(order)]:
                    each.result()
    store = Store(setup["DATABASE_URL"])
    recorded = sum(1 for _ in store.decisions())
    store.close()
    events = [json.loads(line)["event"] for line in server.errors.read_text().splitlines()]
    kinds = len(set(alone))
    return Report(sender.statuses, kinds, tuple(sender.wrong), recorded, events.count("call"))


def _alone(folder: Path, charts: list[Call]) -> list[Said]:
    client = client_with(DATABASE_URL=f"sqlite:///{folder}/alone.sqlite3", OPEN_FHIR_SERVERS="yes")
    answers = [client.post(chart.path, chart.body) for chart in charts]
    return [said(answer.status, answer.json) for answer in answers]


class _Sender:
    """What the threads share: where to send, what is right, and what came."""

    def __init__(self, server: Server, charts: list[Call], alone: list[Said]) -> None:
        self.statuses: Counter[int] = Counter()
        self.wrong: list[str] = []
        self._url = server.url
        self._charts = charts
        self._alone = alone
        self._here = threading.local()
        self._lock = threading.Lock()

    def send(self, turn: int, number: int) -> None:
        """One call, and sometimes a broken one before it on the same connection."""
        if turn % _BROKEN_CALL == 0:
            self._post(self._charts[number].path, BROKEN[number % len(BROKEN)])
        chart = self._charts[number]
        answer = self._post(chart.path, json.dumps(chart.body).encode())
        if said(answer.status_code, answer.json()) != self._alone[number]:
            self.wrong.append(f"patient {number}: {answer.status_code} {answer.text[:2000]}")

    def _post(self, path: str, body: bytes) -> requests.Response:
        """The answer; a call that was turned away is made again."""
        if not hasattr(self._here, "session"):
            self._here.session = requests.Session()
        while True:
            answer = self._here.session.post(
                self._url + path,
                data=body,
                headers={"Content-Type": "application/json"},
                timeout=60,
            )
            with self._lock:
                self.statuses[answer.status_code] += 1
            if answer.status_code != _TURNED_AWAY:
                return answer
            time.sleep(_LONGEST_PAUSE_S)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        report = run(Path(folder), int(sys.argv[1]), int(sys.argv[2]))
    print(f"statuses {dict(sorted(report.statuses.items()))}")
    print(f"{report.kinds} different right answers, {len(report.wrong)} wrong ones")
    print(f"{report.recorded} decisions recorded, {report.logged} calls logged")
    print("\n".join(report.wrong[:3]))
    return int(not report.is_clean)


if __name__ == "__main__":
    sys.exit(main())
