"""What was decided and what people said about it: the decision log and the feedback.

Append-only, SQLAlchemy Core, and its only user. SQLite by default, PostgreSQL by URL.
No patient data enters the decision log: ids of ours, rules, counts and times. A user's comment may
hold some, so comments have a table of their own, which can be granted, exported and emptied apart
from the rest; the SQLite file is readable by its owner only. Nothing here is ever logged or echoed.

A decision that cannot be written is lost and reported as such (`record` answers False), because a
hook call does not wait for storage. Feedback is acknowledged only after it is durable, or refused
(`StoreUnavailable`). Sources: rows PHI-3, PHI-4, FB-13, FB-18, FB-21, FB-22, FB-24.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cds_service.errors import StoreUnavailable
from cds_service.store import decision_log, feedback_log
from cds_service.store.database import Database
from cds_service.store.records import CardRecord, Decision, FeedbackItem
from cds_service.store.seen_tokens import SeenTokens

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

FEEDBACK_PATIENCE_MS = 5000
"""How long a feedback message waits for another writer."""
DECISION_PATIENCE_MS = 500
"""How long a decision waits for another writer; a hook call is waiting behind it."""

__all__ = ["CardRecord", "Decision", "FeedbackItem", "SeenTokens", "Store"]


class Store:
    """The decision log, the feedback and the used tokens of one database.

    Safe for threads and for processes; opens nothing until it is used.
    """

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.seen_tokens = SeenTokens(self.database)

    def prepare(self) -> None:
        """Make file and tables where they are missing; raises StoreUnavailable."""
        self.database.prepare()

    def close(self) -> None:
        """Close the idle connections; the store opens new ones when it is used again."""
        self.database.close()

    def problem(self) -> str | None:
        """Why nothing can be written now, as a sentence, or None when writing works."""
        return self.database.problem(DECISION_PATIENCE_MS)

    def record(self, decision: Decision) -> bool:
        """Write one decision. False when it could not be written; the caller's answer stands."""
        try:
            with self.database.writing(DECISION_PATIENCE_MS) as connection:
                decision_log.insert(connection, decision)
        except StoreUnavailable:
            return False
        return True

    def add_feedback(
        self, service: str, items: Sequence[FeedbackItem], *, received: datetime
    ) -> int:
        """Write all items of one message, or none, and answer how many were new.

        An event is new when its service, card, outcome, timestamp and set of suggestions were not
        seen together before (FB-21). Returns after the commit, when the disk has it. A card that
        this service never sent is kept and flagged (FB-18).

        Raises:
            StoreUnavailable: nothing was written; the client should send the message again.
        """
        try:
            with self.database.writing(FEEDBACK_PATIENCE_MS) as connection:
                return feedback_log.add(connection, service, items, received)
        except StoreUnavailable as error:
            raise StoreUnavailable(
                "the feedback could not be stored, so nothing of this message was kept",
                hint="send the whole message again later; repeats are recognised",
            ) from error
