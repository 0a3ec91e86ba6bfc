"""A tenant: one CDS client as an organisation that is trusted with calls, and what it is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from cds_service.tenants.client_profile import CLIENT_PROFILES, DEFAULT_CLIENT_PROFILE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cds_service.data.outbound import Endpoint
    from cds_service.tenants.client_profile import ClientProfile

SystemCode: TypeAlias = tuple[str, str]
"""A code system and a code of it."""

ALGORITHMS = ("RS384", "ES384", "RS256", "ES256", "RS512")
"""Signature algorithms that can be allowed: never `none` or a symmetric one (SEC-19, SEC-20)."""

DEFAULT_ALGORITHMS = ("RS384", "ES384")
LONGEST_TOKEN_LIFE_S = 3600
"""`exp - iat` of a token at most (SEC-32); a tenant may have less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """One trusted client. `docs/operations.md` says what each entry of the file means.

    Attributes:
        audience: base URL under which this client reaches us, without a slash at the end.
        key_urls: the `jku` values that are followed; nothing else is ever fetched.
        keys: JWKs that were exchanged out of band, checked.
        token_tenants: values of the `tenant` claim that are this tenant; empty: not looked at.
        subjects: values of the `sub` claim that are accepted; empty: not looked at.
        client_ids: ours at its authorization server; empty: not compared.
        order_codes: what its own lists call an order that suggestions create, by our code.
        services: ids of the services it may call; None for all.
        is_demo: whether publicly known keys are accepted; never beyond loopback.
    """

    id: str
    issuers: tuple[str, ...]
    audience: str
    more_audiences: tuple[str, ...] = ()
    key_urls: tuple[Endpoint, ...] = ()
    keys: tuple[Mapping[str, Any], ...] = ()
    algorithms: tuple[str, ...] = DEFAULT_ALGORITHMS
    token_life_s: int = LONGEST_TOKEN_LIFE_S
    token_tenants: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    client_ids: tuple[str, ...] = ()
    fhir_servers: tuple[Endpoint, ...] = ()
    reads_without_token: bool = False
    ca_bundle: Path | None = None
    profile: str | None = None
    language: str | None = None
    client_profile: ClientProfile = CLIENT_PROFILES[DEFAULT_CLIENT_PROFILE]
    order_codes: Mapping[SystemCode, SystemCode] = field(default_factory=dict)
    services: frozenset[str] | None = None
    is_demo: bool = False

    def may_call(self, service_id: str) -> bool:
        """Whether the service with this id is among those it was given."""
        return self.services is None or service_id in self.services

    def is_offered(self, service_id: str, hook: str) -> bool:
        """Whether discovery lists the service: it may be called, and clients of its kind do."""
        return self.may_call(service_id) and self.client_profile.fires(hook)

    def effective(self) -> str:
        """One line for the operator: who it is, and what it may do. There is no secret in it."""
        sources = [f"{len(self.keys)} static"] if self.keys else []
        sources += [endpoint.base for endpoint in self.key_urls]
        facts = {
            "issuers": ", ".join(self.issuers),
            "audience": self.audience,
            "keys": ", ".join(sources),
            "algorithms": ", ".join(self.algorithms),
            "FHIR servers": ", ".join(server.base for server in self.fhir_servers) or "none",
            "services": ", ".join(sorted(self.services)) if self.services else "all",
            "client profile": self.client_profile.name,
        }
        shown = "; ".join(f"{name}: {fact}" for name, fact in facts.items())
        return f"{self.id}: {'DEMO KEYS ACCEPTED; ' if self.is_demo else ''}{shown}"
