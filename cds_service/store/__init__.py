"""What was decided and what people said about it: the decision log and the feedback.

Append-only, SQLAlchemy Core, and its only user. SQLite by default, PostgreSQL by URL.
No patient data enters the decision log: ids of ours, rules, counts and times. A user's comment may
hold some, and a kept request does, so each has a table of its own, which can be granted, exported
and emptied apart from the rest; the SQLite file is readable by its owner only. Nothing here is ever
logged or echoed.

A hook call does not wait for storage: decisions are written behind it, in batches, and wait while
the database is away. One that is lost is reported as such. Feedback is acknowledged only after it
is durable, or refused (`StoreUnavailable`).
Sources: rows PHI-3, PHI-4, FB-13, FB-18, FB-21, FB-22, FB-24.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_service.errors import StoreUnavailable
from cds_service.spans import UNTRACED
from cds_service.store import decision_log, export, feedback_log, overrides, retention
from cds_service.store.bounded import Bounded
from cds_service.store.database import Database
from cds_service.store.decision_writer import DRAIN_WITHIN_S, MOST_WAITING, DecisionWriter
from cds_service.store.feedback_log import Sender
from cds_service.store.pseudonyms import Pseudonyms
from cds_service.store.records import (
    NOTHING_RECALLED,
    Asking,
    CardRecord,
    Decision,
    FeedbackItem,
    KeptRequest,
    Override,
    Persons,
    Quieted,
    Recalled,
)
from cds_service.store.retention import Pruner, Retention
from cds_service.store.seen_tokens import SeenTokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from cds_service.spans import Tracer

FEEDBACK_PATIENCE_MS = 5000
"""How long a feedback message waits for another writer."""
DECISION_PATIENCE_MS = 2000
"""How long a batch of decisions waits for another writer before it is tried again."""
_PROBE_PATIENCE_MS = 500
_LONG_PATIENCE_MS = 600_000  # of commands, which nobody waits for behind
_OWN_DECISIONS_WITHIN_S = 0.5

__all__ = [
    "NOTHING_RECALLED",
    "Asking",
    "CardRecord",
    "Decision",
    "FeedbackItem",
    "KeptRequest",
    "Override",
    "Persons",
    "Quieted",
    "Recalled",
    "Retention",
    "SeenTokens",
    "Sender",
    "Store",
]


class Store:
    """The decision log, the feedback and the used tokens of one database.

    Safe for threads and for processes; opens nothing until it is used.
    """

    def __init__(
        self,
        url: str,
        *,
        most_waiting: int = MOST_WAITING,
        on_lost: Callable[[int], None] | None = None,
        pseudonym_key: bytes | None = None,
        keep: Retention | None = None,
        tracer: Tracer = UNTRACED,
    ) -> None:
        self.database = Database(url)
        self._tracer = tracer
        self._pseudonyms = Pseudonyms(self.database, pseudonym_key)
        self._bounded = Bounded()
        self._pruner = Pruner(self.database, keep) if keep else None
        self.seen_tokens = SeenTokens(self.database, tracer)
        self._decisions = DecisionWriter(
            self._write_decisions, most_waiting=most_waiting, on_lost=on_lost
        )

    def prepare(self) -> None:
        """Make file and tables where they are missing; raises StoreUnavailable."""
        self.database.prepare()

    def close(self, timeout_s: float = DRAIN_WITHIN_S) -> None:
        """Write the decisions that wait, for so long at most, and close the idle connections.

        The store opens new ones when it is used again.
        """
        self._decisions.close(timeout_s)
        if self._pruner is not None:
            self._pruner.close(timeout_s)
        self._bounded.close()
        self.database.close()

    def problem(self) -> str | None:
        """Why nothing can be written now, as a sentence, or None when writing works."""
        return self.database.problem(_PROBE_PATIENCE_MS)

    def record(self, decision: Decision) -> bool:
        """Take one decision to be written soon. False when it is lost: too many wait already."""
        return self._decisions.offer(decision)

    def flush(self, timeout_s: float = 60.0) -> bool:
        """Write the decisions of this process that wait; False when that did not succeed."""
        return self._decisions.flush(timeout_s)

    def add_feedback(
        self, sender: Sender, items: Sequence[FeedbackItem], *, received: datetime
    ) -> int:
        """Write all items of one message, or none, and answer how many were new.

        An event is new when its service, card, outcome, timestamp and set of suggestions were not
        seen together before (FB-21). Returns after the commit, when the disk has it. A card that
        this service never sent is kept and flagged (FB-18).

        Raises:
            StoreUnavailable: nothing was written; the client should send the message again.
        """
        self._decisions.flush(_OWN_DECISIONS_WITHIN_S)  # the cards may have gone out just now
        try:
            with (
                self._tracer.span("store.write", kind="feedback", rows=len(items)),
                self.database.writing(FEEDBACK_PATIENCE_MS) as connection,
            ):
                return feedback_log.add(connection, sender, items, received)
        except StoreUnavailable as error:
            raise StoreUnavailable(
                "the feedback could not be stored, so nothing of this message was kept",
                hint="send the whole message again later; repeats are recognised",
            ) from error

    def recall(self, asking: Asking, within_s: float) -> Recalled:
        """What this user overrode for this patient, if the database tells it within this time.

        Raises nothing and never waits longer: what is not known in time quiets nothing. A server
        is asked by a thread that can be left behind; a file tells itself that it is locked so long.
        """
        patience_ms = max(1, int(within_s * 1000))
        try:
            if self.database.is_file_at_hand:
                persons = self._pseudonyms.of(asking, patience_ms)
                if overrides.are_none(self.database, persons, patience_ms):
                    return Recalled(persons, (), is_known=True)
                return self._recall(asking, patience_ms)
            return self._bounded.within(within_s, lambda: self._recall(asking, patience_ms))
        except StoreUnavailable:
            return Recalled(self._pseudonyms.at_hand(asking), (), is_known=False)

    def _recall(self, asking: Asking, patience_ms: int) -> Recalled:
        persons = self._pseudonyms.of(asking, patience_ms)
        with self.database.reading(patience_ms) as connection:
            found = overrides.past(connection, asking.tenant, persons)
        return Recalled(persons, found, is_known=True)

    def recall_then(self, tenant: str, persons: Persons, at: datetime) -> Recalled:
        """What was known at a moment of the past of what this user overrode for this patient.

        As long as the feedback of that time is kept. Raises StoreUnavailable.
        """
        with self.database.reading(_LONG_PATIENCE_MS) as connection:
            return Recalled(
                persons, overrides.past(connection, tenant, persons, until=at), is_known=True
            )

    def prune(self, before: datetime) -> dict[str, int]:
        """Delete what is older than this moment; how many decisions and how much feedback."""
        return retention.prune(self.database, before, patience_ms=_LONG_PATIENCE_MS)

    def decisions(self, *, requests: bool = False) -> Iterator[dict[str, Any]]:
        """Every decision with its cards, oldest first, as plain values.

        With what was asked, where that was kept: patient data.
        """
        with self.database.reading(_LONG_PATIENCE_MS) as connection:
            yield from export.decisions(connection, requests=requests)

    def decision(self, decision_id: str) -> dict[str, Any] | None:
        """One decision with its cards, and with what was asked where that was kept."""
        with self.database.reading(_LONG_PATIENCE_MS) as connection:
            return next(export.decisions(connection, requests=True, only=decision_id), None)

    def feedback(self, *, comments: bool = False) -> Iterator[dict[str, Any]]:
        """Every feedback event with the rules of its card, oldest first, as plain values."""
        with self.database.reading(_LONG_PATIENCE_MS) as connection:
            yield from export.feedback(connection, comments=comments)

    def quieted(self) -> Iterator[dict[str, Any]]:
        """Every card that was not shown because of an earlier override: when, its rules, why."""
        with self.database.reading(_LONG_PATIENCE_MS) as connection:
            yield from export.quieted(connection)

    def shadowed(self) -> Iterator[dict[str, Any]]:
        """Every card that the guideline only tries, and that was not shown: when, and its rules."""
        with self.database.reading(_LONG_PATIENCE_MS) as connection:
            yield from export.shadowed(connection)

    def _write_decisions(self, decisions: Sequence[Decision]) -> None:
        with (
            self._tracer.span("store.write", kind="decisions", rows=len(decisions)),
            self.database.writing(DECISION_PATIENCE_MS) as connection,
        ):
            decision_log.insert(connection, decisions)
        if self._pruner is not None:
            self._pruner.look()
