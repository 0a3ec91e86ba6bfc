"""Where errors are put into the running service, one place at a time, and how it is started so.

Each place raises with canaries in its text while the file `broken` names it, in every process, and
notes that it did in the file `hits`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PLACES = {
    "admission": ("cds_service.web.admission", "Admission", "_enter"),
    "service address": ("cds_service.web.cds_hooks", "Endpoints", "_check"),
    "body": ("cds_service.web", "cds_hooks", "json_body"),
    "fact for the log": ("cds_service.web", "cds_hooks", "note"),
    "time taken": ("cds_service.web", "cds_hooks", "elapsed_ms"),
    "encoder": ("cds_service.web", "cds_hooks", "json_answer"),
    "after the request": ("cds_service", "web", "_protect"),
    "profile": ("cds_service.hooks.service", "HookService", "chosen"),
    "schema": ("cds_service.hooks", "schemas", "load_request"),
    "tokens of templates": ("cds_service.data", "prefetch", "fill"),
    "prefetch": ("cds_service.data", "prefetch", "resolve"),
    "value of a key": ("cds_service.data", "prefetch", "read"),
    "patient of the data": ("cds_service.data", "prefetch", "is_of_another_patient"),
    "guard": ("cds_service.data.fhir_client", "FhirReader", "refusal"),
    "read in a thread": ("cds_service.data.fhir_client", "FhirReader", "fetch"),
    "socket": ("cds_service.data", "transport", "_connected"),
    "language": ("cds_service.hooks", "languages", "negotiate"),
    "situation": ("cds_service.hooks", "situation", "of_call"),
    "who asks": ("cds_service.hooks", "service", "_asking"),
    "evaluation": ("cds_service.hooks", "service", "apply"),
    "verdict": ("cds_service.engine.outcome", "Outcome", "counts"),
    "renderer": ("cds_service.hooks", "cards", "from_outcome"),
    "quieting": ("cds_service.hooks", "quieting", "quieted"),
    "rules of a decision": ("cds_service.hooks", "decision_record", "rule_verdicts"),
    "offer of a decision": ("cds_service.store", "Store", "record"),
    "writer": ("cds_service.store", "Store", "_write_decisions"),
    "feedback schema": ("cds_service.hooks", "schemas", "load_feedback"),
    "feedback": ("cds_service.store", "feedback_log", "add"),
    "key of feedback": ("cds_service.store", "feedback_log", "_event_key"),
    "chart of $apply": ("cds_service.web.fhir_operations", "Operations", "_situation"),
    "answer of $apply": ("cds_service.web", "fhir_operations", "_private"),
    "error answer": ("cds_service.web", "errors", "_answer"),
}
"""Each place: the module, what holds the function in it or below, and the function's name."""

BEHIND_THE_ANSWER = frozenset({"writer"})
"""Places where an error comes after the answer, so that nobody is told of it but the log."""

_STARTER = """
import functools, importlib, json, sys
from pathlib import Path

HERE = Path(__file__).parent
TOLD = {text!r}

def put(place, holder, name):
    real = getattr(holder, name)

    @functools.wraps(real)
    def through(*arguments, **options):
        if (HERE / "broken").read_text() == place:
            with (HERE / "hits").open("a") as hits:
                hits.write(place + "\\n")
            raise RuntimeError(TOLD)
        return real(*arguments, **options)

    setattr(holder, name, through)

for place, (module, owner, name) in json.loads({places!r}).items():
    put(place, getattr(importlib.import_module(module), owner), name)

from cds_service.cli import main
sys.argv[0] = "cds-service"
main()
"""


def write_starter(folder: Path, text: str) -> None:
    """The module `breaking` in a folder, which serves; errors hold `text`."""
    starter = _STARTER.format(text=text, places=json.dumps(PLACES))
    (folder / "breaking.py").write_text(starter)
    break_at(folder, "")


def break_at(folder: Path, place: str) -> None:
    """From now on this place raises, and no other."""
    (folder / "hits").write_text("")
    (folder / "broken").write_text(place)
