"""Read-only FHIR search and read over HTTP; the only outgoing FHIR HTTP.

Whatever the server does, the answer is a value with a sentence in it, and it comes by the deadline.
"""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urljoin, urlsplit

from cds_service import fhir_json
from cds_service.data import outbound
from cds_service.data.allowance import Allowance
from cds_service.data.guarded_http import GuardedHttp, NoAnswer
from cds_service.data.waiting import KEEPS_WAITING, Waiting
from cds_service.errors import RequestError
from cds_service.spans import UNTRACED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from cds_service.data.deadline import Deadline
    from cds_service.data.outbound import Guard
    from cds_service.spans import Tracer

_TOKEN = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class FhirServer:
    """A FHIR base URL and the bearer token that this call may show there (AUTHZ-10, AUTHZ-13).

    `scheme` is what the client says the token is (`token_type`). Only a Bearer token is used, in
    any spelling (AUTHZ-3, AUTHZ-15): one that needs a proof of its holder is not shown without
    (RFC 6749, 7.1).
    """

    base: str
    token: str | None = field(default=None, repr=False)
    scheme: str = "Bearer"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a FHIR server gave: a resource, or the Bundles of a search in order.

    `failure` is None when that is all there is; otherwise a sentence, without patient data, URL or
    id, that says why the rest (with no documents: everything) is missing.
    """

    documents: tuple[Mapping[str, Any], ...]
    failure: str | None = None


def _may_wait() -> AbstractContextManager[bool]:
    """Where nobody counts the calls that wait."""
    return nullcontext(enter_result=True)


@dataclass(frozen=True, slots=True)
class _Limits:
    """Until when a call may read, and how much."""

    deadline: Deadline
    allowance: Allowance


class FhirReader:
    """Reads the FHIR servers that a guard lets through: GET only, no redirects.

    Threads may share one reader; connections are kept for reuse until `close`.

    Args:
        guard: which servers may be read; by default those of the demo profile.
        ca_bundle: PEM file of the only authorities that vouch for the servers; by default the
            public ones.
        allow_open_servers: whether a server is read without an access token (AUTHZ-17).
        on_refusal: told the reason, once per call, when a call's server is not read.
        on_failure: told the reasons, once per call, why reads of its server gave not everything.
        while_waiting: entered by a call for as long as it waits for its reads; it gives whether
            the call may wait at all.
        tracer: told of each read or search, with the host of the server.
        max_pages: pages of one search that are read.
        max_bytes: bytes of one answer, unpacked.
        max_entries: Bundle entries of one search after which no further page is read.
    """

    def __init__(  # noqa: PLR0913  each limit has its name
        self,
        guard: Guard | None = None,
        *,
        ca_bundle: Path | None = None,
        allow_open_servers: bool = False,
        on_refusal: Callable[[str], None] = lambda _: None,
        on_failure: Callable[[Sequence[str]], None] = lambda _: None,
        while_waiting: Callable[[], AbstractContextManager[bool]] = _may_wait,
        tracer: Tracer = UNTRACED,
        max_pages: int = 20,
        max_bytes: int = 5_000_000,
        max_entries: int = 10_000,
    ) -> None:
        self.allow_open_servers = allow_open_servers
        self.on_refusal = on_refusal
        self.on_failure = on_failure
        self.while_waiting = while_waiting
        self.max_pages = max_pages
        self.max_entries = max_entries
        self._tracer = tracer
        self._guard = guard or outbound.AnyPublicServer()
        self._waiting = Waiting()
        self._http = GuardedHttp(
            self._guard, peer="the FHIR server", max_bytes=max_bytes, ca_bundle=ca_bundle
        )

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
        self._http.close()

    def refusal(self, server: FhirServer) -> str | None:
        """Why this server is not read at all, as a sentence; None when it may be."""
        if problem := self._guard.refusal(server.base):
            return f"fhirServer {problem}"
        if server.token is None and not self.allow_open_servers:
            return "the request carries no access token for its fhirServer"
        if server.token is not None and server.scheme.strip().lower() != "bearer":
            return "the access token of the request is not of the type Bearer"
        if server.token is not None and not _TOKEN.fullmatch(server.token):
            return "the access token holds characters that a header cannot carry"
        return None

    def unresponsive(self, server: FhirServer) -> str | None:
        """Why no call reads this server just now, as a sentence; None when it may be read."""
        return KEEPS_WAITING if self._waiting.is_hanging(server.base) else None

    def probe(self, server: FhirServer, query: str, deadline: Deadline) -> None:
        """Try with this query, behind the call, whether an unresponsive server answers again.

        Does nothing while another call's probe is under way or was a moment ago.
        """
        if self._waiting.claim_probe(server.base):
            probing = partial(self._probe, server, query, _Limits(deadline, Allowance()))
            Thread(target=probing, name="fhir-probe", daemon=True).start()

    def fetch(
        self,
        server: FhirServer,
        query: str,
        deadline: Deadline,
        allowance: Allowance | None = None,
    ) -> Answer:
        """The answer to a read (`Patient/1`) or a search (`Condition?patient=1`) with all pages.

        `allowance` is what this read shares with the others of its call; one of its own otherwise.
        """
        if reason := self.refusal(server):
            return Answer((), reason)
        url = f"{server.base.rstrip('/')}/{query}"
        if not outbound.is_below(url, server.base):
            return Answer((), "the query leads outside the FHIR server")
        return self._pages(server, url, (), deadline, allowance)

    def follow(
        self,
        server: FhirServer,
        bundle: Mapping[str, Any],
        deadline: Deadline,
        allowance: Allowance | None = None,
    ) -> Answer:
        """`bundle`, the first page of a search, and the pages that its `next` links lead to."""
        if reason := self.refusal(server):
            return Answer((bundle,), reason)
        return self._pages(server, f"{server.base.rstrip('/')}/", (bundle,), deadline, allowance)

    def _pages(
        self,
        server: FhirServer,
        url: str,
        first: tuple[Mapping[str, Any], ...],
        deadline: Deadline,
        allowance: Allowance | None,
    ) -> Answer:
        limits = _Limits(deadline, allowance or Allowance())
        host = urlsplit(server.base).hostname or ""
        with self._tracer.span("fhir.read", host=host) as span:
            answer = self._read(server, url, first, limits)
            span.note(pages=len(answer.documents), complete=answer.failure is None)
        return answer

    def _read(
        self,
        server: FhirServer,
        url: str,
        first: tuple[Mapping[str, Any], ...],
        limits: _Limits,
    ) -> Answer:
        pages = list(first)
        seen: set[str] = set()
        try:
            if not pages:
                pages.append(self._get(server, url, limits))
            while link := next_link(pages[-1]):
                seen.add(url)
                url = self._next_url(server, url, link, seen)
                self._check_room(pages)
                page = self._get(server, url, limits)
                _check_type(page, "Bundle")
                pages.append(page)
        except NoAnswer as failure:
            place = f"page {len(pages) + 1}: " if pages else ""
            return Answer(tuple(pages), f"{place}{failure}")
        return Answer(tuple(pages))

    def _next_url(self, server: FhirServer, url: str, link: str, seen: set[str]) -> str:
        try:
            following = urljoin(url, link)
        except ValueError:
            raise NoAnswer("its link is not a URL") from None
        if not outbound.is_below(following, server.base):
            raise NoAnswer("its link leads outside the FHIR server and is not followed")
        if following in seen:
            raise NoAnswer("its link leads back to a page that was read before")
        return following

    def _check_room(self, pages: list[Mapping[str, Any]]) -> None:
        if len(pages) >= self.max_pages:
            raise NoAnswer(f"only {self.max_pages} pages of a search are read")
        if sum(_entry_count(page) for page in pages) >= self.max_entries:
            raise NoAnswer(f"only {self.max_entries} entries of a search are read")

    def _probe(self, server: FhirServer, query: str, limits: _Limits) -> None:
        with self._waiting.probe(server.base):
            self._sent(server, f"{server.base.rstrip('/')}/{query}", limits)

    def _sent(self, server: FhirServer, url: str, limits: _Limits) -> bytes:
        headers = {} if server.token is None else {"Authorization": f"Bearer {server.token}"}
        headers["Accept"] = "application/fhir+json"
        with limits.allowance.answer() as count:
            return self._http.fetch(url, headers, limits.deadline, count=count)[0]

    def _get(self, server: FhirServer, url: str, limits: _Limits) -> Mapping[str, Any]:
        with self._waiting.reading(server.base):
            body = self._sent(server, url, limits)
        try:
            document = fhir_json.decode(body)
        except RequestError:
            raise NoAnswer("the answer of the FHIR server is not JSON") from None
        if not isinstance(document, dict) or not isinstance(document.get("resourceType"), str):
            raise NoAnswer("the answer of the FHIR server is not a FHIR resource")
        if document["resourceType"] == "OperationOutcome":
            raise NoAnswer("the FHIR server sent an OperationOutcome instead of data")
        return document


def next_link(document: Mapping[str, Any]) -> str | None:
    """The URL of the next page of a searchset, or None on the last page."""
    links = document.get("link")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("relation") == "next":
            url = link.get("url")
            return url if isinstance(url, str) and url.strip() else None
    return None


def _entry_count(page: Mapping[str, Any]) -> int:
    entries = page.get("entry")
    return len(entries) if isinstance(entries, list) else 0


def _check_type(document: Mapping[str, Any], wanted: str) -> None:
    if document["resourceType"] != wanted:
        raise NoAnswer(f"the FHIR server sent something else than a {wanted}")
