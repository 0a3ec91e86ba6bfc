"""Traces for OpenTelemetry: a span for each hook call, FHIR read, evaluation and store write.

Off unless the site asks for it and the extra `telemetry` is installed. Spans hold names of ours,
counts, a status and at most the host of a FHIR server; no exception text, no header of the client
but the ids in `traceparent` (its `tracestate` may hold anything). The only user of OpenTelemetry,
which is imported when traces are wanted.
"""

from __future__ import annotations

import atexit
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Self

from flask import g, request

from cds_service.config import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from flask import Flask, Response
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

    from cds_service.config import Settings
    from cds_service.spans import Fact

SERVICE_NAME = "cds-service"
_EXPORT_WITHIN_S = 2  # also at a stop, which may not wait for a collector
_STANDARD_NAMES = {"host": "server.address", "status": "http.response.status_code"}
_OF_THE_EVENT = ("service", "profile", "cards", "items", "recalled", "recorded", "error")
"""What a span takes from the log event of its request."""


class OpenTelemetry:
    """A `Tracer` whose spans go to a provider of OpenTelemetry."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry.trace import SpanKind  # noqa: PLC0415  an extra
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415  an extra
            TraceContextTextMapPropagator,
        )

        self._kind = SpanKind
        self._propagator = TraceContextTextMapPropagator()
        self._tracer = provider.get_tracer(SERVICE_NAME)

    @contextmanager
    def span(self, name: str, **facts: Fact) -> Iterator[_Noted]:
        """A span inside the current one."""
        with (
            self._tracer.start_as_current_span(
                name,
                attributes=_named(facts),
                record_exception=False,
                set_status_on_exception=False,
            ) as span,
            _Noted(span) as noted,
        ):
            yield noted

    @contextmanager
    def request(self, name: str, traceparent: str | None) -> Iterator[_Noted]:
        """The span of a request, in the trace that its client began, if it did."""
        carrier = {"traceparent": traceparent} if traceparent else {}
        with self._tracer.start_as_current_span(
            name,
            context=self._propagator.extract(carrier),
            kind=self._kind.SERVER,
        ) as span:
            yield _Noted(span)


class _Noted:
    """A span that takes facts, and an exception by its type: its text may hold patient data."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._span.set_attribute("error.type", kind.__qualname__)
            self.fail()

    def fail(self) -> None:
        """It did not succeed."""
        from opentelemetry.trace import StatusCode  # noqa: PLC0415  an extra

        self._span.set_status(StatusCode.ERROR)

    def note(self, **facts: Fact) -> None:
        """Add attributes."""
        self._span.set_attributes(_named(facts))


def _named(facts: dict[str, Fact]) -> dict[str, Fact]:
    return {_STANDARD_NAMES.get(name, f"cds.{name}"): fact for name, fact in facts.items()}


def from_settings(settings: Settings) -> OpenTelemetry | None:
    """What sends spans to the collector of the standard `OTEL_…` variables; None where it is off.

    Made once, before processes are forked: each sends its own.

    Raises:
        ConfigError: traces were asked for, and the extra is not installed.
    """
    if settings.telemetry is False:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415  extra
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import (  # noqa: PLC0415  an extra
            OTELResourceDetector,
            Resource,
        )
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  an extra
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415  an extra
    except ImportError as error:
        if settings.telemetry is None:
            return None
        raise ConfigError(
            "CDS_TELEMETRY=yes needs OpenTelemetry, which is not installed",
            hint="pip install 'cds-service[telemetry]'",
        ) from error
    resource = Resource({"service.name": SERVICE_NAME}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=_EXPORT_WITHIN_S)))
    atexit.register(provider.shutdown)
    return OpenTelemetry(provider)


def attach(app: Flask, telemetry: OpenTelemetry) -> None:
    """A span for each request to a CDS Hooks route, with the facts of its log event."""

    @app.before_request
    def begin() -> None:
        if request.blueprint != "cds-hooks" or request.method == "OPTIONS":
            return
        g.spans = ExitStack()
        name = f"cds.{(request.endpoint or '').rpartition('.')[2]}"
        g.span = g.spans.enter_context(telemetry.request(name, request.headers.get("traceparent")))

    @app.after_request
    def note(response: Response) -> Response:
        if "span" in g:
            facts = {name: g.facts[name] for name in _OF_THE_EVENT if name in g.facts}
            verdicts = g.facts.get("verdicts", {})
            counts = {f"verdicts.{each.replace(' ', '_')}": verdicts[each] for each in verdicts}
            g.span.note(**facts, **counts, status=response.status_code)
            if response.status_code >= 500:
                g.span.fail()
        return response

    @app.teardown_request
    def end(_: BaseException | None) -> None:
        if "spans" in g:
            g.pop("spans").close()
