"""The shipped plans as tests read them: their cards, the lines of a card, their conflicts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shared_data import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

EXTENSIONS = "https://lbp.example.org/fhir/StructureDefinition"
PLANS = REPOSITORY / "plan_definitions"

LINES = {
    "R38": (("R29", "R30"), "Short cognitive interventions matched longer programmes"),
    "R54": (("R52", "R53"), "In chronic pain possible for a limited time if an experienced"),
    "R60": (("R59",), "In the first days self-management is acceptable."),
    "R61": (("R59",), "Avoid long sitting and standing, heavy lifting and deep bending"),
    "R68": (("R34", "R35"), "Progressive muscle relaxation or autogenic training"),
    "R69": (("R33",), "No exercise form has proven superior; activating and time-contingent"),
    "R70": (("R33",), "Back school as part of an active plan."),
    "R71": (("R59",), "Overweight and smoking are risk factors for back pain"),
    "R77": (("R76",), "Classify as non-specific, radicular or specific"),
    "R78": (("R59",), "Pain usually eases within a month; about half are recovered at 3 months"),
    "R79": (("R59",), "Report side effects; do not change an opioid dose on your own."),
    "R80": (("R31", "R35", "R36"), "Physiotherapy ends when goals are met"),
}
"""Line-only rule → the rules in whose cards it stands, and how the line begins."""


def rule_plans() -> list[dict[str, Any]]:
    """Every PlanDefinition of a rule, in the order of its id."""
    files = PLANS.glob("*/[RX][0-9][0-9]/PlanDefinition.json")
    return sorted((json.loads(file.read_text()) for file in files), key=lambda plan: plan["id"])


def strategies() -> list[dict[str, Any]]:
    """The PlanDefinition of every hook."""
    files = sorted(PLANS.glob("strategies/*/PlanDefinition.json"))
    return [json.loads(file.read_text()) for file in files]


def rule_of(plan: dict[str, Any]) -> str:
    """`R16` of the plan `lbpR16`."""
    return plan["id"].removeprefix("lbp")


def actions(owner: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every action below a plan or an action."""
    for action in owner.get("action", []):
        yield action
        yield from actions(action)


def cards(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """The actions that become cards: they have a title and a priority."""
    return [action for action in actions(plan) if "title" in action and "priority" in action]


def lines(card: dict[str, Any]) -> dict[str, str]:
    """The lines of a card's detail by the id of their action, conditional ones included."""
    return {
        line["id"]: line["description"]
        for group in card["action"]
        if group.get("groupingBehavior") == "sentence-group"
        for line in group["action"]
    }


def conflicts(plan: dict[str, Any]) -> set[str]:
    """The conflicts between the sources that a plan names: K1 to K15."""
    return {
        extension["valueCoding"]["code"]
        for extension in plan.get("extension", [])
        if extension["url"] == f"{EXTENSIONS}/conflict"
    }
