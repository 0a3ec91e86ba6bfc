"""What the store takes in: a decision with its cards, and what a user did with a card."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003  dataclass fields are part of the interface
from dataclasses import dataclass, field
from datetime import date, datetime  # noqa: TC003  the same


@dataclass(frozen=True, slots=True)
class Quieted:
    """Why a card that fired was not shown: its user had overridden the same rule before.

    Attributes:
        overridden: the day of that override.
        reason: the code of the reason that was given, if there was one.
        until: the last quiet day; None when it ends with the episode or the encounter.
    """

    overridden: date
    reason: str | None
    until: date | None


@dataclass(frozen=True, slots=True)
class CardRecord:
    """One card of an answer: its uuid, the rules it came from, the uuids of its suggestions.

    `plans` are the versioned URLs of its PlanDefinitions. A card with `quieted`
    was not shown, nor was one that `is_shadow`, which the guideline only tries.
    """

    card: str
    rules: tuple[str, ...]
    suggestions: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()
    quieted: Quieted | None = None
    is_shadow: bool = False

    @property
    def is_shown(self) -> bool:
        """Whether it was sent."""
        return self.quieted is None and not self.is_shadow


@dataclass(frozen=True, slots=True)
class Asking:
    """Whom a call is for and who asks, as the request names them. Never kept, never shown.

    Attributes:
        tenant: the client, empty where callers are not verified.
        server: base URL of the FHIR server whose ids these are, empty where the call names none.
        patient: id of the patient.
        user: reference of the user, such as `Practitioner/1`.
        encounter: id of the encounter, where there is one.
    """

    tenant: str
    server: str = field(repr=False)
    patient: str = field(repr=False)
    user: str = field(repr=False)
    encounter: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Override:
    """A card that this user overrode for this patient, giving a reason.

    Attributes:
        rules: the rules of the card.
        at: when, aware and in UTC; not later than it was received.
        reason: system and code; None where the reason was free text.
        encounter: the keyed hash of its encounter, where there was one.
    """

    rules: tuple[str, ...]
    at: datetime
    reason: tuple[str, str] | None = None
    encounter: str | None = None


@dataclass(frozen=True, slots=True)
class Recalled:
    """What the store remembers for a call.

    Attributes:
        persons: whom it is for, as keyed hashes; None when the key is not at hand.
        overrides: what this user overrode for this patient, newest first.
        is_known: whether the store answered in time; else nothing is known of any override.
    """

    persons: Persons | None
    overrides: tuple[Override, ...]
    is_known: bool


NOTHING_RECALLED = Recalled(None, (), is_known=True)
"""What is remembered of nobody."""


@dataclass(frozen=True, slots=True)
class Persons:
    """Whom a decision was for, as keyed hashes: equal for the same person, useless without key."""

    patient: str
    user: str
    encounter: str | None = None


@dataclass(frozen=True, slots=True)
class KeptRequest:
    """A hook call that can be asked again: patient data, so it never shows in a repr.

    Attributes:
        message: the request as JSON text, with what was read for it in `prefetch`.
        language: the language in which it was answered.
    """

    message: bytes = field(repr=False)
    language: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What one hook call was answered with. Holds no patient data and no user.

    Attributes:
        at: when, aware.
        plan_revision: the revision of the guideline content that answered.
        verdicts: how many actions got each verdict, for example `{"fired": 2, "not met": 40}`.
        milliseconds: how long the answer took.
        tenant: the client, where the site tells several apart.
        rule_verdicts: the rules by verdict; a rule that is nowhere in it was not met.
        persons: whom the cards were for; None when there were none.
        request: what was asked and read; None unless the site keeps it.
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
    tenant: str = ""
    rule_verdicts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    persons: Persons | None = None
    request: KeptRequest | None = None


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
