"""Guideline JSON → compiled content → `$apply` → outcome.

What may not enter: network, disk, clock, random ids, logging. All of them are arguments.
"""

from cds_service.engine.apply import Situation, apply
from cds_service.engine.content import Content, compile_content
from cds_service.engine.leaving_out import compile_what_works
from cds_service.engine.outcome import ActionOutcome, ConditionOutcome, Outcome, Verdict
from cds_service.engine.plan_definition import (
    HOOK_NAME,
    Action,
    DataRequirement,
    Documentation,
    LeftOut,
    Plan,
    Service,
)
from cds_service.engine.source import Source
from cds_service.messages import Text

__all__ = [
    "HOOK_NAME",
    "Action",
    "ActionOutcome",
    "ConditionOutcome",
    "Content",
    "DataRequirement",
    "Documentation",
    "LeftOut",
    "Outcome",
    "Plan",
    "Service",
    "Situation",
    "Source",
    "Text",
    "Verdict",
    "apply",
    "compile_content",
    "compile_what_works",
]
