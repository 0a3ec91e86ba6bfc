"""Plain HTTP to the service under test; every answer is kept as it came, errors too."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests

from cds_service import fhir_json
from cds_service.errors import CdsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cds_service.conformance.signing import Signer

_TIMEOUT_S = 15.0


class Unreachable(CdsError):
    """The service under test gives no HTTP answer at all."""

    default_code = "unreachable"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer. `headers` have lower-case names; `seconds` is until the body."""

    method: str
    path: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    @property
    def json(self) -> Any:
        """The body as JSON, or None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.method} {self.path}: {self.status}"


@dataclass(frozen=True, slots=True)
class Client:
    """Calls the service below `base`, which is the address before `/cds-services`.

    `headers` go with every request; `signer` makes a new token for each, where callers are
    verified.
    """

    base: str
    headers: Mapping[str, str] = field(default_factory=dict)
    signer: Signer | None = None

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
        """One request without following redirects. `token` replaces ours; "" sends none.

        Raises Unreachable when there is no answer.
        """
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
                method, url, data=data, headers=sent, timeout=_TIMEOUT_S, allow_redirects=False
            )
        except requests.RequestException as problem:
            raise Unreachable(
                f"{method} {url}: {type(problem).__name__}",
                hint="is the service running, and is this the address before /cds-services?",
            ) from problem
        return Exchange(
            method,
            path,
            answer.status_code,
            {name.lower(): value for name, value in answer.headers.items()},
            answer.content,
            answer.elapsed.total_seconds(),
        )
