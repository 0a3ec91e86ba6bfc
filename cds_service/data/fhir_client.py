"""Read-only FHIR search and read over HTTP; the only outgoing FHIR HTTP.

Whatever the server does, the answer is a value with a sentence in it, and it comes by the deadline.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Timeout
from urllib3.exceptions import HTTPError

from cds_service import fhir_json
from cds_service.data import outbound, transport
from cds_service.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from cds_service.data.deadline import Deadline

_TOKEN = re.compile(r"[!-~]+")
_CHUNK_BYTES = 65_536
_LATE = "the FHIR server did not answer in time"
_STATUS_REASONS = {
    401: "the FHIR server did not accept the access token (401)",
    403: "the FHIR server does not allow this read (403)",
    404: "the FHIR server does not have it (404)",
    410: "the FHIR server no longer has it (410)",
    429: "the FHIR server limits the number of requests (429)",
}


@dataclass(frozen=True, slots=True)
class FhirServer:
    """A FHIR base URL and the bearer token that this call may show there (AUTHZ-10, AUTHZ-13)."""

    base: str
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a FHIR server gave: a resource, or the Bundles of a search in order.

    `failure` is None when that is all there is; otherwise a sentence, without patient data, URL or
    id, that says why the rest (with no documents: everything) is missing.
    """

    documents: tuple[Mapping[str, Any], ...]
    failure: str | None = None


class FhirReader:
    """Reads FHIR servers: GET only, no redirects, no proxies or netrc of the environment.

    Threads may share one reader; connections are kept for reuse until `close`.

    Args:
        allow_open_servers: whether a server is read without an access token (AUTHZ-17).
        max_pages: pages of one search that are read.
        max_bytes: bytes of one answer, unpacked.
        max_entries: Bundle entries of one search after which no further page is read.
    """

    def __init__(
        self,
        *,
        allow_open_servers: bool = False,
        max_pages: int = 20,
        max_bytes: int = 5_000_000,
        max_entries: int = 10_000,
    ) -> None:
        self.allow_open_servers = allow_open_servers
        self.max_pages = max_pages
        self.max_bytes = max_bytes
        self.max_entries = max_entries
        self._adapter = _Adapter(pool_maxsize=16)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the idle connections."""
        self._adapter.close()

    def refusal(self, server: FhirServer) -> str | None:
        """Why this server is not read at all, as a sentence; None when it may be."""
        if problem := outbound.base_problem(server.base):
            return f"fhirServer {problem}"
        if server.token is None and not self.allow_open_servers:
            return "the request carries no access token for its fhirServer"
        if server.token is not None and not _TOKEN.fullmatch(server.token):
            return "the access token holds characters that a header cannot carry"
        return None

    def fetch(self, server: FhirServer, query: str, deadline: Deadline) -> Answer:
        """The answer to a read (`Patient/1`) or a search (`Condition?patient=1`) with all pages."""
        if reason := self.refusal(server):
            return Answer((), reason)
        url = f"{server.base.rstrip('/')}/{query}"
        if not outbound.is_below(url, server.base):
            return Answer((), "the query leads outside the FHIR server")
        return self._pages(server, url, (), deadline)

    def follow(self, server: FhirServer, bundle: Mapping[str, Any], deadline: Deadline) -> Answer:
        """`bundle`, the first page of a search, and the pages that its `next` links lead to."""
        if reason := self.refusal(server):
            return Answer((bundle,), reason)
        return self._pages(server, f"{server.base.rstrip('/')}/", (bundle,), deadline)

    def _pages(
        self,
        server: FhirServer,
        url: str,
        first: tuple[Mapping[str, Any], ...],
        deadline: Deadline,
    ) -> Answer:
        pages = list(first)
        seen: set[str] = set()
        try:
            if not pages:
                pages.append(self._get(server, url, deadline))
            while link := next_link(pages[-1]):
                seen.add(url)
                url = self._next_url(server, url, link, seen)
                self._check_room(pages)
                page = self._get(server, url, deadline)
                _check_type(page, "Bundle")
                pages.append(page)
        except _NoAnswer as failure:
            place = f"page {len(pages) + 1}: " if pages else ""
            return Answer(tuple(pages), f"{place}{failure}")
        return Answer(tuple(pages))

    def _next_url(self, server: FhirServer, url: str, link: str, seen: set[str]) -> str:
        try:
            following = urljoin(url, link)
        except ValueError:
            raise _NoAnswer("its link is not a URL") from None
        if not outbound.is_below(following, server.base):
            raise _NoAnswer("its link leads outside the FHIR server and is not followed")
        if following in seen:
            raise _NoAnswer("its link leads back to a page that was read before")
        return following

    def _check_room(self, pages: list[Mapping[str, Any]]) -> None:
        if len(pages) >= self.max_pages:
            raise _NoAnswer(f"only {self.max_pages} pages of a search are read")
        if sum(_entry_count(page) for page in pages) >= self.max_entries:
            raise _NoAnswer(f"only {self.max_entries} entries of a search are read")

    def _get(self, server: FhirServer, url: str, deadline: Deadline) -> Mapping[str, Any]:
        response = self._send(server, url, deadline)
        try:
            _check_status(response.status_code)
            body = self._body(response, deadline)
        finally:
            response.close()
        try:
            document = fhir_json.decode(body)
        except RequestError:
            raise _NoAnswer("the answer of the FHIR server is not JSON") from None
        if not isinstance(document, dict) or not isinstance(document.get("resourceType"), str):
            raise _NoAnswer("the answer of the FHIR server is not a FHIR resource")
        if document["resourceType"] == "OperationOutcome":
            raise _NoAnswer("the FHIR server sent an OperationOutcome instead of data")
        return document

    def _send(self, server: FhirServer, url: str, deadline: Deadline) -> requests.Response:
        headers = {
            "Accept": "application/fhir+json",
            "Accept-Encoding": "gzip",
            "User-Agent": "cds-service",
        }
        if server.token is not None:
            headers["Authorization"] = f"Bearer {server.token}"
        with _answering(deadline):
            message = requests.Request("GET", url, headers=headers).prepare()
            try:
                return self._adapter.send(message, stream=True, timeout=_timeout(deadline))
            except requests.ConnectionError:
                # A kept connection may have been closed meanwhile: once more, on a new one.
                return self._adapter.send(message, stream=True, timeout=_timeout(deadline))

    def _body(self, response: requests.Response, deadline: Deadline) -> bytes:
        body = bytearray()
        cut = transport.cut_of(response.raw)
        with _answering(deadline), transport.cut_after(_time_left(deadline), cut):
            for chunk in response.iter_content(_CHUNK_BYTES):
                body += chunk
                if len(body) > self.max_bytes:
                    raise _NoAnswer(
                        f"the answer of the FHIR server is larger than {self.max_bytes} bytes"
                    )
        _time_left(deadline)  # a cut body without a length looks complete
        return bytes(body)


def next_link(document: Mapping[str, Any]) -> str | None:
    """The URL of the next page of a searchset, or None on the last page."""
    links = document.get("link")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("relation") == "next":
            url = link.get("url")
            return url if isinstance(url, str) and url.strip() else None
    return None


class _NoAnswer(Exception):
    """Nothing usable came; the text is the reason that ends up in `Answer.failure`."""


def _entry_count(page: Mapping[str, Any]) -> int:
    entries = page.get("entry")
    return len(entries) if isinstance(entries, list) else 0


def _check_type(document: Mapping[str, Any], wanted: str) -> None:
    if document["resourceType"] != wanted:
        raise _NoAnswer(f"the FHIR server sent something else than a {wanted}")


def _check_status(status: int) -> None:
    if status == 200:
        return
    if 300 <= status < 400:
        raise _NoAnswer(f"the FHIR server redirects ({status}), which is not followed")
    failed = f"the FHIR server failed ({status})"
    raise _NoAnswer(_STATUS_REASONS.get(status, failed))


def _time_left(deadline: Deadline) -> float:
    if deadline.is_over:
        raise _NoAnswer(_LATE)
    return deadline.remaining()


def _timeout(deadline: Deadline) -> Any:
    return Timeout(total=_time_left(deadline))


@contextlib.contextmanager
def _answering(deadline: Deadline) -> Iterator[None]:
    """Turns whatever goes wrong on the way into a reason; after the deadline, being late."""
    try:
        yield
    except requests.exceptions.SSLError:
        raise _NoAnswer("the FHIR server has no trustworthy TLS connection") from None
    except (OSError, ValueError, HTTPError) as error:
        is_timeout = isinstance(error, requests.Timeout)
        broken = "the connection to the FHIR server failed"
        raise _NoAnswer(_LATE if is_timeout or deadline.is_over else broken) from None


class _Adapter(HTTPAdapter):
    """Requests' transport below its Session: no redirects, cookies, proxies, netrc or retries."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = transport.POOLS
