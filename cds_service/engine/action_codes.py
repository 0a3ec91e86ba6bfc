"""The codes that FHIR R4 binds the members of an action to, and what else may stand there: nothing.

Source: FHIR R4 PlanDefinition.action and RequestGroup.action, required bindings. Another code would
be shown as something it is not: an urgent card as information, a choice of one as a choice of any.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PRIORITIES = ("routine", "urgent", "asap", "stat")
GROUPINGS = ("logical-group", "visual-group", "sentence-group")

CODES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "priority": PRIORITIES,
        "groupingBehavior": GROUPINGS,
        "selectionBehavior": (
            "any", "all", "all-or-none", "exactly-one", "at-most-one", "one-or-more",
        ),
        "requiredBehavior": ("must", "could", "must-unless-documented"),
        "precheckBehavior": ("yes", "no"),
        "cardinalityBehavior": ("single", "multiple"),
    }
)  # fmt: skip
"""The codes that each of these members may have."""


def refusal(member: str, value: object) -> str | None:
    """Why this value cannot stand in this member of an action; None where it can."""
    known = CODES.get(member)
    if known is None or value in known:
        return None
    return f"{member} is '{value}', not one of {', '.join(known)}"
