"""What a message must hold: lenient on what comes in, every problem named with its member."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime

import pytest
from schemas import checker

from cds_service.errors import RequestError
from cds_service.hooks.schemas import load_feedback, load_request

DRAFT = {"resourceType": "ServiceRequest", "id": "mri", "status": "draft"}
USER = {"userId": "Practitioner/1", "patientId": "p"}


def resource(kind):
    return {"resourceType": kind, "id": "1", "patient": {"reference": "Patient/p"}}


def bundle(kind):
    return {"resourceType": "Bundle", "entry": [{"resource": resource(kind)}]}


CONTEXT = {
    "patient-view": USER,
    "encounter-start": {"userId": "Practitioner/1", "patientId": "p", "encounterId": "e"},
    "order-sign": {
        "userId": "Practitioner/1",
        "patientId": "p",
        "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": DRAFT}]},
    },
    "order-select": {
        "userId": "Practitioner/1",
        "patientId": "p",
        "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": DRAFT}]},
        "selections": ["ServiceRequest/mri"],
    },
}
VISIT = CONTEXT["encounter-start"]
CONTEXT |= {
    "encounter-discharge": VISIT,
    "order-dispatch": {
        "patientId": "p",
        "dispatchedOrders": ["ServiceRequest/mri"],
        "performer": "Organization/1",
    },
    "appointment-book": USER | {"appointments": bundle("Appointment")},
    "allergyintolerance-create": USER | {"allergyIntolerance": resource("AllergyIntolerance")},
    "medication-refill": {"patientId": "p", "medications": bundle("MedicationRequest")},
    "medication-verify": USER | {"medication": resource("MedicationRequest")},
    "medication-prescribe": USER | {"medications": bundle("MedicationRequest")},
    "order-review": USER | {"orders": bundle("ServiceRequest")},
    "problem-list-item-create": USER | {"conditions": bundle("Condition")},
}
MANDATORY = [(hook, member) for hook, context in CONTEXT.items() for member in context]


def message(hook="patient-view", context=None, **members):
    base = {"hook": hook, "hookInstance": "23f1a303-991f-4118-86c5-11d99a39222e"}
    return {**base, "context": {**CONTEXT[hook], **(context or {})}, **members}


def problem(body, hook="patient-view"):
    with pytest.raises(RequestError) as raised:
        load_request(body, hook)
    assert raised.value.status == 400
    return f"{raised.value.where or ''}: {raised.value.message}"


@pytest.mark.requirement("REQ-1", "REQ-2", "REQ-3", "REQ-8")
@pytest.mark.parametrize("hook", CONTEXT)
def test_a_plain_message_of_each_hook_is_taken(hook):
    request = load_request(message(hook), hook)
    assert request["context"] == CONTEXT[hook]
    assert "prefetch" not in request


@pytest.mark.requirement("HK-1", "REQ-12")
@pytest.mark.parametrize(("hook", "member"), MANDATORY)
@pytest.mark.parametrize("value", [None, 5, True, {"a": 1}, "missing"])
@pytest.mark.requirement(
    "HK-PV-1",
    "HK-PV-2",
    "HK-OSel-1",
    "HK-OSel-2",
    "HK-OSel-4",
    "HK-OSel-5",
    "HK-OSig-1",
    "HK-OSig-2",
    "HK-OSig-4",
    "HK-ES-1",
    "HK-ES-2",
    "HK-ES-3",
    *("HK-OD-1", "HK-OD-2", "HK-OD-3", "HK-ED-1", "HK-ED-2", "HK-ED-3"),
    *("HK-AB-1", "HK-AB-2", "HK-AB-4", "HK-AI-1", "HK-AI-2", "HK-AI-4", "HK-MR-2", "HK-MR-4"),
    *("HK-PL-1", "HK-PL-2", "HK-PL-4", "HK-MV-1", "HK-MV-2", "HK-MV-4", "HK-MP-1", "HK-OR-1"),
)
def test_a_required_member_of_the_context_is_named_when_it_is_wrong(hook, member, value):
    body = message(hook, {member: value})
    if value == "missing":
        del body["context"][member]
    text = problem(body, hook)
    assert f"context.{member}: " in text
    assert "required, " in text or "must be " in text


def test_the_words_say_what_is_expected():
    body = message()
    del body["context"]["userId"]
    assert problem(body) == "context.userId: required, a string"


@pytest.mark.requirement("REQ-12")
def test_all_problems_are_told_at_once():
    text = problem({"context": {"patientId": 5}, "prefetch": []})
    for member in ("hook", "hookInstance", "context.userId", "context.patientId", "prefetch"):
        assert f"{member}: " in text


@pytest.mark.requirement("REQ-12")
@pytest.mark.parametrize("body", [None, [], "x", 5, True, [{}]])
def test_the_body_is_an_object(body):
    assert "one JSON object" in problem(body)


@pytest.mark.requirement("REQ-13")
def test_a_hook_that_this_service_does_not_answer_is_told():
    assert "'patient-view', not 'order-sign'" in problem(message("order-sign"))


def test_what_is_no_hook_name_is_not_repeated():
    text = problem({"hook": "Jane Doe"})
    assert text == "hook: this service answers the hook 'patient-view', not another one"


@pytest.mark.requirement("REQ-15", "REQ-16")
@pytest.mark.parametrize("value", ["test", "URN:UUID:23F1A303", "x" * 1000])
def test_any_text_serves_as_hook_instance(value):
    assert load_request(message(hookInstance=value), "patient-view")["hookInstance"] == value


@pytest.mark.requirement("REQ-15")
@pytest.mark.parametrize("value", ["", "  ", None, 5])
def test_a_hook_instance_is_needed(value):
    assert problem(message(hookInstance=value)).startswith("hookInstance: ")


@pytest.mark.requirement("REQ-18", "HK-1")
def test_null_means_absent_for_what_is_optional():
    members = ("fhirServer", "fhirAuthorization", "prefetch", "extension")
    request = load_request(
        message(context={"encounterId": None}, **dict.fromkeys(members)), "patient-view"
    )
    assert not set(members) & set(request)
    assert "encounterId" not in request["context"]


@pytest.mark.requirement("GEN-10", "HK-0", "VER-9")
def test_unknown_members_pass_untouched():
    body = message(context={"new": None}, user="Practitioner/1", item2={"a": None})
    body["extension"] = {"com.epic.cdshooks.request.fhir-version": "R4"}
    request = load_request(body, "patient-view")
    assert request["context"]["new"] is None
    assert request["item2"] == {"a": None}
    assert request["extension"] == body["extension"]


@pytest.mark.requirement("HK-0")
def test_the_context_of_an_unknown_hook_passes_untouched():
    body = {"hook": "org.example.new", "hookInstance": "i", "context": {"patientId": 5}}
    assert load_request(body, "org.example.new")["context"] == {"patientId": 5}


@pytest.mark.requirement("HK-AB-4")
def test_an_array_of_appointments_counts_as_their_bundle():
    sent = message("appointment-book", {"appointments": [resource("Appointment")]})
    context = load_request(sent, "appointment-book")["context"]
    assert context["appointments"] == bundle("Appointment")


@pytest.mark.requirement("HK-AI-4")
def test_an_allergy_may_stand_under_resource():
    allergy = resource("AllergyIntolerance")
    sent = message("allergyintolerance-create", {"allergyIntolerance": {"resource": allergy}})
    context = load_request(sent, "allergyintolerance-create")["context"]
    assert context["allergyIntolerance"] == allergy


@pytest.mark.requirement("HK-AI-4", "HK-MV-4")
@pytest.mark.parametrize("hook", ["allergyintolerance-create", "medication-verify"])
def test_a_resource_of_another_type_is_refused(hook):
    (name,) = CONTEXT[hook].keys() - USER.keys()
    assert f"context.{name}: must be an object" in problem(
        message(hook, {name: resource("Patient")}), hook
    )


@pytest.mark.requirement("VER-3")
def test_prefetch_values_are_not_touched():
    prefetch = {"a": None, "b": {"resourceType": "Bundle"}, "c": "odd", "d": []}
    assert load_request(message(prefetch=prefetch), "patient-view")["prefetch"] == prefetch


@pytest.mark.requirement("REQ-20")
@pytest.mark.parametrize("sent", ["p-1.a", "Patient/p-1.a"])
def test_ids_become_bare(sent):
    request = load_request(
        message("encounter-start", {"patientId": sent, "encounterId": "Encounter/e"}),
        "encounter-start",
    )
    assert (request["context"]["patientId"], request["context"]["encounterId"]) == ("p-1.a", "e")


@pytest.mark.requirement("REQ-20")
@pytest.mark.parametrize(
    "sent", ["1&_has=x", "../Patient", "a/b", "Patient/", "a b", "1\r\n", "é", "x" * 65, "Group/1"]
)
def test_what_is_no_fhir_id_is_refused(sent):
    text = problem(message(context={"patientId": sent}))
    assert text == "context.patientId: must be a string, the FHIR id of the Patient"


@pytest.mark.requirement("HK-2", "VER-5")
@pytest.mark.parametrize("user", ["PractitionerRole/1", "doctor-001", "https://x/Practitioner/1"])
def test_any_user_is_taken(user):
    body = message(context={"userId": user})
    assert load_request(body, "patient-view")["context"]["userId"] == user


TASK = {"resourceType": "Task", "id": "t"}


@pytest.mark.requirement("HK-OD-2", "HK-OD-4")
@pytest.mark.parametrize(
    "sent",
    [
        {"dispatched-orders": ["ServiceRequest/mri"], "fulfillment-tasks": [TASK]},
        {"order": "ServiceRequest/mri", "task": TASK},
        {"order": "ServiceRequest/old", "dispatchedOrders": ["ServiceRequest/mri"], "task": TASK},
    ],
)
def test_older_names_of_dispatched_orders_and_tasks_are_understood(sent):
    body = message("order-dispatch")
    del body["context"]["dispatchedOrders"]
    body["context"] |= sent

    context = load_request(body, "order-dispatch")["context"]

    assert context["dispatchedOrders"] == ["ServiceRequest/mri"]
    assert context["fulfillmentTasks"] == [TASK]


FHIR_VERSION = "com.epic.cdshooks.request.fhir-version"


@pytest.mark.requirement("REQ-19")
@pytest.mark.parametrize("told", ["R4", "r4", "R4B", "4.0.1", "4.3.0", " R4 ", "", None, 4])
def test_data_of_r4_is_taken_and_what_tells_no_version_is_taken_for_r4(told):
    body = message(extension={FHIR_VERSION: told})
    assert load_request(body, "patient-view")["extension"] == {FHIR_VERSION: told}


@pytest.mark.requirement("REQ-19", "A2")
@pytest.mark.parametrize("told", ["DSTU2", "STU3", "R5", "3.0.2", "R40", "4x"])
def test_data_of_another_version_is_refused_and_not_misread(told):
    text = problem(message(extension={FHIR_VERSION: told}))
    assert text.startswith(f"extension.{FHIR_VERSION}: the data is not FHIR R4")


@pytest.mark.requirement("REQ-17")
@pytest.mark.requirement("REQ-5")
def test_a_token_without_a_server_is_dropped():
    authorization = {"access_token": "secret", "patient": "p"}
    request = load_request(message(fhirAuthorization=authorization), "patient-view")
    assert request["fhirAuthorization"] == {"patient": "p"}


@pytest.mark.requirement("VER-8", "AUTHZ-15", "AUTHZ-2", "AUTHZ-4", "AUTHZ-5")
@pytest.mark.parametrize("expires_in", [300, "300"])
@pytest.mark.parametrize("scope", ["user/Patient.read", "user/Patient.rs", "vendor:odd scope"])
def test_authorisation_is_taken_as_clients_send_it(expires_in, scope):
    authorization = {
        "access_token": "t",
        "token_type": "bearer",
        "expires_in": expires_in,
        "scope": scope,
        "subject": "us",
    }
    body = message(fhirServer="https://fhir.example/r4", fhirAuthorization=authorization)
    request = load_request(body, "patient-view")
    assert request["fhirAuthorization"]["expires_in"] == 300
    assert request["fhirAuthorization"]["access_token"] == "t"


@pytest.mark.requirement("REQ-12")
@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"fhirServer": 5}, "fhirServer"),
        ({"fhirServer": ["https://x"]}, "fhirServer"),
        ({"fhirAuthorization": "token"}, "fhirAuthorization"),
        ({"fhirAuthorization": {"access_token": 5}}, "fhirAuthorization.access_token"),
        ({"fhirAuthorization": {"expires_in": "soon"}}, "fhirAuthorization.expires_in"),
        ({"fhirAuthorization": {"expires_in": True}}, "fhirAuthorization.expires_in"),
        ({"prefetch": "none"}, "prefetch"),
        ({"extension": [1]}, "extension"),
    ],
)
def test_a_member_of_the_wrong_type_is_named(members, named):
    assert problem(message(**members)).startswith(f"{named}: must be ")


@pytest.mark.requirement("REQ-23")
def test_drafts_without_bundle_type_or_resource_are_tolerated():
    entries = [{}, None, {"resource": None}, {"fullUrl": "x"}, {"resource": DRAFT}]
    drafts = {"resourceType": "Bundle", "entry": entries}
    request = load_request(message("order-sign", {"draftOrders": drafts}), "order-sign")
    assert request["context"]["draftOrders"]["entry"] == [{"resource": DRAFT}]
    assert len(entries) == 5


def test_a_draft_that_stands_where_its_entry_goes_is_told_so():
    drafts = {"resourceType": "Bundle", "entry": [DRAFT]}
    text = problem(message("order-sign", {"draftOrders": drafts}), "order-sign")
    assert text == (
        "context.draftOrders.entry[0].resource: required; the resource itself stands where its "
        "entry goes"
    )


@pytest.mark.requirement("HK-OSel-4")
@pytest.mark.parametrize("selections", [["mri"], ["ServiceRequest/ct"], ["MedicationRequest/mri"]])
def test_selections_that_name_no_draft_are_refused(selections):
    text = problem(message("order-select", {"selections": selections}), "order-select")
    assert text == "context.selections: none of them names a resource of context.draftOrders"


@pytest.mark.requirement("HK-OSel-4")
@pytest.mark.parametrize(
    "selections", [[], ["ServiceRequest/mri", "Task/1"], ["https://x.example/ServiceRequest/mri"]]
)
def test_selections_of_which_one_names_a_draft_are_taken(selections):
    request = load_request(message("order-select", {"selections": selections}), "order-select")
    assert request["context"]["selections"] == selections


@pytest.mark.parametrize(
    "drafts", [{"resourceType": "Bundle"}, {"resourceType": "Bundle", "entry": None}]
)
def test_no_drafts_are_drafts(drafts):
    request = load_request(message("order-sign", {"draftOrders": drafts}), "order-sign")
    assert request["context"]["draftOrders"]["entry"] == []


@pytest.mark.parametrize(
    ("drafts", "named"),
    [
        ({}, "draftOrders"),
        ([DRAFT], "draftOrders"),
        ({"resourceType": "ServiceRequest"}, "draftOrders"),
        ({"resourceType": "Bundle", "entry": {}}, "draftOrders.entry"),
        ({"resourceType": "Bundle", "entry": [{}, 5]}, "draftOrders.entry[1]"),
        ({"resourceType": "Bundle", "entry": [{"resource": "x"}]}, "draftOrders.entry[0].resource"),
        (
            {"resourceType": "Bundle", "entry": [{"resource": {**DRAFT, "id": 5}}]},
            "draftOrders.entry[0].resource.id",
        ),
    ],
)
def test_what_is_wrong_in_the_drafts_is_named(drafts, named):
    text = problem(message("order-sign", {"draftOrders": drafts}), "order-sign")
    assert text.startswith(f"context.{named}: must be ")


def test_values_are_never_in_the_message():
    canary = "Jane-Doe-1979"
    body = message(context={"patientId": f"{canary} x", "userId": [canary]}, prefetch=canary)
    assert canary not in problem(body)


def test_what_was_passed_in_is_not_changed():
    body = message(
        "order-select", {"patientId": "Patient/p"}, fhirAuthorization={"access_token": "t"}
    )
    before = copy.deepcopy(body)
    load_request(body, "order-select")
    assert body == before


def test_a_flood_of_problems_is_counted_not_listed():
    body = message("order-select", {"selections": [5] * 1000})
    text = problem(body, "order-select")
    assert "and 980 more" in text
    assert len(text) < 2000


# Feedback.

ACCEPTED = {
    "card": "c1",
    "outcome": "accepted",
    "acceptedSuggestions": [{"id": "s1"}, {"id": "s2"}],
    "outcomeTimestamp": "2024-06-01T10:05:31Z",
}
OVERRIDDEN = {
    "card": "c1",
    "outcome": "overridden",
    "overrideReason": {
        "reason": {"code": "r", "system": "https://x", "display": "R"},
        "userComment": "no",
    },
    "outcomeTimestamp": "2024-06-01T10:05:31Z",
}


def wrong_feedback(*entries):
    with pytest.raises(RequestError) as raised:
        load_feedback({"feedback": list(entries)})
    return f"{raised.value.where}: {raised.value.message}"


def without(entry, member):
    return {name: value for name, value in entry.items() if name != member}


@pytest.mark.requirement("FB-2", "FB-3", "FB-4", "FB-5", "FB-6", "FB-11")
def test_an_acceptance_is_taken():
    (item,) = load_feedback({"feedback": [ACCEPTED]})
    assert (item.card, item.outcome, item.suggestions) == ("c1", "accepted", ("s1", "s2"))
    assert item.at == datetime(2024, 6, 1, 10, 5, 31, tzinfo=UTC)


@pytest.mark.requirement("FB-7", "FB-8", "FB-9", "FB-20")
def test_an_override_is_taken_with_its_reason_and_comment():
    (item,) = load_feedback({"feedback": [OVERRIDDEN]})
    assert (item.reason_code, item.reason_system, item.reason_display) == ("r", "https://x", "R")
    assert item.comment == "no"


@pytest.mark.requirement("FB-7", "FB-10")
@pytest.mark.parametrize("reason", [None, {}, {"reason": None}, {"userComment": ""}, "absent"])
def test_an_override_needs_no_reason(reason):
    entry = {**OVERRIDDEN, "overrideReason": reason}
    if reason == "absent":
        del entry["overrideReason"]
    (item,) = load_feedback({"feedback": [entry]})
    assert (item.reason_code, item.comment) == (None, None)


@pytest.mark.requirement("FB-19")
def test_the_plural_spelling_is_taken():
    entry = {
        **without(OVERRIDDEN, "overrideReason"),
        "overrideReasons": OVERRIDDEN["overrideReason"],
    }
    assert load_feedback({"feedback": [entry]}) == load_feedback({"feedback": [OVERRIDDEN]})


@pytest.mark.requirement("FB-19", "FB-18")
def test_a_reason_in_the_vendors_extension_is_taken():
    key = "com.epic.cdshooks.feedback.overrideReason."
    extension = {f"{key}reasonCategory": "45", f"{key}reasonDisplay": "Does not meet criteria"}
    entry = {
        **without(OVERRIDDEN, "overrideReason"),
        "card": "123456",
        "overrideReasons": {"extension": extension, "userComment": "Free text"},
    }
    (item,) = load_feedback({"feedback": [entry]})
    assert (item.card, item.reason_code, item.comment) == ("123456", "45", "Free text")
    assert item.reason_display == "Does not meet criteria"


@pytest.mark.requirement("FB-20")
@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2024-06-01T12:05:31+02:00", (2024, 6, 1, 10, 5, 31)),
        ("2024-06-01T10:05:31.123456789Z", (2024, 6, 1, 10, 5, 31, 123456)),
        ("2024-05-31T22:35:31.5-11:30", (2024, 6, 1, 10, 5, 31, 500000)),
        ("2024-06-01t10:05:31z", (2024, 6, 1, 10, 5, 31)),
        ("2024-06-01T10:05:31", (2024, 6, 1, 10, 5, 31)),
        ("2024-06-01", (2024, 6, 1)),
    ],
)
def test_timestamps_become_utc(sent, kept):
    (item,) = load_feedback({"feedback": [{**ACCEPTED, "outcomeTimestamp": sent}]})
    assert item.at == datetime(*kept, tzinfo=UTC)


@pytest.mark.requirement("FB-17")
@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ("text", "feedback[1]"),
        (None, "feedback[1]"),
        (without(ACCEPTED, "card"), "feedback[1].card"),
        ({**ACCEPTED, "card": 5}, "feedback[1].card"),
        (without(ACCEPTED, "outcome"), "feedback[1].outcome"),
        ({**ACCEPTED, "outcome": "ignored"}, "feedback[1].outcome"),
        ({**ACCEPTED, "outcome": 5}, "feedback[1].outcome"),
        (without(ACCEPTED, "outcomeTimestamp"), "feedback[1].outcomeTimestamp"),
        ({**ACCEPTED, "outcomeTimestamp": "yesterday"}, "feedback[1].outcomeTimestamp"),
        ({**ACCEPTED, "outcomeTimestamp": "2024-13-01T00:00:00Z"}, "feedback[1].outcomeTimestamp"),
        (
            {**ACCEPTED, "outcomeTimestamp": "0001-01-01T00:00:00+01:00"},
            "feedback[1].outcomeTimestamp",
        ),
        ({**ACCEPTED, "outcomeTimestamp": 1717236331}, "feedback[1].outcomeTimestamp"),
        (without(ACCEPTED, "acceptedSuggestions"), "feedback[1].acceptedSuggestions"),
        ({**ACCEPTED, "acceptedSuggestions": []}, "feedback[1].acceptedSuggestions"),
        ({**ACCEPTED, "acceptedSuggestions": ["s1"]}, "feedback[1].acceptedSuggestions[0]"),
        ({**ACCEPTED, "acceptedSuggestions": [{}]}, "feedback[1].acceptedSuggestions[0].id"),
        ({**OVERRIDDEN, "overrideReason": "no"}, "feedback[1].overrideReason"),
        ({**OVERRIDDEN, "overrideReason": {"reason": "no"}}, "feedback[1].overrideReason.reason"),
    ],
)
def test_a_wrong_entry_is_named_with_its_index(entry, named):
    text = wrong_feedback(OVERRIDDEN, entry)
    assert text.startswith(f"{named}: ")


@pytest.mark.requirement("FB-2", "FB-17")
@pytest.mark.parametrize("body", [{}, {"feedback": None}, {"feedback": ACCEPTED}, [], "x", None])
def test_a_message_without_the_array_is_refused(body):
    with pytest.raises(RequestError):
        load_feedback(body)


@pytest.mark.requirement("B5")
def test_more_than_a_thousand_entries_are_no_one_message():
    assert len(load_feedback({"feedback": [ACCEPTED] * 1000})) == 1000
    assert wrong_feedback(*[ACCEPTED] * 1001) == (
        "feedback: must hold at most 1000 items in one message"
    )


@pytest.mark.requirement("B5")
def test_a_card_has_no_more_than_fifty_suggestions():
    entry = {**ACCEPTED, "acceptedSuggestions": [{"id": "s1"}] * 51}
    assert wrong_feedback(ACCEPTED, entry) == (
        "feedback[1].acceptedSuggestions: must hold at most 50 items in one message"
    )


@pytest.mark.parametrize(
    ("hook", "member"), [("order-select", "selections"), ("order-dispatch", "dispatchedOrders")]
)
def test_no_more_than_a_thousand_orders_are_named_in_one_call(hook, member):
    named = [f"ServiceRequest/{number}" for number in range(1001)]
    assert problem(message(hook, {member: named}), hook) == (
        f"context.{member}: must hold at most 1000 items in one message"
    )


def test_an_empty_batch_is_a_batch():
    assert load_feedback({"feedback": []}) == []


@pytest.mark.requirement("FB-2")
def test_public_messages_that_the_specification_allows_are_taken(shared_data):
    files = sorted((shared_data / "cds-hooks" / "feedback").glob("*.json"))
    taken = 0
    for file in files:
        body = json.loads(file.read_text(encoding="utf-8"))
        try:
            checker.feedback(body)
        except AssertionError:
            with pytest.raises(RequestError):
                load_feedback(body)
        else:
            taken += len(load_feedback(body))
    assert taken >= 5
