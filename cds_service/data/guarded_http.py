"""One GET to a server that a guard lets through, bounded in time and size; the only outgoing HTTP.

No redirects, cookies, proxies, netrc or retries beyond one on a connection that had been kept.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Timeout
from urllib3.exceptions import HTTPError

from cds_service.data import transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from cds_service.data.deadline import Deadline
    from cds_service.data.outbound import Guard

_CHUNK_BYTES = 65_536
_STATUS_REASONS = {
    401: "did not accept the access token (401)",
    403: "does not allow this read (403)",
    404: "does not have it (404)",
    410: "no longer has it (410)",
    429: "limits the number of requests (429)",
}


class NoAnswer(Exception):
    """Nothing usable came; the text is the reason, without URL, id or patient data."""


class NotInTime(NoAnswer):
    """Nothing came before the deadline."""


class GuardedHttp:
    """Gets JSON documents from servers that `guard` lets through. Threads may share one.

    Args:
        peer: what the server is called in reasons, such as "the FHIR server".
        max_bytes: bytes of one answer, unpacked.
        ca_bundle: PEM file of the only authorities that vouch for the servers; by default the
            public ones.
    """

    def __init__(
        self, guard: Guard, *, peer: str, max_bytes: int, ca_bundle: Path | None = None
    ) -> None:
        self.peer = peer
        self.max_bytes = max_bytes
        self._verify: str | bool = str(ca_bundle) if ca_bundle else True
        self._adapter = _Adapter(guard)

    def close(self) -> None:
        """Close the idle connections."""
        self._adapter.close()

    def fetch(
        self,
        url: str,
        headers: Mapping[str, str],
        deadline: Deadline,
        *,
        count: Callable[[int], None] = lambda _: None,
    ) -> tuple[bytes, Mapping[str, str]]:
        """Body and headers of a 200 answer that says it is JSON; raises NoAnswer for all else.

        `url` lies at or below a base that the guard does not refuse: that is the caller's part.
        `count` is told the bytes as they come, unpacked, and may end the reading with NoAnswer.
        """
        response = self._send(url, headers, deadline)
        try:
            self._check_head(response)
            return self._body(response, deadline, count), response.headers
        finally:
            response.close()

    def _send(self, url: str, headers: Mapping[str, str], deadline: Deadline) -> requests.Response:
        with self._answering(deadline):
            message = requests.Request(
                "GET",
                url,
                headers={"User-Agent": "cds-service", "Accept-Encoding": "gzip", **headers},
            ).prepare()
            try:
                return self._sent(message, deadline)
            except requests.ConnectionError:
                # A kept connection may have been closed meanwhile: once more, on a new one.
                return self._sent(message, deadline)

    def _sent(self, message: requests.PreparedRequest, deadline: Deadline) -> requests.Response:
        timeout: Any = Timeout(total=self._time_left(deadline))
        return self._adapter.send(message, stream=True, timeout=timeout, verify=self._verify)

    def _check_head(self, response: requests.Response) -> None:
        status = response.status_code
        if 300 <= status < 400:
            raise NoAnswer(f"{self.peer} redirects ({status}), which is not followed")
        if status != 200:
            raise NoAnswer(f"{self.peer} {_STATUS_REASONS.get(status, f'failed ({status})')}")
        if "json" not in response.headers.get("Content-Type", "json").lower():
            raise NoAnswer(f"the answer of {self.peer} is not JSON")

    def _body(
        self, response: requests.Response, deadline: Deadline, count: Callable[[int], None]
    ) -> bytes:
        body = bytearray()
        cut = transport.cut_of(response.raw)
        with self._answering(deadline), transport.cut_after(self._time_left(deadline), cut):
            for chunk in response.iter_content(_CHUNK_BYTES):
                body += chunk
                count(len(chunk))
                if len(body) > self.max_bytes:
                    raise NoAnswer(
                        f"the answer of {self.peer} is larger than {self.max_bytes} bytes"
                    )
        self._time_left(deadline)  # a cut body without a length looks complete
        return bytes(body)

    def _time_left(self, deadline: Deadline) -> float:
        if deadline.is_over:
            raise NotInTime(f"{self.peer} did not answer in time")
        return deadline.remaining()

    @contextlib.contextmanager
    def _answering(self, deadline: Deadline) -> Iterator[None]:
        """Turns whatever goes wrong on the way into a reason; after the deadline, being late."""
        try:
            yield
        except transport.AddressRefused:
            raise NoAnswer(f"the address of {self.peer} is not one that may be called") from None
        except requests.exceptions.SSLError:
            raise NoAnswer(f"{self.peer} has no trustworthy TLS connection") from None
        except (transport.Unreached, OSError, ValueError, HTTPError) as error:
            if isinstance(error, requests.Timeout) or deadline.is_over:
                raise NotInTime(f"{self.peer} did not answer in time") from None
            if isinstance(error, transport.Unreached):
                raise NoAnswer(f"{self.peer} cannot be reached: {error}") from None
            raise NoAnswer(f"the connection to {self.peer} failed") from None


class _Adapter(HTTPAdapter):
    """Requests' transport below its Session, with connections that ask the guard."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        super().__init__(pool_maxsize=16)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = transport.pools(self._guard)
