"""What the store takes in: a decision with its cards, and what a user did with a card."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003  dataclass fields are part of the interface
from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003  the same


@dataclass(frozen=True, slots=True)
class CardRecord:
    """One card of an answer: its uuid, the rules it came from, the uuids of its suggestions."""

    card: str
    rules: tuple[str, ...]
    suggestions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What one hook call was answered with. Holds no patient data and no user.

    Attributes:
        at: when, aware.
        plan_revision: the revision of the guideline content that answered.
        verdicts: how many actions got each verdict, for example `{"fired": 2, "not met": 40}`.
        milliseconds: how long the answer took.
    """

    decision_id: str
    at: datetime
    service: str
    hook: str
    profile: str
    plan_revision: str
    hook_instance: str
    cards: tuple[CardRecord, ...]
    verdicts: Mapping[str, int]
    milliseconds: float


@dataclass(frozen=True, slots=True)
class FeedbackItem:
    """What a user did with one card: accepted suggestions of it, or overrode it.

    Attributes:
        outcome: `accepted` or `overridden`.
        at: when the user did it, aware and in UTC.
        suggestions: uuids of the accepted suggestions.
        comment: free text of the user; may hold patient data, so it never shows in a repr.
    """

    card: str
    outcome: str
    at: datetime
    suggestions: tuple[str, ...] = ()
    reason_system: str | None = None
    reason_code: str | None = None
    reason_display: str | None = None
    comment: str | None = field(default=None, repr=False)
