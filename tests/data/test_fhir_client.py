"""The reader against a real server: what it reads, what it refuses, and that it always returns."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import fhir_stub
import pytest
from fhir_stub import FhirStub, closed_port, outcome, searchset

from cds_service.data.deadline import Deadline
from cds_service.data.fhir_client import Answer, FhirReader, FhirServer
from cds_service.data.waiting import KEEPS_WAITING, LATE_S, MOST_LATE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fhir_stub import Fault

PATIENT = {"resourceType": "Patient", "id": "p1"}
CONDITIONS = [
    {"resourceType": "Condition", "id": f"c{number}", "subject": {"reference": "Patient/p1"}}
    for number in range(5)
]
SEARCH = "Condition?patient=p1"
LATE = "the FHIR server did not answer in time"


class Clock:
    """A clock that only moves when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def advance(self) -> None:
        self.now += 1


@pytest.fixture
def stub() -> Iterator[FhirStub]:
    with FhirStub([PATIENT, *CONDITIONS], token="t0ken") as server:
        yield server


@pytest.fixture
def reader() -> Iterator[FhirReader]:
    with FhirReader() as made:
        yield made


def fetch(
    reader: FhirReader, stub: FhirStub, query: str = SEARCH, deadline: Deadline | None = None
) -> Answer:
    return reader.fetch(FhirServer(stub.base, "t0ken"), query, deadline or Deadline(30))


def ids(answer: Answer) -> list[str]:
    return [entry["resource"]["id"] for page in answer.documents for entry in page["entry"]]


@pytest.mark.requirement("AUTHZ-13", "OUT-2")
def test_a_read_is_one_get_with_the_bearer_token(reader: FhirReader, stub: FhirStub) -> None:
    answer = fetch(reader, stub, "Patient/p1")

    assert answer == Answer((PATIENT,))
    (seen,) = stub.seen
    assert (seen.method, seen.path) == ("GET", "/fhir/Patient/p1")
    assert seen.headers["Authorization"] == "Bearer t0ken"
    assert seen.headers["Accept"] == "application/fhir+json"


@pytest.mark.requirement("PF-11")
def test_a_search_is_read_to_its_last_page(reader: FhirReader, stub: FhirStub) -> None:
    stub.page_size = 2

    answer = fetch(reader, stub)

    assert ids(answer) == ["c0", "c1", "c2", "c3", "c4"]
    assert answer.failure is None
    assert [seen.headers["Authorization"] for seen in stub.seen] == ["Bearer t0ken"] * 3


def test_further_pages_of_a_given_bundle_are_read(reader: FhirReader, stub: FhirStub) -> None:
    stub.page_size = 4
    (first, *_) = fetch(reader, stub).documents

    answer = reader.follow(FhirServer(stub.base, "t0ken"), first, Deadline(30))

    assert ids(answer) == ["c0", "c1", "c2", "c3", "c4"]
    assert stub.paths()[-1] == "Condition?patient=p1&_page=1"


def test_a_relative_next_link_is_read_below_the_base(reader: FhirReader, stub: FhirStub) -> None:
    first = searchset([]) | {"link": [{"relation": "next", "url": "Condition?patient=p1"}]}

    answer = reader.follow(FhirServer(stub.base, "t0ken"), first, Deadline(30))

    assert len(ids(answer)) == 5


@pytest.mark.requirement("PERF-3")
def test_one_connection_serves_one_read_after_the_other(reader: FhirReader, stub: FhirStub) -> None:
    for _ in range(3):
        fetch(reader, stub)

    assert len(stub.connections) == 1


def test_a_kept_connection_that_ends_under_a_request_is_replaced(reader: FhirReader) -> None:
    with one_answer_per_connection() as base:
        answers = [
            reader.fetch(FhirServer(base, "t"), "Patient/p1", Deadline(30)) for _ in range(3)
        ]

    assert answers == [Answer((PATIENT,))] * 3


def test_decimals_arrive_with_their_digits(reader: FhirReader, stub: FhirStub) -> None:
    stub.faults["Observation"] = fhir_stub.answer(b'{"resourceType": "Observation", "v": 38.50}')

    (observation,) = fetch(reader, stub, "Observation/o").documents

    assert str(observation["v"]) == "38.50"


def test_an_answer_packed_with_gzip_is_read(reader: FhirReader, stub: FhirStub) -> None:
    stub.faults["Patient"] = fhir_stub.gzip_answer(PATIENT)

    assert fetch(reader, stub, "Patient/p1") == Answer((PATIENT,))


FAULTS: list[tuple[Fault, str]] = [
    (fhir_stub.status(301, Location="/fhir/Patient/p1"), "redirects (301)"),
    (fhir_stub.status(302, Location="https://evil.test/"), "redirects (302)"),
    (fhir_stub.status(307, Location="/fhir/Patient/p1"), "redirects (307)"),
    (fhir_stub.status(401), "did not accept the access token (401)"),
    (fhir_stub.status(403), "does not allow this read (403)"),
    (fhir_stub.status(404), "does not have it (404)"),
    (fhir_stub.status(410), "no longer has it (410)"),
    (fhir_stub.status(429, **{"Retry-After": "1"}), "limits the number of requests (429)"),
    (fhir_stub.status(418), "failed (418)"),
    (fhir_stub.status(204), "failed (204)"),
    (fhir_stub.status(500), "failed (500)"),
    (fhir_stub.status(503), "failed (503)"),
    (fhir_stub.answer(b"<html>log in</html>", "text/html"), "is not JSON"),
    (fhir_stub.answer(b""), "is not JSON"),
    (fhir_stub.answer(b"[" * 100_000), "is not JSON"),
    (fhir_stub.answer(b'{"resourceType": "Pat\xff"}'), "is not JSON"),
    (fhir_stub.answer(b"[]"), "is not a FHIR resource"),
    (fhir_stub.answer(b"{}"), "is not a FHIR resource"),
    (fhir_stub.resource_answer(outcome("warning")), "OperationOutcome instead of data"),
    (fhir_stub.answer(b" " * 6_000_000), "larger than 5000000 bytes"),
    (fhir_stub.gzip_bomb(50_000_000), "larger than 5000000 bytes"),
    (fhir_stub.broken_gzip, "connection to the FHIR server failed"),
    (fhir_stub.reset, "connection to the FHIR server failed"),
    (fhir_stub.cut_body, "connection to the FHIR server failed"),
    (fhir_stub.garbage, "connection to the FHIR server failed"),
]


@pytest.mark.requirement("PF-17", "OUT-1", "D7")
@pytest.mark.parametrize(("fault", "reason"), FAULTS, ids=[reason for _, reason in FAULTS])
def test_every_failure_of_the_server_is_an_answer_with_a_reason(
    reader: FhirReader, stub: FhirStub, fault: Fault, reason: str
) -> None:
    stub.faults["Condition"] = fault

    answer = fetch(reader, stub)

    assert answer.documents == ()
    assert answer.failure is not None
    assert reason in answer.failure
    assert "p1" not in answer.failure
    assert set(stub.paths()) == {SEARCH}


@pytest.mark.parametrize("code", [401, 429, 500, 503])
@pytest.mark.requirement("A4")
def test_a_refused_read_is_not_repeated(reader: FhirReader, stub: FhirStub, code: int) -> None:
    stub.faults["Condition"] = fhir_stub.status(code)

    fetch(reader, stub)

    assert len(stub.seen) == 1


def test_a_server_that_nobody_runs_is_an_answer_with_a_reason(reader: FhirReader) -> None:
    server = FhirServer(f"http://127.0.0.1:{closed_port()}/fhir", "t")

    answer = reader.fetch(server, SEARCH, Deadline(30))

    assert answer == Answer((), "the FHIR server cannot be reached: nothing listens at its port")


def test_a_host_that_does_not_exist_is_an_answer_with_a_reason(reader: FhirReader) -> None:
    answer = reader.fetch(FhirServer("https://no-such-host.invalid", "t"), SEARCH, Deadline(30))

    assert answer == Answer(
        (), "the FHIR server cannot be reached: its host name leads to no address"
    )


def test_a_server_without_tls_behind_an_https_url_is_not_trusted(
    reader: FhirReader, stub: FhirStub
) -> None:
    server = FhirServer(stub.base.replace("http:", "https:"), "t0ken")

    answer = reader.fetch(server, SEARCH, Deadline(30))

    assert answer == Answer((), "the FHIR server has no trustworthy TLS connection")
    assert stub.seen == []


# --- the deadline ---


@pytest.fixture
def hanging(reader: FhirReader, stub: FhirStub) -> FhirServer:
    """A server that has kept many reads waiting."""
    stub.faults["Condition"] = fhir_stub.hang

    def read(_: int) -> str | None:
        """As long as a thread that starts late needs to be late itself."""
        return fetch(reader, stub, deadline=Deadline(LATE_S + 0.5)).failure

    with ThreadPoolExecutor(MOST_LATE) as calls:
        failures = list(calls.map(read, range(MOST_LATE)))
    assert failures == [LATE] * MOST_LATE
    return FhirServer(stub.base, "t0ken")


@pytest.mark.requirement("A5")
def test_a_server_that_hangs_is_asked_by_no_call(
    reader: FhirReader, stub: FhirStub, hanging: FhirServer
) -> None:
    asked = len(stub.seen)

    assert reader.unresponsive(hanging) == KEEPS_WAITING
    assert fetch(reader, stub) == Answer((), KEEPS_WAITING)
    assert len(stub.seen) == asked


@pytest.mark.requirement("A5")
def test_a_server_that_answers_again_is_asked_as_before(
    reader: FhirReader, stub: FhirStub, hanging: FhirServer
) -> None:
    del stub.faults["Condition"]
    patience = Deadline(20)
    while reader.unresponsive(hanging) and not patience.is_over:
        reader.probe(hanging, SEARCH, patience)
        threading.Event().wait(0.01)

    assert fetch(reader, stub).failure is None


@pytest.mark.requirement("PERF-2")
@pytest.mark.parametrize(
    "fault",
    [
        fhir_stub.hang,
        fhir_stub.drip_headers,
        fhir_stub.drip_body,
        fhir_stub.drip_chunked,
        fhir_stub.drip_unbounded,
    ],
)
def test_a_server_that_hangs_or_drips_is_left_at_the_deadline(
    reader: FhirReader, stub: FhirStub, fault: Fault
) -> None:
    stub.faults["Condition"] = fault

    answer = fetch(reader, stub, deadline=Deadline(0.3))

    assert answer == Answer((), LATE)
    assert stub.dripped < 1000


def test_after_the_deadline_no_request_is_sent(reader: FhirReader, stub: FhirStub) -> None:
    clock = Clock()
    deadline = Deadline(1, clock)
    clock.advance()

    answer = fetch(reader, stub, deadline=deadline)

    assert answer == Answer((), LATE)
    assert stub.seen == []


def test_a_search_that_the_deadline_interrupts_keeps_the_pages_it_has(
    reader: FhirReader, stub: FhirStub
) -> None:
    clock = Clock()
    stub.page_size = 1
    stub.on_request = clock.advance

    answer = fetch(reader, stub, deadline=Deadline(2.5, clock))

    assert ids(answer) == ["c0", "c1"]
    assert answer.failure == f"page 3: {LATE}"


def test_a_deadline_never_has_less_than_no_time_left() -> None:
    clock = Clock()
    deadline = Deadline(1.5, clock)

    left = [deadline.remaining()]
    clock.advance()
    left.append(deadline.remaining())
    clock.advance()
    left.append(deadline.remaining())

    assert left == [1.5, 0.5, 0.0]
    assert deadline.is_over


@pytest.mark.parametrize(("seconds", "remaining"), [(1, 1), (300, 2), (-5, 0)])
def test_a_deadline_can_be_shortened_but_not_prolonged(seconds: float, remaining: float) -> None:
    assert Deadline(2, Clock()).at_most(seconds).remaining() == remaining


# --- paging ---


def paged(first: dict[str, Any], url: str) -> dict[str, Any]:
    return first | {"link": [{"relation": "self", "url": "x"}, {"relation": "next", "url": url}]}


@pytest.mark.requirement("PF-11", "OUT-1")
def test_the_token_never_follows_a_link_to_another_origin(
    reader: FhirReader, stub: FhirStub
) -> None:
    with FhirStub([PATIENT]) as other:
        for url in (
            f"{other.base}/Condition",
            f"{stub.origin}/elsewhere/Condition",
            f"{stub.base}/../elsewhere/Condition",
            f"http://t@127.0.0.1:{stub.origin.rsplit(':', 1)[-1]}/fhir/Condition",
            f"http:{other.base.removeprefix('http:')}/Condition",
            f"{other.base.removeprefix('http:')}/Condition",
            "https://[::1/Condition",
        ):
            stub.faults["Condition"] = fhir_stub.resource_answer(
                paged(searchset(CONDITIONS[:1]), url)
            )

            answer = fetch(reader, stub)

            assert ids(answer) == ["c0"]
            assert answer.failure is not None
            assert answer.failure.startswith("page 2: its link ")

    assert other.seen == []
    assert set(stub.paths()) == {SEARCH}


def test_pages_that_lead_in_a_circle_are_read_once(reader: FhirReader, stub: FhirStub) -> None:
    stub.faults["Condition"] = fhir_stub.resource_answer(
        paged(searchset(CONDITIONS[:1]), f"{stub.base}/{SEARCH}")
    )

    answer = fetch(reader, stub)

    assert answer.failure == "page 2: its link leads back to a page that was read before"
    assert len(stub.seen) == 1


def test_pages_without_end_are_read_up_to_the_limit(stub: FhirStub) -> None:
    stub.page_size = 1
    with FhirReader(max_pages=3) as reader:
        answer = fetch(reader, stub)

    assert ids(answer) == ["c0", "c1", "c2"]
    assert answer.failure == "page 4: only 3 pages of a search are read"
    assert len(stub.seen) == 3


def test_no_page_is_read_after_the_limit_of_entries(stub: FhirStub) -> None:
    stub.page_size = 2
    with FhirReader(max_entries=4) as reader:
        answer = fetch(reader, stub)

    assert ids(answer) == ["c0", "c1", "c2", "c3"]
    assert answer.failure == "page 3: only 4 entries of a search are read"


@pytest.mark.requirement("A4")
def test_a_page_that_fails_leaves_the_pages_before_it(reader: FhirReader, stub: FhirStub) -> None:
    stub.faults["Condition"] = fhir_stub.resource_answer(
        paged(searchset(CONDITIONS[:1]), f"{stub.base}/Gone?page=2")
    )
    stub.faults["Gone"] = fhir_stub.status(401)

    answer = fetch(reader, stub)

    assert ids(answer) == ["c0"]
    assert answer.failure == "page 2: the FHIR server did not accept the access token (401)"


def test_a_page_that_is_no_bundle_is_not_taken(reader: FhirReader, stub: FhirStub) -> None:
    stub.faults["Condition"] = fhir_stub.resource_answer(
        paged(searchset(CONDITIONS[:1]), f"{stub.base}/Patient/p1")
    )

    answer = fetch(reader, stub)

    assert ids(answer) == ["c0"]
    assert answer.failure == "page 2: the FHIR server sent something else than a Bundle"


@pytest.mark.parametrize(
    "link", [None, {}, [None, {"relation": "next"}], [{"relation": "next", "url": " "}]]
)
def test_a_link_without_url_is_no_further_page(
    reader: FhirReader, stub: FhirStub, link: object
) -> None:
    stub.faults["Condition"] = fhir_stub.resource_answer(searchset(CONDITIONS) | {"link": link})

    assert fetch(reader, stub).failure is None


# --- what is refused before anything is sent ---


@pytest.mark.requirement("AUTHZ-17")
def test_a_server_without_token_is_read_only_where_that_is_allowed(stub: FhirStub) -> None:
    stub.token = None
    server = FhirServer(stub.base)
    with FhirReader() as strict, FhirReader(allow_open_servers=True) as lenient:
        refused = strict.fetch(server, "Patient/p1", Deadline(30))
        read = lenient.fetch(server, "Patient/p1", Deadline(30))

    assert refused == Answer((), "the request carries no access token for its fhirServer")
    assert read == Answer((PATIENT,))
    assert len(stub.seen) == 1
    assert "Authorization" not in stub.seen[0].headers


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX: y", "tökén", "a\x00"])
def test_a_token_that_no_header_can_carry_is_not_sent(
    reader: FhirReader, stub: FhirStub, token: str
) -> None:
    answer = reader.fetch(FhirServer(stub.base, token), SEARCH, Deadline(30))

    assert answer.documents == ()
    assert stub.seen == []


@pytest.mark.parametrize("query", ["../secret", "Patient/%2e%2e/x", "Patient/1 2", "\\x"])
def test_a_query_that_leaves_the_base_is_not_sent(
    reader: FhirReader, stub: FhirStub, query: str
) -> None:
    assert fetch(reader, stub, query).failure == "the query leads outside the FHIR server"
    assert stub.seen == []


@pytest.mark.parametrize("base", ["file:///etc", "http://u:p@127.0.0.1/fhir", "http://127.0.0.1/?"])
def test_a_base_that_is_no_plain_url_is_not_called(reader: FhirReader, base: str) -> None:
    answer = reader.fetch(FhirServer(base, "t"), SEARCH, Deadline(30))

    assert answer.documents == ()
    assert answer.failure is not None
    assert answer.failure.startswith("fhirServer ")


def test_proxies_and_netrc_of_the_environment_are_ignored(
    reader: FhirReader,
    stub: FhirStub,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    assert fetch(reader, stub, "Patient/p1") == Answer((PATIENT,))


def test_the_token_does_not_show_when_a_server_is_printed() -> None:
    assert "t0ken" not in repr(FhirServer("https://ehr.example.org", "t0ken"))


class one_answer_per_connection:  # noqa: N801 - reads as a function
    """A server that promises to keep connections, and hangs up on the second request of each."""

    def __enter__(self) -> str:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def serve(self) -> None:
        for answers_left in (2, 1, 0):
            connection, _ = self.listener.accept()
            with connection:
                connection.recv(65_536)
                body = b'{"resourceType": "Patient", "id": "p1"}'
                head = b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: %d\r\n\r\n"
                connection.sendall(head % len(body) + body)
                if answers_left:
                    connection.recv(65_536)

    def __exit__(self, *_: object) -> None:
        self.thread.join(10)
        self.listener.close()
