"""The shipped plans as tests read them: their cards, the lines of a card, their conflicts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shared_data import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

EXTENSIONS = "https://lbp.example.org/fhir/StructureDefinition"
PLANS = REPOSITORY / "plan_definitions"


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
