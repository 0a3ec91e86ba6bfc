"""Starts the service under gunicorn: processes with threads that share the compiled guidelines."""

from __future__ import annotations

import gc
import os
import shutil
import socket
import sys
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from cds_service import collecting
from cds_service.authoring.followed_library import FollowedLibrary
from cds_service.config import ConfigError
from cds_service.web import LENT_PLACES, create_app, logs, metrics, telemetry
from cds_service.web.balancing import Connections
from cds_service.web.reloading import Reloading
from cds_service.web.worker import ServerLog, Worker

if TYPE_CHECKING:
    from flask import Flask
    from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]

    from cds_service.config import Settings
    from cds_service.web.admission import Admission

_LONGEST_CALL_S = 30
_STOP_WITHIN_S = 10
_COLLECT_AFTER = 20_000
"""New objects between two searches for garbage in cycles. One body of 96 KB makes 6,000, nearly all
freed without a search; at Python's 700 each call is searched eight times, a tenth of its time."""
_SWITCH_AFTER_S = 0.001
"""How long a thread goes on while others want to; at Python's 0.005 the event loop, which turns
requests away, waits that long behind a thread that computes, after each call of the system."""
_SPARE_THREADS = 2  # for probes, and to turn requests away while all others wait


def serve(settings: Settings, *, reload: bool = False) -> None:
    """Run until stopped by a signal; prints the addresses and the effective settings when ready.

    SIGHUP replaces the processes by ones with the guidelines as they are now; with `reload` each
    process does so itself whenever a guideline file changes.

    Raises:
        ContentErrors: the guideline content has problems; nothing was started.
        ConfigError: nothing can listen at the address, or what sends traces is not installed.
    """
    _check_address(settings)
    started_by = os.getpid()
    logs.withhold_texts()
    counts = metrics.share_between_processes()
    try:
        with collecting.paused():
            application = _application(settings, reload=reload)
            gc.freeze()  # what is loaded now stays shared with the processes forked later
        gc.set_threshold(_COLLECT_AFTER)
        _Server(application, settings).run()
    finally:
        if os.getpid() == started_by:  # a worker that ends comes through here as well
            shutil.rmtree(counts, ignore_errors=True)


def _check_address(settings: Settings) -> None:
    """Gunicorn would try for five seconds, and then tell the system's words in its log."""
    host, port = settings.host, settings.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((host, port))
    except OSError as error:
        raise ConfigError(
            f"cannot listen at CDS_HOST={host}, CDS_PORT={port}: {error.strerror}",
            hint="another program may have the port: choose another one with CDS_PORT "
            "(make run PORT=…), and for CDS_HOST an address of this machine",
        ) from error


def _application(settings: Settings, *, reload: bool) -> Reloading:
    traces = telemetry.from_settings(settings)
    followed = None
    if reload:
        followed = FollowedLibrary(settings.plans, leave_out=settings.leaves_out)
        followed.prepare()

    def make() -> Flask:
        library = followed.library if followed is not None else None
        return create_app(settings, traces=traces, library=library)

    return Reloading(make, tell, followed)


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn around one application made before its processes, so that they share its memory."""

    def __init__(self, application: Reloading, settings: Settings) -> None:
        self._settings = settings
        self._application = application
        self.connections = Connections(settings.workers)
        super().__init__()

    @property
    def largest_body(self) -> int:
        """Bytes of the largest request body that is taken; the workers ask."""
        return self._settings.max_body_bytes

    @property
    def admission(self) -> Admission | None:
        """Who says whether there is room for a request, if anybody does; the workers ask."""
        return self._application.app.extensions.get("admission")

    def load_config(self) -> None:
        for name, value in self._options().items():
            self.cfg.set(name, value)

    def load(self) -> Reloading:
        return self._application

    def reload(self) -> None:
        """On SIGHUP, before the processes are replaced: what they will serve."""
        self._application.reload()

    def _options(self) -> dict[str, Any]:
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        return {
            "bind": f"{host}:{self._settings.port}",
            "worker_class": Worker,
            "workers": self._settings.workers,
            "threads": self._threads(),
            "preload_app": True,
            "timeout": _LONGEST_CALL_S,
            "graceful_timeout": _STOP_WITHIN_S,
            "keepalive": 5,
            "loglevel": "warning",
            "logger_class": ServerLog,
            "control_socket_disable": True,
            "forwarder_headers": "",  # no header says where the application begins
            "when_ready": self._announce,
            "pre_fork": self._seat,
            "post_fork": self._follow,
            "child_exit": self._forget,
        }

    def _threads(self) -> int:
        """Of one process; most of them only wait, for a place or for a FHIR server."""
        working = self._settings.threads + self._settings.queue
        return working + LENT_PLACES + _SPARE_THREADS

    def _seat(self, _: Arbiter, worker: Worker) -> None:
        worker.seat = self.connections.seat()

    def _forget(self, _: Arbiter, worker: Worker) -> None:
        metrics.forget_process(worker.pid)
        if worker.seat is not None:
            self.connections.give_back(worker.seat)

    def _follow(self, _: Arbiter, __: Any) -> None:
        self._application.follow()

    def _callers(self) -> str:
        """Who is let in, a line each; public facts only."""
        trusted = self._application.app.extensions.get("tenants", ())
        lines = [tenant.effective() for tenant in trusted] or ["not verified; loopback only"]
        return "".join(f"  {line}\n" for line in lines)

    def _left_out(self) -> str:
        """What is wrong with the guidelines that were left out; nothing when none was."""
        problems = self._application.app.extensions.get("left_out", ())
        lines = "".join(f"  {line}\n" for text in problems for line in text.splitlines())
        return f"guidelines with problems, left out\n{lines}" if problems else ""

    def _announce(self, server: Arbiter) -> None:
        sys.setswitchinterval(_SWITCH_AFTER_S)
        address = str(server.LISTENERS[0])
        sys.stdout.write(
            f"cds_service answers at {address}\n"
            f"  start page  {address}/\n"
            f"  discovery   {address}/cds-services\n"
            f"  ready       {address}/ready\n"
            f"{self._left_out()}callers\n{self._callers()}"
            "settings\n"
            + "".join(f"  {line}\n" for line in self._settings.effective().splitlines())
        )
        sys.stdout.flush()


def tell(line: str) -> None:
    """Show a line to whoever watches the terminal."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
