"""One structured JSON event per request on standard error: ids of ours, counts, times and status.

Never bodies, names, patient ids, tokens, comments, query strings or exception texts, at any level
(PHI-3, H1): those may hold patient data. A bug is logged as its type and the places it passed.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import structlog
from flask import g, request
from flask.logging import default_handler

from cds_service import fhir_json

if TYPE_CHECKING:
    from typing import TextIO

    from flask import Flask, Response

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_PROBES = frozenset({"health", "ready"})  # asked every few seconds; told only when they fail
_LONGEST = 64  # of a text that the client chose: a UUID needs 36 characters


def make_logger(level: str, stream: TextIO | None = None) -> structlog.typing.FilteringBoundLogger:
    """A logger that writes each event as one JSON line to `stream`, standard error by default."""
    logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        structlog.WriteLogger(stream or sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
    )
    return logger


def attach(app: Flask, logger: structlog.typing.FilteringBoundLogger) -> None:
    """Give every request a decision id and a start, and log one event when it has an answer."""
    app.logger.addFilter(WithoutText())

    @app.before_request
    def begin() -> None:
        g.decision_id = uuid4()
        g.started = perf_counter()
        g.facts = {}

    @app.after_request
    def report(response: Response) -> Response:
        if request.method != "OPTIONS":  # a preflight says nothing about use
            facts = {
                "decision_id": str(g.decision_id),
                **g.facts,
                "status": response.status_code,
                "milliseconds": elapsed_ms(),
            }
            level = _level(_name(), response.status_code)
            logger.log(_LEVELS[level], _name(), **facts)
        return response


def note(**facts: Any) -> None:
    """Add facts to the event of the current request; texts are cut to the length of an id."""
    for name, fact in facts.items():
        g.facts[name] = fact[:_LONGEST] if isinstance(fact, str) else fact


def elapsed_ms() -> float:
    """Milliseconds since the current request began."""
    started: float = g.started
    return round((perf_counter() - started) * 1000, 3)


def bug(error: BaseException) -> dict[str, Any]:
    """An exception without its text: its type, where it passed, and the same of its cause."""
    frames = [
        f"{frame.filename}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    told: dict[str, Any] = {"type": type(error).__qualname__, "frames": frames}
    cause = error.__cause__ or error.__context__
    return told | {"cause": bug(cause)} if cause is not None else told


class WithoutText(logging.Filter):
    """Turns what Flask or gunicorn log about an exception into its type and places.

    Their own words name the address of the request, and a traceback ends with the text of the
    exception; both may hold patient data.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, without texts of exceptions."""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            facts = {"bug": bug(error)}
            record.__dict__["facts"] = facts  # as `extra` does, for AsLines
            record.msg, record.args = fhir_json.encode(facts).decode(), ()
            record.exc_info = record.exc_text = None
        return True


class AsLines(logging.Formatter):
    """What gunicorn, Flask or a thread logs as one JSON line, as the events of requests are (G5).

    A record with `facts` is told by them, any other by its message.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        facts: dict[str, Any] = getattr(record, "facts", None) or {"message": record.getMessage()}
        told = {"event": "server", **facts, "level": record.levelname.lower()}
        moment = datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z")
        return fhir_json.encode(told | {"timestamp": moment}).decode()


def withhold_texts() -> None:
    """For this process: no text of an exception from gunicorn or from a thread that ended by it."""
    logging.getLogger("gunicorn.error").addFilter(WithoutText())
    default_handler.setFormatter(AsLines())  # of Flask
    logger = logging.getLogger("cds_service.threads")
    logger.addFilter(WithoutText())
    lines = logging.StreamHandler()
    lines.setFormatter(AsLines())
    logger.addHandler(lines)
    logger.propagate = False

    def ended(ending: threading.ExceptHookArgs) -> None:
        error = ending.exc_value
        logger.error("a thread ended", exc_info=error if error is not None else False)

    threading.excepthook = ended


def _level(name: str, status: int) -> str:
    if status == 500:
        return "error"
    if status == 401:
        return "warning"
    return "debug" if name in _PROBES and status == 200 else "info"


def _name() -> str:
    """What was asked for, by the name of its route; a path may hold anything."""
    return (request.endpoint or "nothing here").rpartition(".")[2]
