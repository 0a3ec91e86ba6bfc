"""What the store recalls of overrides: of one user for one patient of a tenant, by hashes."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cds_service.errors import StoreUnavailable
from cds_service.store import (
    Asking,
    CardRecord,
    Decision,
    FeedbackItem,
    Override,
    Quieted,
    Sender,
    Store,
)
from cds_service.store.bounded import Bounded

NOW = datetime(2024, 6, 1, 12, 0, tzinfo=UTC)
SERVICE = "low-back-pain-patient-view"
KEY, OTHER_KEY = b"k" * 32, b"o" * 32
ASKING = Asking("hospital", "https://ehr.example.org/fhir", "p", "Practitioner/1", "e")
REASON = ("https://lbp.example.org/fhir/CodeSystem/lbp-override", "OR-LATER")
LONG = 30.0  # seconds that no test needs


def overridden(store, asking=ASKING, *, at=NOW, received=NOW, quieted=None, reason=REASON):
    """A card that went to this user for this patient, and was overridden."""
    persons = store.recall(asking, LONG).persons
    name = f"card-{len(list(store.decisions()))}"
    store.record(
        Decision(
            decision_id=f"decision-{name}",
            at=at,
            service=SERVICE,
            hook="patient-view",
            profile="nl",
            plan_revision="r",
            hook_instance="i",
            cards=(CardRecord(name, ("lbpR33", "lbpR34"), quieted=quieted),),
            verdicts={},
            milliseconds=1.0,
            tenant=asking.tenant,
            persons=persons,
        )
    )
    assert store.flush()
    system, code = reason or (None, None)
    item = FeedbackItem(name, "overridden", at, reason_system=system, reason_code=code)
    store.add_feedback(Sender(SERVICE, asking.tenant), [item], received=received)
    return persons


def test_an_override_is_recalled_with_its_rules_time_reason_and_encounter(either_store):
    persons = overridden(either_store)
    recalled = either_store.recall(ASKING, LONG)
    assert recalled.is_known
    assert recalled.persons == persons
    assert recalled.overrides == (Override(("lbpR33", "lbpR34"), NOW, REASON, persons.encounter),)


@pytest.mark.parametrize(
    "members",
    [
        {"tenant": "another"},
        {"server": "https://other.example.org/fhir"},
        {"patient": "p2"},
        {"user": "Practitioner/2"},
    ],
)
def test_nothing_is_recalled_for_anybody_else(either_store, members):
    overridden(either_store)
    assert either_store.recall(replace(ASKING, **members), LONG).overrides == ()


def test_feedback_of_another_tenant_overrides_nothing(either_store):
    overridden(either_store, reason=None)
    item = FeedbackItem("card-0", "overridden", NOW, reason_code="OR-LATER")
    either_store.add_feedback(Sender(SERVICE, "another"), [item], received=NOW)
    assert either_store.recall(ASKING, LONG).overrides == ()


def test_a_clock_that_is_ahead_does_not_prolong_the_quiet(either_store):
    overridden(either_store, at=NOW + timedelta(days=400))
    (override,) = either_store.recall(ASKING, LONG).overrides
    assert override.at == NOW


def test_a_card_that_was_quiet_cannot_be_overridden(either_store):
    overridden(either_store, quieted=Quieted(NOW.date(), None, None))
    assert either_store.recall(ASKING, LONG).overrides == ()


def test_the_newest_override_comes_first(either_store):
    for days in (3, 1, 2):
        overridden(either_store, at=NOW - timedelta(days=days))
    found = [override.at for override in either_store.recall(ASKING, LONG).overrides]
    assert found == sorted(found, reverse=True)


def test_an_override_that_came_before_its_decision_was_written_is_recalled(either_store, rows_of):
    persons = either_store.recall(ASKING, LONG).persons
    item = FeedbackItem("early", "overridden", NOW, reason_code="OR-LATER")
    either_store.add_feedback(Sender(SERVICE, "hospital"), [item], received=NOW)
    card = CardRecord("early", ("lbpR33",))
    about = {"service": SERVICE, "hook": "patient-view", "profile": "nl", "plan_revision": "r"}
    about |= {"hook_instance": "i", "verdicts": {}, "milliseconds": 1.0}
    either_store.record(
        Decision("d", NOW, cards=(card,), tenant="hospital", persons=persons, **about)
    )
    assert either_store.flush()
    (override,) = either_store.recall(ASKING, LONG).overrides
    assert override.rules == ("lbpR33",)
    assert rows_of("select unknown_card from feedback") == [(False,)]


def test_two_replicas_hash_with_one_key_of_the_database(open_store):
    assert open_store().recall(ASKING, LONG).persons == open_store().recall(ASKING, LONG).persons


def test_the_key_of_the_site_does_not_enter_the_database(database_url, rows_of):
    store = Store(database_url, pseudonym_key=KEY)
    overridden(store)
    store.close()
    assert rows_of("select count(*) from pseudonym_key") == [(0,)]


def test_with_another_key_nothing_is_recalled(database_url):
    for key, expected in ((KEY, 1), (OTHER_KEY, 0)):
        store = Store(database_url, pseudonym_key=key)
        if key is KEY:
            overridden(store)
        assert len(store.recall(ASKING, LONG).overrides) == expected
        store.close()


def test_equal_ids_of_a_patient_and_a_user_have_different_hashes(either_store):
    persons = either_store.recall(
        replace(ASKING, patient="x", user="x", encounter="x"), LONG
    ).persons
    assert len({persons.patient, persons.user, persons.encounter}) == 3


def test_what_a_database_does_not_tell_in_time_is_not_known(tmp_path):
    (tmp_path / "var").write_text("a file where the folder should be")
    store = Store(f"sqlite:///{tmp_path}/var/cds.sqlite3", pseudonym_key=KEY)
    recalled = store.recall(ASKING, LONG)
    assert (recalled.is_known, recalled.overrides) == (False, ())
    assert recalled.persons is not None
    store.close()


def test_nobody_waits_for_work_that_hangs():
    bounded, released = Bounded(), threading.Event()
    with pytest.raises(StoreUnavailable):
        bounded.within(0.01, released.wait)  # would return only after the next line
    released.set()
    bounded.close()


def test_ids_show_in_no_representation():
    assert "Practitioner" not in repr(ASKING)
    assert "ehr.example.org" not in repr(ASKING)
