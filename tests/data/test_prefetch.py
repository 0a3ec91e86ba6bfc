"""Prefetch by the decision table: data, known empty or unknown; fetched, refused or left open."""

from __future__ import annotations

import json
from contextlib import nullcontext
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fhir_stub
import pytest
from fhir_stub import FhirStub, closed_port, outcome, searchset

from cds_service import fhir_json
from cds_service.data.deadline import Deadline
from cds_service.data.fhir_client import FhirReader
from cds_service.data.prefetch import Key, Prefetched, State, Template, resolve
from cds_service.errors import PrefetchUnavailable, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_stub import Fault

SHARED = Path(__file__).parents[3] / "shared" / "data"

PATIENT = {"resourceType": "Patient", "id": "p1", "birthDate": "1979-03-01"}

ENOUGH_S = 2.0
"""A deadline for a server that hangs, in which one that answers does so on a busy machine too."""


def condition(number: int, subject: str = "Patient/p1") -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": f"c{number}",
        "subject": {"reference": subject},
    }


def template(need: Any = "should", key: str = "conditions", kind: str = "Condition") -> Template:
    return Template(key, f"{kind}?patient={{{{context.patientId}}}}", kind, need)


def patient_template(need: Any = "must") -> Template:
    return Template("patient", "Patient/{{context.patientId}}", "Patient", need)


USER = Template("user", "{{context.userId}}", None, "may")
ENCOUNTER = Template("encounter", "Encounter/{{context.encounterId}}", "Encounter", "may")

OPERATION_OUTCOME = outcome("error")


def message(prefetch: Any = None, **members: Any) -> dict[str, Any]:
    context = {"patientId": "p1", "userId": "Practitioner/d"} | members.pop("context", {})
    sent = {"hook": "patient-view", "hookInstance": "x", "context": context, **members}
    return sent if prefetch is None else sent | {"prefetch": prefetch}


def by_server(stub: FhirStub, prefetch: Any = None, **members: Any) -> dict[str, Any]:
    authorization = {"access_token": "t0ken", "token_type": "Bearer", "expires_in": 300}
    defaults = {"fhirServer": stub.base, "fhirAuthorization": authorization}
    return message(prefetch, **defaults | members)


def from_prefetch(value: object, wanted: Template | None = None) -> Key:
    """The key `conditions` of a request without FHIR server."""
    wanted = wanted or template()
    sent = message({wanted.key: value})
    return resolve([wanted], sent, reader=None, deadline=Deadline(30)).keys[wanted.key]


@pytest.fixture
def stub() -> Iterator[FhirStub]:
    with FhirStub([PATIENT, condition(1), condition(2)], token="t0ken") as server:
        yield server


@pytest.fixture
def reader() -> Iterator[FhirReader]:
    with FhirReader() as made:
        yield made


def run(reader: FhirReader, sent: dict[str, Any], *templates: Template) -> Prefetched:
    return resolve(templates or [template()], sent, reader=reader, deadline=Deadline(30))


def ids(key: Key) -> list[str]:
    return [resource["id"] for resource in key.resources]


# --- the decision table ---


def entry(resource: object, mode: str | None = "match") -> dict[str, Any]:
    return {"resource": resource} | ({"search": {"mode": mode}} if mode else {})


def bundle(*entries: Any, **members: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "searchset", "entry": list(entries)} | members


NEXT = [{"relation": "next", "url": "https://ehr.example.org/fhir?page=2"}]

DATA = {
    "a resource of the type": condition(1),
    "a searchset": bundle(entry(condition(1)), total=1),
    "entries without search mode": bundle(entry(condition(1), None)),
    "a Bundle without type": {"resourceType": "Bundle", "entry": [entry(condition(1))]},
    "a warning beside the data": bundle(
        entry(condition(1)), entry(outcome("warning"), "outcome"), total=1
    ),
    "an outcome that is not marked as one": bundle(
        entry(condition(1)), entry(outcome("information"), None)
    ),
    "a total below the number of entries": bundle(entry(condition(1)), total=0),
    "a total in text": bundle(entry(condition(1)), total="1"),
    "no total, said as null": bundle(entry(condition(1)), total=None),
    "the same resource twice": bundle(entry(condition(1)), entry(condition(1)), total=1),
}


@pytest.mark.requirement("PF-2", "PF-12", "REQ-23")
@pytest.mark.parametrize("value", DATA.values(), ids=DATA)
def test_matching_entries_are_complete_data(value: dict[str, Any]) -> None:
    key = from_prefetch(value)

    assert (key.state, key.source, key.is_complete, key.reason) == (
        State.DATA,
        "prefetch",
        True,
        None,
    )
    assert ids(key) == ["c1"]


EMPTY = {
    "null": None,
    "no entries": bundle(total=0),
    "no entry member": {"resourceType": "Bundle"},
    "entry null": {"resourceType": "Bundle", "entry": None},
    "Epic's warning": bundle(entry(outcome("warning"), "outcome"), total=0),
    "an information": bundle(entry(outcome("information"), "outcome")),
    "an outcome that is not marked as one": bundle(entry(outcome("warning"), None)),
    "only includes": bundle(entry(PATIENT, "include"), total=0),
}


@pytest.mark.requirement("PF-8", "PF-12", "VER-3", "AMB-1")
@pytest.mark.parametrize("value", EMPTY.values(), ids=EMPTY)
def test_null_and_bundles_without_matches_are_known_empty(value: object) -> None:
    key = from_prefetch(value)

    assert (key.state, key.resources, key.is_complete) == (State.EMPTY, (), True)


FAILED = {
    "an OperationOutcome": OPERATION_OUTCOME,
    "an OperationOutcome with a warning": outcome("warning"),
    "a Bundle with an error": bundle(entry(outcome("error"), "outcome")),
    "a Bundle with an error, total 0": bundle(entry(outcome("fatal"), "outcome"), total=0),
    "a Bundle with an outcome without issue": bundle(entry({"resourceType": "OperationOutcome"})),
}


@pytest.mark.requirement("PF-5", "PF-7", "VER-2")
@pytest.mark.parametrize("value", FAILED.values(), ids=FAILED)
def test_an_error_of_the_client_is_unknown_and_not_asked_again(
    reader: FhirReader, stub: FhirStub, value: object
) -> None:
    key = run(reader, by_server(stub, {"conditions": value})).keys["conditions"]

    assert (key.state, key.resources, key.is_complete) == (State.UNKNOWN, (), False)
    assert "OperationOutcome" in (key.reason or "")
    assert stub.seen == []


UNSATISFIED = {
    "a string": "123",
    "an array": [condition(1)],
    "a number": 5,
    "an empty object": {},
    "a wrapped response": {"response": {"status": "200"}, "resource": condition(1)},
    "another type": {"resourceType": "Observation", "id": "o"},
    "a Bundle of another type": bundle(entry({"resourceType": "Observation", "id": "o"})),
    "a total without entries": bundle(total=3),
    "a total without entries, in text": bundle(total="3"),
    "a total without entries, as a decimal": bundle(total=Decimal("3.0")),
    "a total without entries that is no number": bundle(total="many"),
    "a total that is true": bundle(total=True),
    "entries without resource": bundle({"fullUrl": "https://ehr.example.org/fhir/Condition/1"}),
    "an entry that is null": bundle(None),
    "an entry that is a text": bundle("Condition/1"),
    "an entry that is an array": bundle([condition(1)]),
    "one entry without the array": {"resourceType": "Bundle", "entry": entry(condition(1))},
    "a text instead of entries": {"resourceType": "Bundle", "entry": "none"},
    "false instead of entries": {"resourceType": "Bundle", "entry": False},
    "only what is marked as an include": bundle(entry(condition(1), "include"), total=0),
    "only what is marked as an outcome": bundle(entry(condition(1), "outcome")),
    "a next page without an address": bundle(link=[{"relation": "next"}]),
    "a next page with a blank address": bundle(link=[{"relation": "next", "url": " "}]),
    "a next page without the array": bundle(link=NEXT[0]),
}


@pytest.mark.requirement("PF-13", "PF-6", "VER-9")
@pytest.mark.parametrize("value", UNSATISFIED.values(), ids=UNSATISFIED)
def test_a_value_that_does_not_fit_is_fetched_from_the_server(
    reader: FhirReader, stub: FhirStub, value: object
) -> None:
    key = run(reader, by_server(stub, {"conditions": value})).keys["conditions"]

    assert (key.state, key.source, ids(key)) == (State.DATA, "fhir-server", ["c1", "c2"])


@pytest.mark.requirement("PF-13", "PF-15")
@pytest.mark.parametrize("value", UNSATISFIED.values(), ids=UNSATISFIED)
def test_a_value_that_does_not_fit_is_unknown_and_never_empty(value: object) -> None:
    key = from_prefetch(value)

    assert (key.state, key.is_complete) == (State.UNKNOWN, False)
    assert key.reason is not None


INCOMPLETE = {
    "more results than entries": bundle(entry(condition(1)), total=2),
    "an entry without resource": bundle(entry(condition(1)), {"fullUrl": "x"}),
    "an error beside the data": bundle(entry(condition(1)), entry(outcome("error"), "outcome")),
    "a further page": bundle(entry(condition(1)), link=NEXT),
    "a further page without an address": bundle(entry(condition(1)), link=[{"relation": "next"}]),
    "an entry that is null": bundle(entry(condition(1)), None),
    "a total that is no number": bundle(entry(condition(1)), total="many"),
    "more results than entries, in text": bundle(entry(condition(1)), total="2"),
}


@pytest.mark.requirement("PF-9", "PF-11", "PF-15", "VER-4")
@pytest.mark.parametrize("value", INCOMPLETE.values(), ids=INCOMPLETE)
def test_data_of_which_a_part_is_missing_says_so(value: object) -> None:
    key = from_prefetch(value)

    assert (key.state, ids(key), key.is_complete) == (State.DATA, ["c1"], False)
    assert key.reason is not None


@pytest.mark.parametrize(
    "value",
    [bundle(link=NEXT), bundle(link=NEXT, total=0), bundle(entry(PATIENT, "include"), link=NEXT)],
)
def test_an_empty_page_before_a_page_that_is_missing_is_unknown(value: object) -> None:
    assert from_prefetch(value).state is State.UNKNOWN


@pytest.mark.requirement("PF-12")
def test_includes_are_not_data_but_stay_at_hand() -> None:
    practitioner = {"resourceType": "Practitioner", "id": "d"}
    extra = condition(9)
    sent = bundle(entry(condition(1)), entry(practitioner, "include"), entry(extra, "include"))

    key = from_prefetch(sent)

    assert ids(key) == ["c1"]
    assert key.related == (practitioner, extra)
    assert key.is_complete


def test_other_types_among_the_matches_are_related() -> None:
    medication = {"resourceType": "Medication", "id": "m"}

    key = from_prefetch(bundle(entry(condition(1), None), entry(medication, None)))

    assert (ids(key), key.related) == (["c1"], (medication,))


@pytest.mark.parametrize("kind", ["Practitioner", "PractitionerRole", "RelatedPerson"])
@pytest.mark.requirement("VER-5")
def test_a_template_without_type_takes_any_resource(kind: str) -> None:
    key = from_prefetch({"resourceType": kind, "id": "d"}, USER)

    assert (key.state, ids(key)) == (State.DATA, ["d"])


@pytest.mark.requirement("PF-14")
def test_keys_that_no_template_asks_for_are_ignored() -> None:
    sent = message({"conditions": None, "secret": {"resourceType": "Patient", "id": "other"}})

    found = resolve([template()], sent, reader=None, deadline=Deadline(30))

    assert set(found.keys) == {"conditions"}
    assert found.resolve("Patient/other") is None


@pytest.mark.requirement("REQ-18")
@pytest.mark.parametrize("absent", [{}, {"prefetch": None, "fhirServer": None}])
def test_without_prefetch_and_server_every_key_is_unknown(absent: dict[str, Any]) -> None:
    sent = message() | {"fhirAuthorization": None} | absent

    found = resolve([template(), USER], sent, reader=None, deadline=Deadline(30))

    assert [key.state for key in found.keys.values()] == [State.UNKNOWN, State.UNKNOWN]
    assert found.unavailable == ("conditions", "user")
    assert found.keys["conditions"].reason == (
        "it is not in prefetch, and the request names no FHIR server to read"
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"Condition": None}, "No template asks for 'Condition'."),
        ({"a": 1, "b": 1, "c": 1, "d": 1}, "No template asks for 'a', 'b', 'c' and 1 more."),
        ({"Jane Doe, 1970": None}, "FHIR server to read."),
        ({}, "FHIR server to read."),
    ],
)
def test_keys_that_nobody_asked_for_are_named_where_one_is_missing(
    given: dict[str, Any], said: str
) -> None:
    with pytest.raises(PrefetchUnavailable) as refused:
        resolve([template(need="must")], message(given), reader=None, deadline=Deadline(30))

    assert refused.value.message.endswith(said)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("Patient/1", "a string"),
        ([condition(1)], "an array"),
        ({"id": "1"}, "an object without resourceType"),
        (5, "a number or a boolean"),
    ],
)
def test_what_is_no_resource_is_told_by_its_form(value: object, form: str) -> None:
    sent = message({"conditions": value})

    found = resolve([template()], sent, reader=None, deadline=Deadline(30))

    assert (found.keys["conditions"].reason or "").startswith(
        f"its value in prefetch is {form}, not a FHIR resource"
    )


def test_unavailable_names_unknown_and_incomplete_keys_in_order() -> None:
    templates = [template(key=name) for name in ("cut", "empty", "failed", "whole")]
    sent = message(
        {
            "whole": bundle(entry(condition(1))),
            "failed": OPERATION_OUTCOME,
            "empty": None,
            "cut": bundle(entry(condition(1)), total=7),
        }
    )

    found = resolve(templates, sent, reader=None, deadline=Deadline(30))

    assert found.unavailable == ("cut", "failed")


def test_nothing_that_was_sent_is_changed() -> None:
    sent = message({"conditions": bundle(entry(condition(1)), entry(PATIENT, "include"))})
    before = json.dumps(sent)

    resolve([template()], sent, reader=None, deadline=Deadline(30))

    assert json.dumps(sent) == before


# --- fetching ---


@pytest.mark.requirement("PF-3", "PF-10")
def test_missing_keys_are_fetched_and_present_ones_are_not(
    reader: FhirReader, stub: FhirStub
) -> None:
    found = run(
        reader,
        by_server(stub, {"patient": PATIENT, "meds": None}),
        patient_template(),
        template(),
        template(key="meds", kind="MedicationRequest"),
    )

    assert stub.paths() == ["Condition?patient=p1"]
    assert [(key.state, key.source) for key in found.keys.values()] == [
        (State.DATA, "prefetch"),
        (State.DATA, "fhir-server"),
        (State.EMPTY, "prefetch"),
    ]


@pytest.mark.requirement("PF-10")
def test_prefetch_and_server_give_the_same_keys(reader: FhirReader, stub: FhirStub) -> None:
    templates = [
        patient_template(),
        template(),
        template(key="observations", kind="Observation"),
    ]
    prefetch = {
        "patient": PATIENT,
        "conditions": searchset([condition(1), condition(2)], total=2),
        "observations": searchset([], total=0),
    }

    given = run(reader, message(prefetch), *templates)
    fetched = run(reader, by_server(stub), *templates)

    assert [(key.state, key.resources, key.is_complete) for key in given.keys.values()] == [
        (key.state, key.resources, key.is_complete) for key in fetched.keys.values()
    ]


@pytest.mark.requirement("PF-11")
def test_further_pages_of_prefetch_are_fetched(reader: FhirReader, stub: FhirStub) -> None:
    first = searchset([condition(0)], total=3)
    first["link"] = [{"relation": "next", "url": f"{stub.base}/Condition?patient=p1"}]

    key = run(reader, by_server(stub, {"conditions": first})).keys["conditions"]

    assert ids(key) == ["c0", "c1", "c2"]
    assert (key.source, key.is_complete) == ("prefetch", True)


@pytest.mark.requirement("PF-11")
def test_the_token_does_not_follow_a_prefetched_link_elsewhere(
    reader: FhirReader, stub: FhirStub
) -> None:
    with FhirStub() as other:
        first = searchset([condition(0)])
        first["link"] = [{"relation": "next", "url": f"{other.base}/Condition"}]

        key = run(reader, by_server(stub, {"conditions": first})).keys["conditions"]

    assert (key.is_complete, other.seen, stub.seen) == (False, [], [])


@pytest.mark.requirement("PF-11", "PF-4")
def test_required_data_with_a_page_that_cannot_be_had_is_refused(
    reader: FhirReader, stub: FhirStub
) -> None:
    stub.faults["Gone"] = fhir_stub.status(500)
    first = searchset([condition(0)])
    first["link"] = [{"relation": "next", "url": f"{stub.base}/Gone?page=2"}]

    with pytest.raises(PrefetchUnavailable) as caught:
        run(reader, by_server(stub, {"conditions": first}), template("must"))

    assert caught.value.keys == ("conditions",)
    assert "page 2: the FHIR server failed (500)" in caught.value.message


@pytest.mark.requirement("PF-16")
def test_required_data_below_its_total_was_obtained_and_stays() -> None:
    value = bundle(entry(condition(1)), total=7)

    key = from_prefetch(value, template("must"))

    assert (key.state, key.is_complete) == (State.DATA, False)
    assert key.reason == "the Bundle holds 1 of 7 results"


@pytest.mark.requirement("PF-16")
@pytest.mark.parametrize("value", EMPTY.values(), ids=EMPTY)
def test_required_data_that_is_known_empty_is_no_failure(value: object) -> None:
    assert from_prefetch(value, template("must")).state is State.EMPTY


FETCH_FAULTS: dict[str, Fault] = {
    "401": fhir_stub.status(401),
    "403": fhir_stub.status(403),
    "404": fhir_stub.status(404),
    "429": fhir_stub.status(429),
    "500": fhir_stub.status(500),
    "302": fhir_stub.status(302, Location="/"),
    "HTML": fhir_stub.answer(b"<html>", "text/html"),
    "OperationOutcome": fhir_stub.resource_answer(OPERATION_OUTCOME),
    "error in a Bundle": fhir_stub.resource_answer(bundle(entry(outcome("error"), "outcome"))),
    "another type": fhir_stub.resource_answer({"resourceType": "Observation"}),
    "huge": fhir_stub.answer(b" " * 6_000_000),
    "reset": fhir_stub.reset,
    "cut": fhir_stub.cut_body,
    "endless": fhir_stub.next_page("Condition?patient=p1"),
}


@pytest.mark.requirement("PF-17", "PF-15")
@pytest.mark.parametrize("need", ["should", "may"])
@pytest.mark.parametrize("fault", FETCH_FAULTS.values(), ids=FETCH_FAULTS)
def test_optional_data_that_cannot_be_fetched_is_unknown_with_a_reason(
    reader: FhirReader, stub: FhirStub, fault: Fault, need: str
) -> None:
    stub.faults["Condition"] = fault

    found = run(reader, by_server(stub), patient_template(), template(need))

    key = found.keys["conditions"]
    assert (key.state, key.is_complete) == (State.UNKNOWN, False)
    assert key.reason
    assert found.keys["patient"].state is State.DATA


@pytest.mark.requirement("PF-4", "PF-17", "PF-18", "PHI-5")
@pytest.mark.parametrize("fault", FETCH_FAULTS.values(), ids=FETCH_FAULTS)
def test_required_data_that_cannot_be_fetched_is_named_without_patient_data(
    reader: FhirReader, stub: FhirStub, fault: Fault
) -> None:
    stub.faults["Condition"] = fault

    with pytest.raises(PrefetchUnavailable) as caught:
        run(reader, by_server(stub), patient_template(), template("must"))

    assert caught.value.keys == ("conditions",)
    assert "'conditions': " in caught.value.message
    for secret in ("p1", "t0ken", "127.0.0.1", "http"):
        assert secret not in str(caught.value)


def test_every_required_key_that_is_missing_is_named() -> None:
    templates = [template("must", key="a"), template("should", key="b"), template("must", key="c")]

    with pytest.raises(PrefetchUnavailable) as caught:
        resolve(templates, message(), reader=None, deadline=Deadline(30))

    assert caught.value.keys == ("a", "c")


def test_a_server_that_nobody_runs_is_unknown(reader: FhirReader) -> None:
    sent = message(
        fhirServer=f"http://127.0.0.1:{closed_port()}", fhirAuthorization={"access_token": "t"}
    )

    assert run(reader, sent).keys["conditions"].state is State.UNKNOWN


@pytest.mark.requirement("AUTHZ-12", "AUTHZ-17")
def test_without_token_an_open_server_is_read_only_where_that_is_allowed(
    reader: FhirReader, stub: FhirStub
) -> None:
    stub.token = None
    sent = message(fhirServer=stub.base)

    refused = run(reader, sent).keys["conditions"]
    with FhirReader(allow_open_servers=True) as lenient:
        read = run(lenient, sent).keys["conditions"]

    assert refused.state is State.UNKNOWN
    assert refused.reason == (
        "it is not in prefetch, and the request carries no access token for its fhirServer"
    )
    assert (read.state, ids(read)) == (State.DATA, ["c1", "c2"])
    assert len(stub.seen) == 1


@pytest.mark.requirement("REQ-17")
def test_a_token_without_server_is_ignored(reader: FhirReader) -> None:
    sent = message({"conditions": None}, fhirAuthorization={"access_token": "t"})

    assert run(reader, sent).keys["conditions"].state is State.EMPTY


@pytest.mark.requirement("PFT-23")
def test_a_key_whose_token_is_missing_is_unknown_and_not_fetched(
    reader: FhirReader, stub: FhirStub
) -> None:
    key = run(reader, by_server(stub), ENCOUNTER).keys["encounter"]

    assert key.state is State.UNKNOWN
    assert key.reason is not None
    assert key.reason.endswith("it needs context.encounterId, which the request does not carry")
    assert stub.seen == []


@pytest.mark.requirement("D5")
def test_a_bad_id_is_a_wrong_request_and_nothing_is_fetched(
    reader: FhirReader, stub: FhirStub
) -> None:
    with pytest.raises(RequestError):
        run(reader, by_server(stub, context={"encounterId": "../x"}), template(), ENCOUNTER)

    assert stub.seen == []


@pytest.mark.requirement("REQ-20")
def test_a_patient_id_with_its_type_is_stripped_in_queries(
    reader: FhirReader, stub: FhirStub
) -> None:
    run(reader, by_server(stub, context={"patientId": "Patient/p1"}), patient_template())

    assert stub.paths() == ["Patient/p1"]


# --- one deadline for all ---


@pytest.mark.requirement("PERF-2", "PERF-3")
def test_keys_are_fetched_at_the_same_time(reader: FhirReader, stub: FhirStub) -> None:
    meeting = fhir_stub.Meeting(3)
    for kind in ("Condition", "Observation", "Procedure"):
        stub.faults[kind] = meeting.answer
    templates = [template(key=kind, kind=kind) for kind in stub.faults]

    found = run(reader, by_server(stub), *templates)

    assert [key.state for key in found.keys.values()] == [State.EMPTY] * 3


@pytest.mark.requirement("PERF-2")
def test_a_hanging_key_does_not_take_the_others_with_it(reader: FhirReader, stub: FhirStub) -> None:
    stub.faults["Observation"] = fhir_stub.hang
    templates = [template(key="observations", kind="Observation"), template()]

    found = resolve(templates, by_server(stub), reader=reader, deadline=Deadline(ENOUGH_S))

    assert found.unavailable == ("observations",)
    assert found.keys["observations"].reason == (
        "it is not in prefetch, and the FHIR server did not answer in time"
    )
    assert ids(found.keys["conditions"]) == ["c1", "c2"]


@pytest.mark.requirement("PF-11")
def test_a_search_that_hangs_after_its_first_page_is_incomplete_data(
    reader: FhirReader, stub: FhirStub
) -> None:
    stub.faults["Slow"] = fhir_stub.hang
    first = searchset([condition(1)])
    first["link"] = [{"relation": "next", "url": f"{stub.base}/Slow"}]
    stub.faults["Condition"] = fhir_stub.resource_answer(first)

    found = resolve([template()], by_server(stub), reader=reader, deadline=Deadline(ENOUGH_S))

    key = found.keys["conditions"]
    assert (key.state, ids(key), key.is_complete) == (State.DATA, ["c1"], False)


@pytest.mark.requirement("D7", "PF-11", "A3")
def test_the_reads_of_a_call_share_one_limit_of_bytes(reader: FhirReader, stub: FhirStub) -> None:
    kinds = ("Condition", "Observation", "Procedure", "ServiceRequest")
    for kind in kinds:
        large = {"resourceType": kind, "id": "x", "note": "x" * 4_000_000}
        stub.faults[kind] = fhir_stub.resource_answer(large)

    found = run(reader, by_server(stub), *[template(key=kind, kind=kind) for kind in kinds])

    assert len(found.unavailable) == 2, "two of four megabytes each fit into ten"
    for kind in found.unavailable:
        assert found.keys[kind].state is State.UNKNOWN
        assert found.keys[kind].reason == (
            "it is not in prefetch, and the answers of the FHIR server to one call are larger "
            "than 10000000 bytes together"
        )


@pytest.mark.requirement("D7", "PF-11", "A3")
def test_pages_beyond_the_limit_leave_the_data_incomplete(
    reader: FhirReader, stub: FhirStub
) -> None:
    page = searchset([condition(1) | {"note": "x" * 4_000_000}])
    pages = iter(range(9))

    def next_page(handler: fhir_stub.Handler) -> None:
        page["link"] = [{"relation": "next", "url": f"{stub.base}/Condition?x={next(pages)}"}]
        fhir_stub.resource_answer(page)(handler)

    stub.faults["Condition"] = next_page

    key = run(reader, by_server(stub)).keys["conditions"]

    assert (key.state, key.is_complete) == (State.DATA, False)
    assert key.reason is not None
    assert "page 3: the answers of the FHIR server to one call are larger" in key.reason


@pytest.mark.requirement("AUTHZ-16")
@pytest.mark.parametrize("expires_in", [0, -5, "0"])
def test_nothing_is_read_with_a_token_that_has_expired(
    reader: FhirReader, stub: FhirStub, expires_in: object
) -> None:
    authorization = {"access_token": "t0ken", "expires_in": expires_in}

    key = run(reader, by_server(stub, fhirAuthorization=authorization)).keys["conditions"]

    assert (key.state, stub.seen) == (State.UNKNOWN, [])
    assert key.reason is not None
    assert key.reason.endswith(
        "no time is left to ask the FHIR server, or its access token has expired"
    )


@pytest.mark.parametrize("expires_in", [None, "soon", "300", 300, [], True])
def test_an_odd_lifetime_of_the_token_does_not_stop_the_read(
    reader: FhirReader, stub: FhirStub, expires_in: object
) -> None:
    authorization = {"access_token": "t0ken", "expires_in": expires_in}

    key = run(reader, by_server(stub, fhirAuthorization=authorization)).keys["conditions"]

    assert key.state is State.DATA


@pytest.mark.requirement("AUTHZ-3", "AUTHZ-13")
@pytest.mark.parametrize("token_type", ["MAC", "DPoP", "N_A", "Bearer x", "Basic"])
def test_a_token_that_is_no_bearer_token_is_not_sent(
    reader: FhirReader, stub: FhirStub, token_type: str
) -> None:
    authorization = {"access_token": "t0ken", "token_type": token_type, "expires_in": 300}

    key = run(reader, by_server(stub, fhirAuthorization=authorization)).keys["conditions"]

    assert (key.state, key.reason, stub.seen) == (
        State.UNKNOWN,
        "it is not in prefetch, and the access token of the request is not of the type Bearer",
        [],
    )


@pytest.mark.requirement("AUTHZ-3", "AUTHZ-15")
@pytest.mark.parametrize("named", [{"token_type": "bearer"}, {"token_type": "BEARER "}, {}])
def test_a_bearer_token_is_one_in_any_spelling(
    reader: FhirReader, stub: FhirStub, named: dict[str, str]
) -> None:
    authorization = {"access_token": "t0ken", "expires_in": 300, **named}

    key = run(reader, by_server(stub, fhirAuthorization=authorization)).keys["conditions"]

    assert key.state is State.DATA
    assert {request.headers["Authorization"] for request in stub.seen} == {"Bearer t0ken"}


@pytest.mark.requirement("AUTHZ-3")
def test_an_open_server_is_not_read_for_a_token_of_another_type_either(stub: FhirStub) -> None:
    authorization = {"access_token": "t0ken", "token_type": "MAC"}
    with FhirReader(allow_open_servers=True) as opened:
        key = run(opened, by_server(stub, fhirAuthorization=authorization)).keys["conditions"]

    assert (key.state, stub.seen) == (State.UNKNOWN, [])


@pytest.mark.requirement("A5")
def test_a_call_that_may_not_wait_reads_nothing(stub: FhirStub) -> None:
    with FhirReader(while_waiting=lambda: nullcontext(enter_result=False)) as full:
        key = run(full, by_server(stub)).keys["conditions"]

    assert (key.state, stub.seen) == (State.UNKNOWN, [])
    assert key.reason == (
        "it is not in prefetch, and too many other calls wait for FHIR servers just now"
    )


# --- one patient ---

SAME = [
    "Patient/p1",
    "https://ehr.example.org/fhir/Patient/p1",
    "Patient/p1/_history/3",
    "urn:uuid:p1",
    "urn:uuid:FB7C882A-0000-4000-8000-000000000000",
    "Group/g",
    "#contained",
    "Patient?identifier=x",
    "https://ehr.example.org/fhir/Patient?identifier=x",
    "Patient/p1?x=y",
]
OTHER = [
    "Patient/p2",
    "Patient/p2?x=y",
    "https://ehr.example.org/fhir/Patient/p2?x=y",
    "Patient/P1",
    "https://ehr.example.org/fhir/Patient/p2",
    "Patient/p2/_history/1",
    "urn:uuid:fb7c882a-0000-4000-8000-000000000001",
    "urn:oid:1.2.3",
    "Patient/not_an_id",
    "p2",
    "https://ehr.example.org/p2",
]
PATIENT_WITH_URL = {
    "resourceType": "Bundle",
    "entry": [
        {"fullUrl": "urn:uuid:fb7c882a-0000-4000-8000-000000000000", "resource": PATIENT},
    ],
}


@pytest.mark.requirement("REQ-22")
@pytest.mark.parametrize("subject", SAME)
def test_every_way_to_name_the_patient_is_accepted(subject: str) -> None:
    sent = message({"patient": PATIENT_WITH_URL, "conditions": condition(1, subject)})

    found = resolve([patient_template(), template()], sent, reader=None, deadline=Deadline(30))

    assert found.unavailable == ()


def test_a_patient_without_id_is_known_by_its_full_url() -> None:
    url = "urn:uuid:fb7c882a-0000-4000-8000-000000000000"
    nameless = {"fullUrl": url, "resource": {"resourceType": "Patient"}}
    sent = message({"patient": bundle(nameless), "conditions": condition(1, url)})

    found = resolve([patient_template(), template()], sent, reader=None, deadline=Deadline(30))

    assert found.unavailable == ()


@pytest.mark.requirement("REQ-21", "REQ-22")
@pytest.mark.parametrize("subject", OTHER)
def test_prefetch_about_another_patient_is_refused(subject: str) -> None:
    sent = message(
        {"patient": PATIENT_WITH_URL, "conditions": bundle(entry(condition(1, subject)))}
    )

    with pytest.raises(PrefetchUnavailable) as caught:
        resolve([patient_template(), template("may")], sent, reader=None, deadline=Deadline(30))

    assert caught.value.keys == ("conditions",)
    assert "another patient" in caught.value.message
    assert subject not in str(caught.value)


@pytest.mark.requirement("REQ-21")
@pytest.mark.parametrize("mode", ["match", "include", None])
def test_a_patient_resource_with_another_id_is_refused(mode: str | None) -> None:
    other = {"resourceType": "Patient", "id": "p2"}
    sent = message({"conditions": bundle(entry(condition(1)), entry(other, mode))})

    with pytest.raises(PrefetchUnavailable, match="another patient in key 'conditions'"):
        resolve([template()], sent, reader=None, deadline=Deadline(30))


@pytest.mark.requirement("REQ-21")
def test_fetched_data_about_another_patient_is_refused(reader: FhirReader, stub: FhirStub) -> None:
    stub.faults["Condition"] = fhir_stub.resource_answer(searchset([condition(1, "Patient/p2")]))

    with pytest.raises(PrefetchUnavailable, match="another patient"):
        run(reader, by_server(stub))


OF_ANOTHER = {"resourceType": "ServiceRequest", "id": "s", "subject": {"reference": "Patient/p2"}}


@pytest.mark.requirement("REQ-21", "E9")
@pytest.mark.parametrize(
    "value",
    [bundle(entry(OF_ANOTHER, None)), OF_ANOTHER, [{"resourceType": "Task"}, OF_ANOTHER]],
    ids=["in a Bundle", "alone", "in an array"],
)
def test_what_the_context_holds_about_another_patient_is_refused(value: Any) -> None:
    sent = message({"conditions": None}, context={"draftOrders": value})

    with pytest.raises(PrefetchUnavailable, match="another patient in the context"):
        resolve([template()], sent, reader=None, deadline=Deadline(30))


@pytest.mark.requirement("REQ-21")
@pytest.mark.parametrize("authorized", ["p2", "Patient/p2"])
def test_a_token_for_another_patient_is_refused_before_anything_is_read(
    reader: FhirReader, stub: FhirStub, authorized: str
) -> None:
    authorization = {"access_token": "t0ken", "patient": authorized}

    with pytest.raises(PrefetchUnavailable, match=r"fhirAuthorization\.patient"):
        run(reader, by_server(stub, fhirAuthorization=authorization))

    assert stub.seen == []


@pytest.mark.parametrize("authorized", ["p1", "Patient/p1", None])
def test_a_token_for_the_patient_is_accepted(
    reader: FhirReader, stub: FhirStub, authorized: str | None
) -> None:
    authorization = {"access_token": "t0ken", "patient": authorized}

    found = run(reader, by_server(stub, fhirAuthorization=authorization))

    assert found.unavailable == ()


# --- references ---

MEDICATION = {"resourceType": "Medication", "id": "m1"}
DOCTOR = {"resourceType": "Practitioner", "id": "d"}
DRAFT = {"resourceType": "ServiceRequest", "id": "s1", "subject": {"reference": "Patient/p1"}}


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("Medication/m1", MEDICATION),
        ("https://ehr.example.org/fhir/Medication/m1", MEDICATION),
        ("https://other.example.org/Medication/m1/_history/2", MEDICATION),
        ("urn:uuid:0000aaaa-0000-4000-8000-000000000000", MEDICATION),
        ("Practitioner/d", DOCTOR),
        ("urn:uuid:D", DOCTOR),
        ("ServiceRequest/s1", DRAFT),
        ("Condition/c1", condition(1)),
        ("Medication/unknown", None),
        ("Patient/p1", None),
        ("#m1", None),
        ("", None),
    ],
)
def test_a_reference_leads_to_what_came_with_keys_and_drafts(
    reference: str, expected: dict[str, Any] | None
) -> None:
    medication = entry(MEDICATION, "include") | {
        "fullUrl": "urn:uuid:0000aaaa-0000-4000-8000-000000000000"
    }
    sent = message(
        {"conditions": bundle(entry(condition(1)), medication), "user": DOCTOR},
        context={"draftOrders": bundle(entry(DRAFT, None)), "selections": ["ServiceRequest/s1"]},
    )

    found = resolve([template(), USER], sent, reader=None, deadline=Deadline(30))

    assert found.resolve(reference) == expected


def test_a_reference_leads_to_what_was_fetched(reader: FhirReader, stub: FhirStub) -> None:
    found = run(reader, by_server(stub))

    assert found.resolve(f"{stub.base}/Condition/c2") == condition(2)


# --- data that others wrote ---


def patient_files() -> list[Any]:
    files = sorted((SHARED / "patients").glob("*.json"))
    absent = pytest.param(SHARED, marks=pytest.mark.skip(reason="shared/data is not here"))
    return [pytest.param(file, id=file.stem) for file in files] or [absent]


@pytest.mark.parametrize("file", patient_files())
def test_a_real_patient_bundle_is_read_as_published(file: Path) -> None:
    published = fhir_json.decode(file.read_bytes())
    resources = list(fhir_json.resources(published))
    (patient,) = [each for each in resources if each["resourceType"] == "Patient"]
    kinds = sorted({each["resourceType"] for each in resources})
    prefetch = {
        kind: published
        | {"entry": [e for e in published["entry"] if e["resource"]["resourceType"] == kind]}
        for kind in kinds
    }
    sent = message(prefetch, context={"patientId": patient["id"]})

    found = resolve(
        [template("must", kind, kind) for kind in kinds],
        sent,
        reader=None,
        deadline=Deadline(30),
    )

    assert found.unavailable == ()
    for kind in kinds:
        expected = [each for each in resources if each["resourceType"] == kind]
        assert list(found.keys[kind].resources) == expected


def harvested_requests() -> list[Any]:
    files = sorted((SHARED / "cds-hooks").rglob("*.json"))
    messages = [(file.stem, fhir_json.decode(file.read_bytes())) for file in files]
    sent = [
        pytest.param(each, id=name)
        for name, each in messages
        if isinstance(each, dict) and isinstance(each.get("context"), dict)
    ]
    absent = pytest.param({}, marks=pytest.mark.skip(reason="shared/data is not here"))
    return sent or [absent]


@pytest.mark.parametrize("sent", harvested_requests())
def test_a_harvested_request_is_resolved_or_refused_with_a_sentence(sent: dict[str, Any]) -> None:
    keys = sent.get("prefetch") or {"conditions": None}
    templates = [Template(key, "{{context.userId}}", None, "may") for key in keys]

    try:
        found = resolve(templates, sent, reader=None, deadline=Deadline(30))
    except (RequestError, PrefetchUnavailable):
        return
    assert set(found.keys) == set(keys)
