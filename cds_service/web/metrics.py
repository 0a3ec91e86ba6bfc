"""What the service counts, for Prometheus at `/metrics`; the sums of all its processes.

Names begin with `cds_`. Labels hold only names of ours (route, service, rule, verdict, prefetch
key), never what a client sent: no patient, user, token or address can become a label (risk H1).
The only user of `prometheus_client`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, g, request
from werkzeug.exceptions import NotFound

from cds_service.web.logs import elapsed_ms

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

PATH = "/metrics"
DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""Where `prometheus_client` looks for the folder in which processes share their counts."""

_IN_MEMORY = Path("/dev/shm")  # noqa: S108  the folder made in it is the owner's only
_LEAST_ROOM = 16_000_000  # bytes: a process that counts takes some hundred thousand

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)


def share_between_processes() -> str:
    """Let the processes forked later count together; the folder they use, empty and new.

    Must be called before the first `Metrics` of the process is made. It lies in memory where the
    system has that: the files are mapped, and on a disk that is full a process would not get an
    error but be killed (SIGBUS).
    """
    has_room = _IN_MEMORY.is_dir() and shutil.disk_usage(_IN_MEMORY).free > _LEAST_ROOM
    folder = _IN_MEMORY if has_room and os.access(_IN_MEMORY, os.W_OK) else None
    os.environ[DIRECTORY] = tempfile.mkdtemp(prefix=f"cds-metrics-{os.getpid()}-", dir=folder)
    return os.environ[DIRECTORY]


def forget_process(pid: int) -> None:
    """Drop what a process that has ended was doing; what it had counted stays counted."""
    from prometheus_client import multiprocess  # noqa: PLC0415  reads the folder when imported

    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]


class Metrics:
    """The counters of one application."""

    def __init__(self) -> None:
        # Imported here: the library looks for the shared folder when it is imported.
        import prometheus_client as prometheus  # noqa: PLC0415

        self._library = prometheus
        self._registry = prometheus.CollectorRegistry()

        def counter(name: str, meaning: str, *labels: str) -> prometheus.Counter:
            return prometheus.Counter(name, meaning, labels, registry=self._registry)

        self._requests = counter("cds_requests", "Answers given", "route", "status")
        self._seconds = prometheus.Histogram(
            "cds_request_seconds",
            "From the arrival of a request to its answer",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._cards = counter("cds_cards", "Cards shown", "service", "rule")
        self._verdicts = counter("cds_verdicts", "Actions judged", "service", "verdict")
        self._unavailable = counter(
            "cds_prefetch_unavailable", "Required data that a call did not get", "key"
        )
        self._feedback = counter("cds_feedback", "Feedback items stored", "service")
        self._unrecorded = counter("cds_decisions_unrecorded", "Calls answered but not recorded")
        self._refused = counter("cds_requests_refused", "Requests turned away for lack of room")

    def refused(self) -> None:
        """Count a request that was turned away before anything looked at it."""
        self._refused.inc()

    def unrecorded(self, decisions: int) -> None:
        """Count decisions that waited to be recorded and were lost."""
        self._unrecorded.inc(decisions)

    def answered(self, route: str, status: int, seconds: float, facts: dict[str, Any]) -> None:
        """Count one answer; `facts` are those of its log event."""
        self._requests.labels(route, status).inc()
        self._seconds.labels(route).observe(seconds)
        service = facts.get("service", "")
        for rule in facts.get("rules", ()):
            self._cards.labels(service, rule).inc()
        for verdict, count in facts.get("verdicts", {}).items():
            self._verdicts.labels(service, verdict).inc(count)
        for key in facts.get("unavailable", ()):
            self._unavailable.labels(key).inc()
        if facts.get("items"):
            self._feedback.labels(service).inc(facts["items"])
        if facts.get("recorded") is False:
            self._unrecorded.inc()

    def exposition(self) -> tuple[bytes, str]:
        """All counts in Prometheus' text format, and its media type."""
        registry: CollectorRegistry = self._registry
        if os.environ.get(DIRECTORY):
            from prometheus_client import multiprocess  # noqa: PLC0415  as above

            registry = self._library.CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return self._library.generate_latest(registry), self._library.CONTENT_TYPE_LATEST


def blueprint(metrics: Metrics) -> Blueprint:
    """`/metrics`, and the counting of every answer of the application it is registered with."""
    routes = Blueprint("metrics", __name__)

    @routes.get(PATH, strict_slashes=True)
    def exposition() -> Response:
        """The counts, for a scraper on the same network; a proxy must not let it out.

        It may hold back this very path only, so that `//metrics` and `/%6detrics` are another one.
        """
        asked: str = request.environ.get("RAW_URI", request.path)
        if asked.partition("?")[0] != PATH:
            raise NotFound
        body, media_type = metrics.exposition()
        response = Response(body, content_type=media_type)
        response.cache_control.no_store = True
        return response

    @routes.after_app_request
    def count(response: Response) -> Response:
        route = (request.endpoint or "nothing-here").rpartition(".")[2]
        with suppress(OSError):  # a full disk costs counts, never an answer
            metrics.answered(route, response.status_code, elapsed_ms() / 1000, g.facts)
        return response

    return routes
