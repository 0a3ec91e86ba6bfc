"""What an EHR's analyst types in to connect: the facts of the integration sheet.

Some EHRs read no discovery document: prefetch, scopes and keys are entered by hand (DISC-22,
DISC-23). Everything here comes from the guideline content and the tenants file, so that the sheet
and the service cannot say different things. Pure; nothing of it is secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cds_service import fhir_json
from cds_service.hooks import languages
from cds_service.messages import DEFAULT_LANGUAGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cds_service.data.plan_library import PlanLibrary
    from cds_service.engine import Plan, Service
    from cds_service.engine.plan_definition import Coded, Need
    from cds_service.messages import Text
    from cds_service.tenants import Tenant


@dataclass(frozen=True, slots=True)
class Key:
    """One row of the prefetch table."""

    name: str
    query: str
    need: Need


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One service with its addresses; `keys` in the order of discovery."""

    id: str
    title: str
    hook: str
    url: str
    feedback_url: str
    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Trust:
    """What a token of the tenant must say, and which FHIR servers are read for it.

    `client_ids` are this service's at the tenant's authorization server.
    """

    tenant: str
    issuers: tuple[str, ...]
    algorithms: tuple[str, ...]
    key_urls: tuple[str, ...]
    has_static_keys: bool
    subjects: tuple[str, ...]
    client_ids: tuple[str, ...]
    life_s: int
    fhir_servers: tuple[str, ...]
    client_profile: str
    more_audiences: tuple[str, ...]
    token_tenants: tuple[str, ...]
    profile: str | None
    language: str | None


@dataclass(frozen=True, slots=True)
class Code:
    """A code of ours that the client stores or shows, with the words for it."""

    system: str
    code: str
    words: str


@dataclass(frozen=True, slots=True)
class Order:
    """What a suggestion may create; `own` is what the client's lists call it, empty if not told."""

    kind: str
    code: Code
    own: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """The integration sheet.

    Attributes:
        scopes: pairs of a SMART v1 and a SMART v2 scope, one for each type that is read.
        override_reasons: every reason that a card may offer.
        topics: what `source.topic` holds, stable over versions; overrides are remembered by it.
        hosts: where the links and sources of cards lead.
        orders: what suggestions may create, so that the client's own lists can hold it.
    """

    base: str
    revision: str
    endpoints: tuple[Endpoint, ...]
    scopes: tuple[tuple[str, str], ...]
    override_reasons: tuple[Code, ...]
    topics: tuple[Code, ...]
    hosts: tuple[str, ...]
    orders: tuple[Order, ...]
    trust: Trust | None


def sheet(library: PlanLibrary, base: str, tenant: Tenant | None = None) -> Sheet:
    """The sheet for a client that reaches the service at `base`; for a tenant, only what is its."""
    services = [
        service
        for service in library.services.values()
        if tenant is None or tenant.is_offered(service.id, service.hook)
    ]
    plans = tuple(library.content.plans.values())
    types = {key.resource_type for service in services for key in service.requirements}
    return Sheet(
        base=base,
        revision=library.revision,
        endpoints=tuple(_endpoint(service, base) for service in services),
        scopes=tuple(
            (f"user/{name}.read", f"user/{name}.rs") for name in sorted(filter(None, types))
        ),
        override_reasons=_codes(_override_reasons(plans)),
        topics=_codes(_topics(plans)),
        hosts=_hosts(plans),
        orders=tuple(_orders(library, tenant)),
        trust=_trust(tenant) if tenant else None,
    )


def _endpoint(service: Service, base: str) -> Endpoint:
    url = f"{base}/cds-services/{service.id}"
    return Endpoint(
        id=service.id,
        title=_words(service.title),
        hook=service.hook,
        url=url,
        feedback_url=f"{url}/feedback",
        keys=tuple(Key(item.key, item.query, item.need) for item in service.requirements),
    )


def _trust(tenant: Tenant) -> Trust:
    return Trust(
        tenant=tenant.id,
        issuers=tenant.issuers,
        algorithms=tenant.algorithms,
        key_urls=tuple(endpoint.base for endpoint in tenant.key_urls),
        has_static_keys=bool(tenant.keys),
        subjects=tenant.subjects,
        client_ids=tenant.client_ids,
        life_s=tenant.token_life_s,
        fhir_servers=tuple(endpoint.base for endpoint in tenant.fhir_servers),
        client_profile=tenant.client_profile.name,
        more_audiences=tenant.more_audiences,
        token_tenants=tenant.token_tenants,
        profile=tenant.profile,
        language=tenant.language,
    )


def override_words(plans: Iterable[Plan], language: str) -> dict[str, str]:
    """What every override reason that a card may offer says in this language, by its code."""
    return {
        item.code: item.display.in_language(language)
        for item in _override_reasons(plans)
        if item.display is not None
    }


def _orders(library: PlanLibrary, tenant: Tenant | None) -> Iterator[Order]:
    """What the client may be offered to create, each once, in their order as text."""
    creates = tenant.client_profile.creates if tenant else None
    own = tenant.order_codes if tenant else {}
    found = {(kind, item["system"], item["code"]): item for kind, item in _orderable(library)}
    for (kind, system, code), coding in sorted(found.items(), key=lambda pair: pair[0]):
        if creates is None or kind in creates:
            theirs = "|".join(own.get((system, code), ()))
            yield Order(kind, Code(system, code, str(coding.get("display", ""))), theirs)


def _orderable(library: PlanLibrary) -> Iterator[tuple[str, dict[str, Any]]]:
    """The codings of every definition of an order, each with the type of the order."""
    for activity in library.content.activities.values():
        definition = activity.json
        ordered = definition.get("code") or definition.get("productCodeableConcept")
        for coding in fhir_json.codings(ordered):
            if "system" in coding and "code" in coding:
                yield str(definition["kind"]), coding


def _override_reasons(plans: Iterable[Plan]) -> Iterator[Coded]:
    for plan in plans:
        for action in plan.walk():
            yield from action.override_reasons


def _topics(plans: tuple[Plan, ...]) -> Iterator[Coded]:
    """What names cards: the topic of a plan, and of its actions those codes that are topics too."""
    for plan in plans:
        if plan.topic is None:
            continue
        yield plan.topic
        codes = (action.code for action in plan.walk() if action.code is not None)
        yield from (code for code in codes if code.system == plan.topic.system)


def _codes(found: Iterator[Coded]) -> tuple[Code, ...]:
    """Each code once, in their order as text."""
    named = {(item.system, item.code): item for item in found}
    return tuple(
        Code(system, code, _words(item.display) if item.display else "")
        for (system, code), item in sorted(named.items(), key=lambda pair: pair[0])
    )


def _hosts(plans: tuple[Plan, ...]) -> tuple[str, ...]:
    """The origins that a card can link to: those of the documents that the plans cite."""
    urls = {plan.canonical for plan in plans} | {
        item.url
        for plan in plans
        for action in plan.walk()
        for item in action.documentation
        if item.url
    }
    parts = (urlsplit(url) for url in urls)
    return tuple(
        sorted({f"{part.scheme}://{part.netloc}" for part in parts if part.scheme in _LINKED})
    )


_LINKED = frozenset({"https", "http"})


def _words(text: Text) -> str:
    return languages.plain_text(text, DEFAULT_LANGUAGE, {})
