"""What may be asked without a token, and what happens to a request that needs one.

Without tenants everybody on loopback may ask everything. With tenants every route needs a token,
except those that are listed here: a route that nobody thought of is closed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flask import g, request

from cds_service.errors import NotTrusted
from cds_service.web.auth.key_sets import TenantKeys
from cds_service.web.auth.replay import Replay
from cds_service.web.auth.tokens import Tokens
from cds_service.web.logs import note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cds_service.store import SeenTokens
    from cds_service.tenants import Tenant
    from cds_service.web.auth.tokens import Caller

OPEN = frozenset({"pages.page", "pages.health", "pages.ready", "static", "metrics.exposition"})
"""Routes that say nothing about patients and that no CDS client calls."""
DISCOVERY = frozenset({
    "cds-hooks.discovery", "openapi.openapi", "integration.sheet",
    "fhir.metadata", "fhir.search", "fhir.read",
})  # fmt: skip
"""Routes with the services and the guidelines; open, unless a site protects them (DISC-18)."""
_FEEDBACK = "/feedback"


class Gate:
    """Lets requests in, in the name of a tenant; `check` runs before each."""

    def __init__(
        self, tenants: Sequence[Tenant], seen: SeenTokens, *, protects_discovery: bool
    ) -> None:
        keys = {tenant.id: TenantKeys(tenant) for tenant in tenants}
        self._tokens = Tokens(tenants, keys)
        self._replay = Replay(seen)
        self._protects_discovery = protects_discovery

    def check(self) -> None:
        """Raises NotTrusted for a request that must not go on; preflight has no token (CORS-2)."""
        endpoint = request.endpoint
        if endpoint is None or endpoint in OPEN or request.method == "OPTIONS":
            return
        needs_token = endpoint not in DISCOVERY or self._protects_discovery
        if needs_token or "Authorization" in request.headers:
            self._let_in(datetime.now(UTC))

    def _let_in(self, now: datetime) -> None:
        caller = self._tokens.verify(_token(), _paths(), now)
        note(tenant=caller.tenant.id, issuer=caller.issuer, jti=caller.jti)
        self._replay.claim(caller, now)
        service = (request.view_args or {}).get("service_id")
        if service is not None and not caller.tenant.may_call(service):
            raise NotTrusted("the service is not one of the tenant's", reason="service")
        g.caller = caller


def tenant() -> Tenant | None:
    """The tenant of the current request; None where callers are not verified."""
    caller: Caller | None = g.get("caller")
    return caller.tenant if caller else None


def _token() -> str:
    values = request.headers.getlist("Authorization")
    scheme, _, token = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token:
        raise NotTrusted("the request carries no bearer token", reason="no-token")
    return token.strip()


def _paths() -> tuple[str, ...]:
    """The paths that a token for this request may name; on feedback also the service's (FB-15)."""
    path = request.path.rstrip("/")
    if request.endpoint == "cds-hooks.feedback":
        return path, path.removesuffix(_FEEDBACK)
    return (path,)
