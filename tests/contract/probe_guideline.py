"""A guideline that says what it knows about one prefetch key, so that tests can ask it.

Two services read the key `items`: `probe-required` (hook patient-view) must have it,
`probe-optional` (hook encounter-start) may. Each answers with one card whose summary is one of
`KNOWLEDGE`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from plans import EXTENSIONS, condition, plan

if TYPE_CHECKING:
    from pathlib import Path

QUERY = "Condition?patient={{context.patientId}}"

KNOWLEDGE = {
    "whole": "%items.exists() and %items.count().exists()",
    "part": "%items.exists() and %items.count().exists().isUnknown()",
    "empty": "%items.empty()",
    "unknown": "%items.exists().isUnknown()",
}
"""What a guideline can know of a key, and the condition that is true only then."""


def write(folder: Path) -> Path:
    """The probe's files below `folder`, which is returned."""
    for need, hook in (("must", "patient-view"), ("may", "encounter-start")):
        name = "probe-required" if need == "must" else "probe-optional"
        text = json.dumps(_strategy(name, hook, need))
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
    return folder


def _strategy(name: str, hook: str, need: str) -> dict[str, Any]:
    query = "http://hl7.org/fhir/StructureDefinition/cqf-fhirQueryPattern"
    asked = {
        "id": "items",
        "type": "Condition",
        "extension": [
            {"url": query, "valueString": QUERY},
            {"url": f"{EXTENSIONS}/need", "valueCode": need},
        ],
    }
    cards = [
        {"id": known, "title": known, "description": known, "condition": [condition(expression)]}
        for known, expression in KNOWLEDGE.items()
    ]
    main = {
        "id": "main",
        "trigger": [{"type": "named-event", "name": hook}],
        "input": [asked],
        "groupingBehavior": "logical-group",
        "action": cards,
    }
    return plan(name, main, publisher="Tests", description="Says what it knows of the key.")
