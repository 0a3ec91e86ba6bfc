"""What can be got out of the store: exports, the report, and what age deletes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cds_service import fhir_json
from cds_service.store import CardRecord, Decision, FeedbackItem, KeptRequest, Sender

NOW = datetime(2024, 6, 1, 12, 0, tzinfo=UTC)
SERVICE = "low-back-pain-order-sign"


def add(store, name, at, request=None, **members):
    """A decision with one card, and what its user did with it."""
    decision = Decision(
        decision_id=f"decision-{name}",
        at=at,
        service=SERVICE,
        hook="order-sign",
        profile="nl",
        plan_revision="r",
        hook_instance="i",
        cards=(CardRecord(name, ("lbpR16", "lbpR05"), plans=("https://x/lbpR16|1.0.0",)),),
        verdicts={"fired": 2},
        milliseconds=1.5,
        tenant="hospital",
        rule_verdicts={"cannot tell": ("lbpR07",)},
        request=request,
    )
    assert store.record(decision)
    assert store.flush()
    item = FeedbackItem(**{"card": name, "outcome": "overridden", "at": at, **members})
    store.add_feedback(Sender(SERVICE, "hospital"), [item], received=at)


@pytest.mark.requirement("H4")
def test_a_decision_is_exported_with_its_cards(either_store):
    add(either_store, "c1", NOW)
    (row,) = either_store.decisions()
    assert row["at"] == "2024-06-01T12:00:00+00:00"
    assert (row["tenant"], row["profile"]) == ("hospital", "nl")
    assert row["rule_verdicts"] == {"cannot tell": ["lbpR07"]}
    assert row["cards"][0]["rules"] == ["lbpR16", "lbpR05"]
    assert row["cards"][0]["plans"] == ["https://x/lbpR16|1.0.0"]


KEPT = b'{"prefetch":{"weight":{"value":70.10,"note":"nul \\u0000 \xe2\x82\xac"}}}'


@pytest.mark.requirement("L2")
def test_a_kept_request_comes_back_with_every_digit_and_character(either_store):
    add(either_store, "c1", NOW, request=KeptRequest(KEPT, "nl"))
    (row,) = either_store.decisions(requests=True)
    assert fhir_json.encode(row["request"]) == KEPT
    assert row["language"] == "nl"


@pytest.mark.requirement("L2", "PHI-3")
def test_a_decision_without_its_request_has_no_row_of_one(either_store, rows_of):
    add(either_store, "c1", NOW)
    (row,) = either_store.decisions(requests=True)
    assert "request" not in row
    assert rows_of("select * from decision_request") == []


@pytest.mark.requirement("B7", "FB-22")
def test_comments_are_exported_only_when_asked_for(either_store):
    add(either_store, "c1", NOW, comment="canary")
    assert "canary" not in str(list(either_store.feedback()))
    (event,) = either_store.feedback(comments=True)
    assert (event["comment"], event["rules"]) == ("canary", ["lbpR16", "lbpR05"])


@pytest.mark.requirement("B6")
def test_feedback_of_another_tenant_is_not_linked_to_the_card(either_store, rows_of):
    add(either_store, "c1", NOW)
    forged = FeedbackItem("c1", "accepted", NOW)
    either_store.add_feedback(Sender(SERVICE, "other"), [forged], received=NOW)
    flags = rows_of("select tenant, unknown_card from feedback order by tenant")
    assert [(tenant, bool(flag)) for tenant, flag in flags] == [
        ("hospital", False),
        ("other", True),
    ]
    assert [event["rules"] for event in either_store.feedback()].count([]) == 1


@pytest.mark.requirement("B7")
def test_what_is_older_is_deleted_with_its_comments_and_nothing_else(either_store, rows_of):
    add(either_store, "old", NOW - timedelta(days=2), comment="canary")
    add(either_store, "new", NOW)
    assert either_store.prune(NOW - timedelta(days=1)) == {"decisions": 1, "feedback": 1}
    assert rows_of("select card from decision_card") == [("new",)]
    assert rows_of("select card from feedback") == [("new",)]
    assert rows_of("select count(*) from feedback_comment") == [(0,)]
