"""What the guideline says about quieting: the extensions of a strategy and of a rule, compiled.

On a strategy `quieting`, on a rule's plan `quiet-for`; `docs/author-guide.md` explains both. What
an override then quiets is decided in `hooks.quieting`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cds_service.engine.action_codes import PRIORITIES
from cds_service.engine.canonicals import QUIET_FOR, QUIETING
from cds_service.engine.plan_definition import Quieting

if TYPE_CHECKING:
    from cds_service.engine.scope import Scope
    from cds_service.engine.source import Element, Problems

ENCOUNTER = "encounter"


def quieting_in(root: Element, scope: Scope, problems: Problems) -> Quieting | None:
    """The strategy's quieting; None where it has none, and then an override quiets nothing."""
    extension = root.extension(QUIETING)
    if extension is None:
        return None
    since, later = extension.extension("since"), extension.extension("later")
    days = extension.extension("laterDays")
    expression = since.element("valueExpression") if since else None
    reason = later.element("valueCoding") if later else None
    code = (reason.string("system"), reason.string("code")) if reason else (None, None)
    number = days.json.get("valueInteger") if days else None
    if expression is None or None in code or not isinstance(number, int) or number < 1:
        problems.add(
            extension.problem(
                "quieting needs since (a valueExpression), later (a valueCoding with system and "
                "code) and laterDays (a valueInteger of at least 1)",
                code="quieting",
            )
        )
        return None
    program = scope.compile(expression, problems)
    if program is None:
        return None
    return Quieting(
        since=program,
        later=(str(code[0]), str(code[1])),
        later_days=number,
        encounter_only=_priorities(extension, problems),
    )


def is_quiet_for_encounter(root: Element, problems: Problems) -> bool:
    """Whether the cards of this rule can be quiet within an encounter only."""
    extension = root.extension(QUIET_FOR)
    if extension is not None and extension.json.get("valueCode") != ENCOUNTER:
        problems.add(
            extension.problem(
                f"quiet-for must have the valueCode '{ENCOUNTER}'", "valueCode", code="quieting"
            )
        )
    return extension is not None  # also while it is a problem: the safer meaning


def _priorities(extension: Element, problems: Problems) -> frozenset[str]:
    """The priorities under `encounterOnly`, which may stand several times."""
    found = set()
    for part in extension.elements("extension"):
        if part.json.get("url") != "encounterOnly":
            continue
        code = part.json.get("valueCode")
        if code not in PRIORITIES:
            problems.add(
                part.problem(
                    f"encounterOnly must have a valueCode of {', '.join(PRIORITIES)}",
                    "valueCode",
                    code="quieting",
                )
            )
        found.add(str(code))
    return frozenset(found)
