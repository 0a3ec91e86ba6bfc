"""A folder of guidelines with one rule and what it needs, cut from the whole: quick to compile."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

PLANS = Path(__file__).parent.parent / "plan_definitions"
STRATEGY = "strategies/low-back-pain-order-sign/PlanDefinition.json"


def cut(folder: Path, rule: str) -> Path:
    """The rule (such as `imaging/R19`), its cases, and the strategy of order-sign with it alone."""
    for part in ("shared", "exceptions", rule):
        shutil.copytree(PLANS / part, folder / part)
    strategy = json.loads((PLANS / STRATEGY).read_text())
    _keep(strategy, f"lbp{Path(rule).name}")
    for case in (folder / rule / "cases").iterdir():
        if _is_of_others(json.loads(case.read_text()), f"lbp{Path(rule).name}"):
            case.unlink()
    path = folder / STRATEGY
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(strategy, indent=2))
    return folder


def _keep(owner: dict[str, Any], plan: str) -> None:
    """Take out the actions that lead to other plans."""
    actions = [action for action in owner.get("action", ()) if _is_kept(action, plan)]
    for action in actions:
        _keep(action, plan)
    if actions:
        owner["action"] = actions
    else:
        owner.pop("action", None)


def _is_kept(action: dict[str, Any], plan: str) -> bool:
    canonical = action.get("definitionCanonical")
    return canonical is None or canonical.endswith(f"/{plan}")


def _is_of_others(case: dict[str, Any], plan: str) -> bool:
    """Whether the case expects cards of other rules, or asks another hook."""
    rules = {card["rule"] for card in case["expect"].get("cards", ())}
    return case.get("hook") != "order-sign" or not rules <= {plan}
