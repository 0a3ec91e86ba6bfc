"""Plain HTTP to the service under test; every answer is kept as it came, and silence too."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests
from urllib3.exceptions import NameResolutionError

from cds_service import fhir_json
from cds_service.errors import CdsError, RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cds_service.conformance.signing import Signer

_TIMEOUT_S = 15.0
LOCAL_PAGE = "http://localhost:3000"
"""The origin of a page under development, as a browser sends it."""

_HINT = "is the service running, and is this the address before /cds-services?"
_FORM = "write the address as https://host or http://host:port"
_HINTS: dict[type[Exception], str] = {
    NameResolutionError: "its host name leads to no address from here: is it spelt right, and does "
    "this machine see the network that the service is in?",
    requests.exceptions.SSLError: "if no public authority vouches for its certificate, name its "
    "own with --ca; if there is no TLS at this port, write http://",
    requests.exceptions.InvalidSchema: _FORM,
    requests.exceptions.MissingSchema: _FORM,
    requests.exceptions.InvalidURL: _FORM,
    requests.Timeout: f"nothing came back within {_TIMEOUT_S:.0f} s",
}


class Unreachable(CdsError):
    """The service under test gives no HTTP answer at all."""

    default_code = "unreachable"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer. `headers` have lower-case names; `seconds` is until the body.

    Without an answer the status is 0 and `failure` says why.
    """

    method: str
    path: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float
    failure: requests.RequestException | None = None

    @property
    def told(self) -> str:
        """The status, or that there was none."""
        if self.failure is not None:
            return f"no answer ({type(self.failure).__name__})"
        return str(self.status)

    @property
    def succeeded(self) -> bool:
        """Whether the status is one of success."""
        return 200 <= self.status < 300

    @property
    def hint(self) -> str:
        """What to look at where there was no answer."""
        causes = (self.failure, _given_up_for(self.failure))
        kinds = (kind for kind in _HINTS if any(isinstance(cause, kind) for cause in causes))
        return next((_HINTS[kind] for kind in kinds), _HINT)

    @property
    def json(self) -> Any:
        """The body as JSON, or None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def not_json(self) -> str | None:
        """Why the body is no JSON that every client reads the same; None where it is."""
        try:
            fhir_json.decode(self.body)
        except RequestError as problem:
            return problem.message
        return None

    def __str__(self) -> str:
        return f"{self.method} {self.path}: {self.told}"


def _given_up_for(failure: requests.RequestException | None) -> object:
    """Why no connection came about, where `requests` has it from below; None where it has not."""
    return getattr(failure.args[0], "reason", None) if failure and failure.args else None


@dataclass(frozen=True, slots=True)
class Client:
    """Calls the service below `base`, which is the address before `/cds-services`.

    `headers` go with every request; `signer` makes a new token for each, where callers are
    verified. `origin` is the page that browsers are asked to call for. `authority` is a PEM file
    that vouches for the service's certificate; without it those of the machine do.
    """

    base: str
    headers: Mapping[str, str] = field(default_factory=dict)
    signer: Signer | None = None
    origin: str = LOCAL_PAGE
    authority: Path | None = None

    def get(self, path: str, **options: Any) -> Exchange:
        """GET, as `send` does it."""
        return self.send("GET", path, **options)

    def post(self, path: str, body: Any, **options: Any) -> Exchange:
        """POST of JSON; bytes go out as they are."""
        data = body if isinstance(body, bytes) else fhir_json.encode(body)
        headers = {"Content-Type": "application/json", **options.pop("headers", {})}
        return self.send("POST", path, data=data, headers=headers, **options)

    def send(
        self,
        method: str,
        path: str,
        *,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
    ) -> Exchange:
        """One request without following redirects. `token` replaces ours; "" sends none."""
        url = self.base + path
        sent = {"Accept": "application/json", **self.headers, **(headers or {})}
        if token is None and self.signer is not None:
            token = self.signer.token(url)
        if token:
            sent["Authorization"] = f"Bearer {token}"
        elif token == "":
            sent.pop("Authorization", None)
        try:
            answer = requests.request(
                method,
                url,
                data=data,
                headers=sent,
                timeout=_TIMEOUT_S,
                allow_redirects=False,
                verify=str(self.authority) if self.authority else True,
            )
        except requests.RequestException as problem:
            return Exchange(method, path, 0, {}, b"", 0.0, problem)
        return Exchange(
            method,
            path,
            answer.status_code,
            {name.lower(): value for name, value in answer.headers.items()},
            answer.content,
            answer.elapsed.total_seconds(),
        )
