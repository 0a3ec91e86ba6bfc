"""A CDS client's JWT: read, held against the tenants, and only then verified by its signature.

Everything cheap is looked at first, and no key is looked for before issuer, audience and times
are right (SEC-24). Whatever is wrong is one error, `NotTrusted`; its reason is for the log alone.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import jwt

from cds_service import fhir_json
from cds_service.errors import NotTrusted, RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cds_service.tenants import Tenant
    from cds_service.web.auth.key_sets import TenantKeys

LEEWAY_S = 60
"""How far the client's clock may differ from ours."""
LONGEST_TOKEN = 8000
_COMPACT = re.compile(r"([\w-]+)\.([\w-]+)\.[\w-]+", re.ASCII)
_LONGEST_JTI = 500
_LATEST = 253_402_300_799  # the last second of the year 9999
_NOT_UNDERSTOOD = ("crit", "jwk", "x5u", "x5c", "zip", "enc", "b64")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, by a token that is right; whether it was used before is not known yet."""

    tenant: Tenant
    issuer: str
    jti: str
    valid_until: datetime


class Tokens:
    """Verifies tokens for a list of tenants."""

    def __init__(self, tenants: Sequence[Tenant], keys: Mapping[str, TenantKeys]) -> None:
        self._tenants = tenants
        self._keys = keys

    def verify(self, token: str, paths: Sequence[str], now: datetime) -> Caller:
        """Who signed this token for one of these paths below the tenant's address.

        Raises:
            NotTrusted: the token is not right in every respect.
        """
        header, claims = _parts(token)
        tenant = self._tenant(claims)
        algorithm = _algorithm(header, tenant)
        _check_audience(claims, tenant, paths)
        expires = _check_times(claims, tenant, now.timestamp())
        _check_subject(claims, tenant)
        jti = claims.get("jti")
        if not isinstance(jti, str) or not 0 < len(jti) <= _LONGEST_JTI:
            raise NotTrusted("its jti is missing or no text", reason="jti")
        jku = header.get("jku")
        if jku is not None and not isinstance(jku, str):
            raise NotTrusted("its jku is no text", reason="jku")
        key = self._keys[tenant.id].find(_kid(header), jku, algorithm)
        _check_signature(token, key, algorithm)
        until = datetime.fromtimestamp(min(expires + LEEWAY_S, _LATEST), UTC)
        return Caller(tenant, str(claims["iss"]), jti, until)

    def _tenant(self, claims: Mapping[str, Any]) -> Tenant:
        issuer, claim = claims.get("iss"), claims.get("tenant")
        listed = [tenant for tenant in self._tenants if issuer in tenant.issuers]
        if not listed:
            raise NotTrusted("its issuer is not on the list", reason="issuer")
        meant = [each for each in listed if not each.token_tenants or claim in each.token_tenants]
        if len(meant) != 1:
            raise NotTrusted("its tenant is not on the list", reason="tenant")
        return meant[0]


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token in compact form, not verified."""
    compact = _COMPACT.fullmatch(token) if len(token) <= LONGEST_TOKEN else None
    if compact is None:
        raise NotTrusted("it is no JWT in compact form", reason="form")
    try:
        header, claims = (
            fhir_json.decode(urlsafe_b64decode(part + "=" * (-len(part) % 4)), max_depth=8)
            for part in compact.groups()
        )
    except (ValueError, RequestError):
        raise NotTrusted("its header or its claims are not JSON", reason="form") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise NotTrusted("its header or its claims are no JSON object", reason="form")
    return header, claims


def _algorithm(header: Mapping[str, Any], tenant: Tenant) -> str:
    for name in _NOT_UNDERSTOOD:
        if name in header:
            raise NotTrusted(f"its header holds {name}", reason="header")
    if str(header.get("typ", "JWT")).upper() != "JWT":
        raise NotTrusted("its header says it is something else than a JWT", reason="header")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in tenant.algorithms:
        raise NotTrusted("its algorithm is not on the tenant's list", reason="algorithm")
    return algorithm


def _kid(header: Mapping[str, Any]) -> str:
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        raise NotTrusted("its kid is missing or no text", reason="key")
    return kid


def _check_audience(claims: Mapping[str, Any], tenant: Tenant, paths: Sequence[str]) -> None:
    """The token is for this very address (SEC-13, SEC-31); the Host header plays no part."""
    named = claims.get("aud")
    audiences = named if isinstance(named, list) else [named]
    accepted = {tenant.audience + path for path in paths}
    accepted |= {f"{audience}/" for audience in accepted} | set(tenant.more_audiences)
    if not any(isinstance(audience, str) and audience in accepted for audience in audiences):
        raise NotTrusted("its audience is another address", reason="audience")


def _check_times(claims: Mapping[str, Any], tenant: Tenant, now: float) -> float:
    """Within its life, which is short enough; gives the end of it (SEC-14, SEC-15, SEC-32)."""
    expires, issued = _seconds(claims, "exp"), _seconds(claims, "iat")
    if expires + LEEWAY_S <= now:
        raise NotTrusted("it has expired", reason="expired")
    if issued > now + LEEWAY_S:
        raise NotTrusted("it was issued in the future", reason="not-yet-valid")
    if "nbf" in claims and _seconds(claims, "nbf") > now + LEEWAY_S:
        raise NotTrusted("it is not valid yet", reason="not-yet-valid")
    if not 0 < expires - issued <= tenant.token_life_s:
        raise NotTrusted("its life is longer than the tenant may give it", reason="life")
    return expires


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, int | Decimal) and not isinstance(value, bool) and 0 <= value <= _LATEST:
        return float(value)
    raise NotTrusted(f"its {name} is missing or no time", reason="times")


def _check_subject(claims: Mapping[str, Any], tenant: Tenant) -> None:
    if tenant.subjects and claims.get("sub") not in tenant.subjects:
        raise NotTrusted("its subject is not on the tenant's list", reason="subject")


def _check_signature(token: str, key: Mapping[str, Any], algorithm: str) -> None:
    """One key and one algorithm, both from our side."""
    try:
        jwt.PyJWS().decode_complete(token, jwt.PyJWK(dict(key), algorithm), [algorithm])
    except jwt.PyJWTError as error:
        kind = type(error).__name__
        raise NotTrusted(f"its signature is not right ({kind})", reason="signature") from None
