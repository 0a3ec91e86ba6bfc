"""`python -m bench.fhirpath`: four expressions beside fhirpathpy and fhirpath.js, in one run.

A and C are those of the comparison that this engine was begun for; F filters by value set and date
window, G is the definition `has(valueSet, window)` of the shipped Library. The other two engines
know neither value sets nor definitions: they get codes and criteria written out.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import warnings
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Self

from bench.measure import Spread, spread
from bench.tables import table
from cds_service import fhir_json, fhirpath
from cds_service.terminology import ValueSets

if TYPE_CHECKING:
    from collections.abc import Callable

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import fhirpathpy
    from fhirpathpy.models import models

OBSERVATIONS, CONDITIONS = 500, 50
NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
SHARED = Path("plan_definitions/shared")
NODE = Path("bench/node")
_VARIABLE = "http://hl7.org/fhir/StructureDefinition/variable"
_PARAMETERS = "https://lbp.example.org/fhir/StructureDefinition/definition-parameters"
_CODES = ("8310-5", "29463-7", "8867-4", "30341-2", "1988-5", "72514-3")

_FEVER = (
    "code.coding.where((system = 'http://snomed.info/sct' and"
    " (code = '386661006' or code = '7520000'))"
    " or (system = 'http://loinc.org' and code = '8310-5')).exists()"
)
_FINAL = "(status = 'final' or status = 'amended' or status = 'corrected')"


@dataclass(frozen=True, slots=True)
class Question:
    """An expression for us, and for the others where they need other words."""

    name: str
    ours: str
    others: str


_A = (
    "%conditions.where(code.coding.where(system = 'http://snomed.info/sct'"
    " and code = '449813001').exists()).exists()"
)
_C = "Observation.where(code.coding.code = '59408-5').value.ofType(Quantity).value > 20"
_WINDOW = f"where({_FINAL} and (effective.ofType(dateTime) >= @2024-05-18T00:00:00Z)).exists()"
_F = f"%obs.where({_FEVER}).{_WINDOW}"
_G = (
    f"%conditions.where({_FEVER}).where(clinicalStatus.coding.where(code = 'active').exists()"
    f" and (onset >= @2024-05-18)).combine(%obs.where({_FEVER}).where({_FINAL}"
    " and (value.value >= 38.0) and (effective >= @2024-05-18T00:00:00Z))).exists()"
)
QUESTIONS = (
    Question("A", _A, _A),
    Question("C", _C, _C),
    Question(
        "F", f"%obs.where(code.memberOf('VS-FEVER')).{_WINDOW}", f"%obs.where({_FEVER}).{_WINDOW}"
    ),
    Question("F written out", f"%obs.where({_FEVER}).{_WINDOW}", f"%obs.where({_FEVER}).{_WINDOW}"),
    Question("G", "has('VS-FEVER', 14 days)", _G),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One expression: microseconds of ours, and how many times that the others take."""

    name: str
    ours_us: Spread
    fhirpathpy: Spread
    fhirpath_js: Spread | None
    agree: bool


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.fhirpath", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=9, help="rounds of all engines in turn")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    chosen = parser.parse_args()
    data = chart()
    with Node.started(data) as node:
        rows = [measure(question, data, node, chosen.repetitions) for question in QUESTIONS]
    if chosen.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return
    print(table(("expression", "ours µs", "fhirpathpy / ours", "fhirpath.js / ours", "same answer"),
                [_shown(row) for row in rows]))  # fmt: skip
    if node.process is None:
        print("fhirpath.js was not measured: run `npm ci --ignore-scripts` in bench/node")


def _shown(row: Row) -> tuple[str, ...]:
    def cell(value: Spread | None) -> str:
        return "-" if value is None else f"{value.median:.1f} [{value.low:.1f}-{value.high:.1f}]"

    answer = "yes" if row.agree else "NO"
    return row.name, cell(row.ours_us), cell(row.fhirpathpy), cell(row.fhirpath_js), answer


def chart() -> dict[str, Any]:
    """500 Observations of ten years and 50 Conditions; the newest temperatures are no fever."""
    observations = [_observation(index) for index in range(OBSERVATIONS)]
    return {
        "resource": observations,
        "variables": {
            "obs": observations,
            "conditions": [_condition(index) for index in range(CONDITIONS)],
        },
    }


def _observation(index: int) -> dict[str, Any]:
    code = "59408-5" if index == OBSERVATIONS - 1 else _CODES[index % len(_CODES)]
    return {
        "resourceType": "Observation",
        "id": f"o{index}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}], "text": code},
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": f"{date(2024, 5, 31) - timedelta(days=7 * index)}T10:15:00Z",
        "valueQuantity": {"value": 36.5, "unit": "Cel", "code": "Cel",
                          "system": "http://unitsofmeasure.org"},
    }  # fmt: skip


def _condition(index: int) -> dict[str, Any]:
    terms = "http://terminology.hl7.org/CodeSystem"
    return {
        "resourceType": "Condition",
        "id": f"c{index}",
        "clinicalStatus": {"coding": [{"system": f"{terms}/condition-clinical", "code": "active"}]},
        "code": {
            "coding": [
                {"system": "http://hl7.org/fhir/sid/icd-10", "code": f"M{index}"},
                {"system": "http://snomed.info/sct", "code": f"27940{index:02}"},
            ]
        },
        "subject": {"reference": "Patient/p"},
        "onsetDateTime": str(date(2024, 5, 1) - timedelta(days=index)),
    }


def measure(question: Question, data: dict[str, Any], node: Node, repetitions: int) -> Row:
    ours = our_program(question.ours, data)
    theirs = fhirpathpy.compile(question.others, models["r4"])

    def reference() -> Any:
        return theirs(data["resource"], data["variables"])

    answers = [ours(), reference()]
    own, slower, js = [], [], []
    for _ in range(repetitions):
        time = _microseconds(ours, 30)
        own.append(time)
        slower.append(_microseconds(reference, 3) / time)
        if node.process is not None:
            found = node.asked({"expression": question.others, "runs": 60})
            answers.append(found["answer"])
            js.append(found["microseconds"] / time)
    return Row(
        question.name,
        spread(own),
        spread(slower),
        spread(js) if js else None,
        agree=all(answer == answers[0] for answer in answers),
    )


def our_program(expression: str, data: dict[str, Any]) -> Callable[[], Any]:
    """A call of the compiled expression as a user of the library makes it: nothing is kept."""
    program = fhirpath.compile(
        expression,
        types={"obs": "Observation", "conditions": "Condition", "patient": "Patient"},
        definitions=shipped_definitions(),
        value_sets=ValueSets(fhir_json.decode(path.read_bytes()) for path in SHARED.glob("*.json")),
    )
    exact = json.loads(json.dumps(data), parse_float=Decimal)  # as fhir_json decodes numbers
    return lambda: program(exact["resource"], variables=exact["variables"], now=NOW)


def shipped_definitions() -> dict[str, fhirpath.Definition]:
    library = json.loads((SHARED / "Library-lbp-definitions.json").read_text())
    found = {}
    for extension in library["extension"]:
        value = extension["valueExpression"]
        lists = [item for item in value.get("extension", ()) if item["url"] == _PARAMETERS]
        names = [name["valueString"] for item in lists for name in item.get("extension", ())]
        definition = fhirpath.Definition(
            value["name"], value["expression"], tuple(names) if lists else None
        )
        found[definition.name] = definition
    return found


def _microseconds(work: Callable[[], Any], runs: int) -> float:
    times = []
    for _ in range(runs):
        start = perf_counter_ns()
        work()
        times.append((perf_counter_ns() - start) / 1e3)
    return median(times)


class Node:
    """fhirpath.js in a process of its own that times itself; `process` is None without it."""

    def __init__(self, process: subprocess.Popen[str] | None) -> None:
        self.process = process

    @classmethod
    def started(cls, data: dict[str, Any]) -> Self:
        executable = shutil.which("node")
        if executable is None or not (NODE / "node_modules" / "fhirpath").is_dir():
            return cls(None)
        node = cls(
            subprocess.Popen(
                [executable, "fhirpath.js"],
                cwd=NODE,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        node.asked({"data": data})
        return node

    def asked(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self.process is not None
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
            self.process.wait(timeout=30)


if __name__ == "__main__":
    main()
