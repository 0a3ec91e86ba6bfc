"""The public keys of a tenant: exchanged out of band, or at listed addresses, cached.

Nothing that is not listed is ever fetched. What is listed is fetched when a key is needed that is
not known, or old, and at most once per interval however many tokens ask for it (SEC-29, C5 to C7).
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

from cds_service import fhir_json
from cds_service.data.deadline import Deadline
from cds_service.data.guarded_http import GuardedHttp, NoAnswer
from cds_service.data.outbound import AllowList
from cds_service.errors import NotTrusted, RequestError
from cds_service.tenants import jwk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cds_service.tenants import Tenant

FRESH_S = 600
"""How long fetched keys are used without looking again; less when `Cache-Control` says so."""
KEPT_S = 3600
"""How long they are used while their address does not answer."""
INTERVAL_S = 30
"""Time between two fetches of one address at least."""
WAIT_S = 1.5
"""How long a request waits for a fetch."""
MOST_BYTES = 200_000
_MAX_AGE = re.compile(r"\bmax-age=(\d{1,9})\b")
_UNCACHED = re.compile(r"\bno-(?:store|cache)\b")


@dataclass(frozen=True, slots=True)
class _Known:
    """Keys by `kid`, when they came, and until when they are fresh, on a monotonic clock."""

    keys: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    came: float = float("-inf")
    fresh_until: float = float("-inf")


class RemoteKeys:
    """The key set at one address. Threads may share it; each process has its own."""

    def __init__(
        self,
        url: str,
        http: GuardedHttp,
        *,
        is_demo: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = url
        self.failure: str | None = None
        self._http = http
        self._is_demo = is_demo
        self._clock = clock
        self._known = _Known()
        self._tried = float("-inf")
        self._fetching = Lock()

    def key(self, kid: str) -> Mapping[str, Any] | None:
        """The key with this id, as the address has it or had it not long ago."""
        if kid not in self._known.keys or self._clock() >= self._known.fresh_until:
            self._refresh()
        known = self._known
        return known.keys.get(kid) if self._clock() < known.came + KEPT_S else None

    def _refresh(self) -> None:
        """Fetch the keys, unless that was tried just now; waits for a fetch that is under way."""
        if not self._fetching.acquire(timeout=WAIT_S):
            return
        try:
            if self._clock() < self._tried + INTERVAL_S:
                return
            self._tried = self._clock()
            # A thread of its own: looking up a host name knows no deadline.
            fetch = Thread(target=self._fetch, daemon=True)
            fetch.start()
            fetch.join(WAIT_S)
        finally:
            self._fetching.release()

    def _fetch(self) -> None:
        try:
            body, headers = self._http.fetch(
                self.url, {"Accept": "application/json"}, Deadline(WAIT_S)
            )
            keys = _usable(fhir_json.decode(body), is_demo=self._is_demo)
        except NoAnswer as reason:
            self.failure = str(reason)
        except RequestError:
            self.failure = "the key set is not JSON"
        else:
            now = self._clock()
            self._known = _Known(keys, now, now + _fresh_s(headers.get("Cache-Control", "")))
            self.failure = None


class TenantKeys:
    """All keys of one tenant."""

    def __init__(self, tenant: Tenant) -> None:
        self._static = {key["kid"]: key for key in tenant.keys}
        http = GuardedHttp(
            AllowList(tenant.key_urls),
            peer="the key server",
            max_bytes=MOST_BYTES,
            ca_bundle=tenant.ca_bundle,
        )
        self._remote = {
            endpoint.base: RemoteKeys(endpoint.base, http, is_demo=tenant.is_demo)
            for endpoint in tenant.key_urls
        }

    def find(self, kid: str, jku: str | None, algorithm: str) -> Mapping[str, Any]:
        """The key that a token names, if it belongs to the token's algorithm.

        A token's `jku` must be one of the listed addresses, letter by letter; where none is listed
        it is not looked at. Without `jku` the static keys count, then those of every address.

        Raises:
            NotTrusted: there is none.
        """
        if jku is not None and self._remote and jku not in self._remote:
            raise NotTrusted("its jku is not on the tenant's list", reason="jku")
        found = self._static.get(kid)
        if found is None:
            addresses = self._remote.values() if jku not in self._remote else [self._remote[jku]]
            found = next((key for each in addresses if (key := each.key(kid))), None)
        if found is None:
            failures = [each.failure for each in self._remote.values() if each.failure]
            raise NotTrusted("; ".join(["no key has its kid", *failures]), reason="key")
        if not jwk.fits(found, algorithm):
            raise NotTrusted("its key does not belong to its algorithm", reason="key")
        return found


def _usable(document: object, *, is_demo: bool) -> Mapping[str, Mapping[str, Any]]:
    """The keys of a JWK Set that can verify, without those whose `kid` is not theirs alone."""
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise NoAnswer("the key set has no keys")
    keys = [key for key in listed if jwk.problem(key, allow_publicly_known=is_demo) is None]
    kids = [key["kid"] for key in keys]
    return {key["kid"]: key for key in keys if kids.count(key["kid"]) == 1}


def _fresh_s(cache_control: str) -> int:
    if _UNCACHED.search(cache_control):
        return INTERVAL_S
    named = _MAX_AGE.search(cache_control)
    return max(INTERVAL_S, min(FRESH_S, int(named[1]))) if named else FRESH_S
