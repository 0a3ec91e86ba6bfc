"""Spans of OpenTelemetry: what they tell of a call, and what they never do."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from contract.canaries import CANARIES, COMMENT, exchanges
from contract.clients import Client, serving
from fhir_stub import FhirStub
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from cds_service import config
from cds_service.config import ConfigError
from cds_service.spans import UNTRACED
from cds_service.web import create_app, telemetry
from cds_service.web.telemetry import OpenTelemetry

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


class Traced:
    """The application with an exporter that keeps its spans."""

    def __init__(self, database, **environ):
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        settings = config.load(
            {"CDS_DATABASE_URL": f"sqlite:///{database}", "CDS_DEADLINE_S": "30"}
            | {f"CDS_{name}": value for name, value in environ.items()}
        )
        app = create_app(settings, log=io.StringIO(), traces=OpenTelemetry(provider))
        self.store = app.extensions["store"]
        self.client = Client(app, io.StringIO())

    def post(self, path, body, **options):
        return self.client.post(path, body, **options)

    def spans(self, name):
        assert self.store.flush()
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def span(self, name):
        (found,) = self.spans(name)
        return found


@pytest.fixture
def traced(tmp_path):
    app = Traced(tmp_path / "cds.sqlite3", OPEN_FHIR_SERVERS="yes")
    yield app
    app.store.close()


@contextmanager
def fhir_patient():
    with FhirStub([{"resourceType": "Patient", "id": "p", "birthDate": "1980-01-01"}]) as stub:
        yield stub


def test_a_call_is_a_span_with_names_of_ours_counts_and_its_status(traced, message, address):
    traced.post(address(), message())
    found = traced.span("cds.call")
    assert found.kind is SpanKind.SERVER
    assert dict(found.attributes) == {
        "cds.service": "low-back-pain-patient-view",
        "cds.profile": "core",
        "cds.cards": 0,
        "cds.recalled": True,
        "cds.recorded": True,
        "http.response.status_code": 200,
        **{key: value for key, value in found.attributes.items() if "verdicts" in key},
    }
    assert found.attributes["cds.verdicts.not_met"] > 0


def test_the_evaluation_is_a_part_of_the_call(traced, message, address):
    traced.post(address(), message())
    call, evaluation = traced.span("cds.call"), traced.span("cds.evaluate")
    assert evaluation.parent.span_id == call.context.span_id
    assert evaluation.attributes["cds.hook"] == "patient-view"


def test_each_read_of_a_fhir_server_is_a_part_of_the_call_and_names_the_host(
    traced, message, address
):
    with fhir_patient() as stub:
        traced.post(address(), message(prefetch={}, fhirServer=stub.base))
        reads = traced.spans("fhir.read")
        asked = len({seen.path for seen in stub.seen})
    call = traced.span("cds.call")
    assert len(reads) >= asked > 1
    assert {read.parent.span_id for read in reads} == {call.context.span_id}
    assert {frozenset(read.attributes) for read in reads} == {
        frozenset({"server.address", "cds.pages", "cds.complete"})
    }
    assert {read.attributes["server.address"] for read in reads} == {"127.0.0.1"}


def test_a_read_that_failed_is_not_complete(traced, message, address):
    with fhir_patient() as stub:
        stub.faults["Condition"] = lambda handler: handler.send_error(500)
        traced.post(address(), message(prefetch={}, fhirServer=stub.base))
        reads = traced.spans("fhir.read")
    assert {read.attributes["cds.complete"] for read in reads} == {True, False}


def test_decisions_are_written_in_spans_of_their_own(traced, message, address):
    traced.post(address(), message())
    write = traced.span("store.write")
    assert write.parent is None
    assert dict(write.attributes) == {"cds.kind": "decisions", "cds.rows": 1}


def test_feedback_is_written_within_its_request(traced, address):
    entry = {
        "card": "23f1a303-991f-4118-86c5-11d99a39222e",
        "outcome": "accepted",
        "outcomeTimestamp": "2026-01-01T00:00:00Z",
        "acceptedSuggestions": [{"id": "23f1a303-991f-4118-86c5-11d99a39222f"}],
    }
    traced.client.post(f"{address()}/feedback", {"feedback": [entry]})
    request, write = traced.span("cds.feedback"), traced.span("store.write")
    assert write.parent.span_id == request.context.span_id
    assert dict(write.attributes) == {"cds.kind": "feedback", "cds.rows": 1}


def test_a_call_goes_on_in_the_trace_of_its_client(traced, message, address):
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    traced.post(address(), message(), headers=headers)
    call = traced.span("cds.call")
    assert format(call.context.trace_id, "032x") == TRACE
    assert format(call.parent.span_id, "016x") == PARENT


def test_a_trace_parent_that_is_none_begins_a_trace(traced, message, address):
    assert traced.post(address(), message(), headers={"traceparent": "x"}).status == 200
    assert traced.span("cds.call").parent is None


def test_an_error_on_our_side_is_told_without_its_text(traced):
    with pytest.raises(RuntimeError), OpenTelemetrySpan(traced).span("store.write"):
        raise RuntimeError("kanarie")
    span = traced.span("store.write")
    assert span.status.status_code is StatusCode.ERROR
    assert dict(span.attributes) == {"error.type": "RuntimeError"}
    assert span.events == ()
    assert span.status.description is None


def OpenTelemetrySpan(traced):  # noqa: N802  reads as what it makes
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(traced.exporter))
    return OpenTelemetry(provider)


@pytest.mark.requirement("H1", "PHI-3", "SEC-27")
def test_nothing_of_a_chart_an_id_or_a_token_is_in_any_span(traced):
    headers = {
        "traceparent": f"00-{TRACE}-{PARENT}-01",
        "tracestate": f"ehr={CANARIES['patient id']}",
        "baggage": f"patient={CANARIES['patient id']}",
        "Authorization": f"Bearer {CANARIES['JWT']}",
    }
    with FhirStub() as stub:
        stub.faults["Condition"] = lambda handler: handler.send_error(
            500, "".join(CANARIES.values())
        )
        for path, body in exchanges(f"{stub.origin}/{CANARIES['identifier']}"):
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            traced.client.app.test_client().post(
                f"{path}?x={CANARIES['query']}",
                data=data,
                content_type="application/json",
                headers=headers,
            )
    assert traced.store.flush()
    spans = traced.exporter.get_finished_spans()
    told = "\n".join(span.to_json() for span in spans)
    assert {"cds.call", "cds.feedback", "cds.evaluate", "fhir.read", "store.write"} <= {
        span.name for span in spans
    }
    sent = {*CANARIES.values(), COMMENT, "23f1a303-991f-4118-86c5-11d99a39222e"}
    assert [canary for canary in sent if canary in told] == []


def test_nothing_is_loaded_where_nobody_wants_traces(tmp_path):
    program = (
        "import sys\n"
        "from cds_service import config\n"
        "from cds_service.web import create_app, telemetry\n"
        f"settings = config.load({{'CDS_DATABASE_URL': 'sqlite:///{tmp_path}/cds.sqlite3'}})\n"
        "assert telemetry.from_settings(settings) is None\n"
        "create_app(settings)\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=300)


def test_a_span_that_nobody_wants_is_the_same_object_each_time():
    with UNTRACED.span("a", host="x") as one, UNTRACED.span("b") as other:
        one.note(pages=1)
    assert one is other


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        ({ENDPOINT: " "}, False),
        ({ENDPOINT: "http://collector:4318"}, None),
        ({"CDS_TELEMETRY": "yes"}, True),
        ({"CDS_TELEMETRY": "no", ENDPOINT: "http://collector:4318"}, False),
    ],
)
def test_traces_are_wanted_by_the_setting_else_by_the_collector(environ, wanted):
    assert config.load(environ).telemetry is wanted


@pytest.fixture
def without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)


@pytest.mark.usefixtures("without_the_extra")
def test_asked_for_without_the_extra_is_an_error_that_says_what_to_install():
    with pytest.raises(ConfigError) as told:
        telemetry.from_settings(config.load({"CDS_TELEMETRY": "yes"}))
    assert "pip install 'cds-service[telemetry]'" in str(told.value)


@pytest.mark.usefixtures("without_the_extra")
def test_a_collector_alone_without_the_extra_is_no_error():
    assert telemetry.from_settings(config.load({ENDPOINT: "http://collector:4318"})) is None


class Collector(BaseHTTPRequestHandler):
    """Takes spans over HTTP and keeps what it was sent."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append((self.path, body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.mark.slow
def test_what_serve_starts_sends_its_spans_to_the_collector(tmp_path, message, address):
    collector = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    collector.taken = []
    thread = threading.Thread(target=collector.serve_forever, args=(0.02,))
    thread.start()
    try:
        endpoint = f"http://127.0.0.1:{collector.server_port}"
        for server in serving(tmp_path, **{ENDPOINT: endpoint}):
            assert server.open("POST", address(), json=message()).status == 200
    finally:
        collector.shutdown()
        thread.join()
        collector.server_close()
    assert {path for path, _ in collector.taken} == {"/v1/traces"}
    sent = b"".join(body for _, body in collector.taken)
    assert all(name in sent for name in (b"cds-service", b"cds.call", b"cds.evaluate"))
