"""What gunicorn itself refuses, told and logged as everything else is.

Gunicorn answers requests that are no HTTP before the application sees them: as HTML, and with the
request line in its log. Here such a request gets an OperationOutcome and leaves only the name of
what was wrong, because addresses and headers may hold patient data (RESP-9, PHI-3).
"""

from __future__ import annotations

import contextlib
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from gunicorn.http import errors as http_errors  # type: ignore[import-untyped]

from cds_service import fhir_json
from cds_service.web import logs
from cds_service.web.errors import ERROR_CODES
from cds_service.web.gathering import GatheringWorker

if TYPE_CHECKING:
    import socket

_STATUS: dict[type[Exception], int] = {
    http_errors.LimitRequestLine: 414,
    http_errors.ExpectationFailed: 417,
    http_errors.LimitRequestHeaders: 431,
    http_errors.UnsupportedTransferCoding: 501,
    http_errors.ParseException: 400,
}
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(:[0-9]*)?")
_ABSOLUTE = re.compile(r"https?://([^/?#]*)", re.IGNORECASE)


class ServerLog(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn's own messages as JSON lines, among the events of requests."""

    def setup(self, cfg: Any) -> None:
        """Gunicorn calls this at its start and when it is told to reload."""
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(logs.AsLines())


class Worker(GatheringWorker):
    """The worker whose refusals are OperationOutcomes."""

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answer a request that says for which host it is."""
        _settle_host(req)
        return super().handle_request(req, conn)

    def _keepalive_after(self, conn: Any, keepalive: Any) -> bool:
        """Whether another request may follow an answer.

        What is wrong with the rest of a body that nobody read is told by closing: a second answer
        to one request would be taken for that to the next one.
        """
        try:
            return bool(super()._keepalive_after(conn, keepalive))
        except http_errors.ParseException:
            return False

    def handle_error(  # req and addr may tell who asked
        self,
        req: Any,  # noqa: ARG002
        client: socket.socket,
        addr: Any,  # noqa: ARG002
        exc: Exception,
    ) -> None:
        """Answer and close. A bug that no application was left to tell is told with its id."""
        status = next((code for kind, code in _STATUS.items() if isinstance(exc, kind)), 500)
        told_as = str(uuid4())
        if status == 500:
            bug = {"decision_id": told_as, "bug": logs.bug(exc)}
            self.log.error("a bug before the application", extra={"facts": bug})
        else:
            self.log.warning("not a usable HTTP request: %s", type(exc).__name__)
        with contextlib.suppress(OSError):
            client.sendall(refusal(status, told_as))


def _settle_host(req: Any) -> None:
    """Leave one host, that of an absolute address before the header's (RFC 9112, 3.2).

    A proxy that reads another one than we do may take an answer for that of another site.

    Raises:
        InvalidRequestLine: the address is an absolute one of something else than HTTP.
        InvalidHeader: no host is named, or one that cannot be. HTTP/1.0 need not name any.
    """
    hosts = [value for name, value in req.headers if name == "HOST"]
    is_named = bool(hosts) or req.version < (1, 1)
    if req.method != "CONNECT" and not req.uri.startswith(("/", "*")):
        absolute = _ABSOLUTE.match(req.uri)
        if absolute is None:
            raise http_errors.InvalidRequestLine("the address")
        hosts.append(absolute[1])
        req.headers = [pair for pair in req.headers if pair[0] != "HOST"] + [("HOST", absolute[1])]
    if not is_named or not all(map(_HOST.fullmatch, hosts)):
        raise http_errors.InvalidHeader("HOST", req=req)


def refusal(status: int, outcome_id: str) -> bytes:
    """A whole HTTP answer with one issue, after which the connection ends."""
    phrase = HTTPStatus(status).phrase
    text = (
        f"an error on our side; please report decision {outcome_id}"
        if status == 500
        else f"this is not a usable HTTP request ({phrase.lower()}); send HTTP/1.1 as in RFC 9112"
    )
    code = "bug" if status == 500 else "bad-http"
    outcome = {
        "resourceType": "OperationOutcome",
        "id": outcome_id,
        "issue": [
            {
                "severity": "error" if status < 500 else "fatal",
                "code": "invalid" if status < 500 else "exception",
                "details": {"coding": [{"system": ERROR_CODES, "code": code}]},
                "diagnostics": text,
            }
        ],
    }
    body = fhir_json.encode(outcome)
    head = (
        f"HTTP/1.1 {status} {phrase}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nVary: Origin\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
