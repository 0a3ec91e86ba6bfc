"""What the values of a tenant's entries may be, and what is made of them."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any, TypeVar

from cds_service import fhir_json
from cds_service.data.outbound import Endpoint, base_problem
from cds_service.errors import RequestError, did_you_mean
from cds_service.tenants import jwk
from cds_service.tenants.client_profile import CLIENT_PROFILES
from cds_service.tenants.tenant import ALGORITHMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from ipaddress import IPv4Network, IPv6Network
    from pathlib import Path

    from cds_service.tenants.client_profile import ClientProfile
    from cds_service.tenants.tenant import SystemCode

T = TypeVar("T")
_TEXT = re.compile(r"[!-~]{1,500}")
_CODED = re.compile(r"([!-{}~]{1,300})\|([ -{}~]{1,200})")
_CODES = '"http://loinc.org|24968-0" = "urn:example:our-orders|MR-LS"'
_MOST_VALUES = 100


class Wrong(ValueError):
    """A value is not allowed; the text is the end of a sentence that begins with its entry."""

    def __init__(self, text: str, hint: str | None = None) -> None:
        super().__init__(text)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Known:
    """What the entries of a tenant may name.

    Attributes:
        is_loopback: whether only this host can call, so that demo keys may be accepted.
    """

    profiles: tuple[str, ...]
    languages: tuple[str, ...]
    services: tuple[str, ...]
    is_loopback: bool


@dataclass(frozen=True, slots=True)
class Site:
    """What values are read against: the folder of relative paths, and what may be named."""

    folder: Path
    known: Known
    is_demo: bool = False

    def with_demo(self, value: object) -> Site:
        """The same for a tenant that says whether it is a demo."""
        return replace(self, is_demo=value is True)


def texts(value: Any, _: Site) -> tuple[str, ...]:
    """A list of texts without spaces."""
    good = isinstance(value, list) and 0 < len(value) <= _MOST_VALUES
    if not good or not all(isinstance(item, str) and _TEXT.fullmatch(item) for item in value):
        raise Wrong("must be a list of texts of ASCII characters without spaces")
    if len(set(value)) < len(value):
        raise Wrong("names a value twice")
    return tuple(value)


def issuers(value: Any, site: Site) -> tuple[str, ...]:
    """The `iss` values of the tenant, which are URIs (SEC-12)."""
    found = texts(value, site)
    if not all(":" in issuer for issuer in found):
        raise Wrong("must be URIs, such as https://ehr.example.org/fhir")
    return found


def audience(value: Any, _: Site) -> str:
    """The base URL under which the client reaches us."""
    if not isinstance(value, str):
        raise Wrong("must be the base URL under which the client calls this service")
    if problem := base_problem(value):
        raise Wrong(problem, "write the base URL under which the client calls this service")
    return value.rstrip("/")


def whole_number(least: int, most: int) -> Callable[[Any, Site], int]:
    """Reads an integer within these bounds."""

    def parse(value: Any, _: Site) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise Wrong(f"must be a whole number from {least} to {most}")
        return value

    return parse


def yes_or_no(value: Any, _: Site) -> bool:
    """A TOML boolean."""
    if not isinstance(value, bool):
        raise Wrong("must be true or false")
    return value


def demo(value: Any, site: Site) -> bool:
    """Whether keys that everybody knows are accepted; only where nobody else can call (C11)."""
    is_demo = yes_or_no(value, site)
    if is_demo and not site.known.is_loopback:
        raise Wrong("must not be true beyond loopback", "set CDS_HOST to 127.0.0.1, or drop it")
    return is_demo


def algorithms(value: Any, site: Site) -> tuple[str, ...]:
    """Signature algorithms, asymmetric ones only."""
    return _each(lambda name: _named(name, ALGORITHMS), texts(value, site))


def profile(value: Any, site: Site) -> str:
    """A guideline profile."""
    return _named(value, site.known.profiles)


def language(value: Any, site: Site) -> str:
    """The language of cards for requests without `Accept-Language`."""
    return _named(value, site.known.languages)


def client_profile(value: Any, _: Site) -> ClientProfile:
    """What kind of client it is."""
    return CLIENT_PROFILES[_named(value, CLIENT_PROFILES)]


def order_codes(value: Any, _: Site) -> Mapping[SystemCode, SystemCode]:
    """Codes of our orders, each with the code that the client's own lists have for it.

    A code of ours that nothing orders is no mistake: its definition may be left out just now.
    """
    if not isinstance(value, dict) or not 0 < len(value) <= _MOST_VALUES:
        raise Wrong("must be a table of codes", f"write {_CODES}")
    pairs = _each(lambda item: (_system_code(item[0]), _system_code(item[1])), value.items())
    return dict(pairs)


def _system_code(text: object) -> SystemCode:
    found = _CODED.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise Wrong(f"holds '{text}', which is no system|code", f"write {_CODES}")
    return found[1], found[2]


def services(value: Any, site: Site) -> frozenset[str]:
    """Ids of the services that the tenant may call."""
    return frozenset(_each(lambda name: _named(name, site.known.services), texts(value, site)))


def endpoints(value: Any, _: Site) -> tuple[Endpoint, ...]:
    """URLs, or tables `{url, networks, allows_http}`."""
    if not isinstance(value, list) or not 0 < len(value) <= _MOST_VALUES:
        raise Wrong("must be a list of URLs, or of tables with a url")
    return _each(_endpoint, value)


def authorities(value: Any, site: Site) -> Path:
    """A PEM file with certificates."""
    path = _file(value, site)
    try:
        ssl.create_default_context(cafile=str(path))
    except (OSError, ValueError):
        raise Wrong(f"names {path.name}, which is no readable PEM file of certificates") from None
    return path


def key_file(value: Any, site: Site) -> tuple[Mapping[str, Any], ...]:
    """The keys of a JWK Set in a file."""
    path = _file(value, site)
    try:
        document = fhir_json.decode(path.read_bytes())
    except OSError as error:
        raise Wrong(f"names {path.name}, which cannot be read ({type(error).__name__})") from None
    except RequestError as error:
        raise Wrong(f"names {path.name}, which is no JWK Set: {error.message}") from None
    return key_set(document, site)


def key_set(value: Any, site: Site) -> tuple[Mapping[str, Any], ...]:
    """The keys of a JWK Set; every one must be of use, and the kids differ."""
    keys = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(keys, list) or not keys:
        raise Wrong('is no JWK Set: an object with a list "keys"')

    def check(numbered: tuple[int, object]) -> None:
        number, key = numbered
        if reason := jwk.problem(key, allow_publicly_known=site.is_demo):
            raise Wrong(f"holds a key (number {number}) that {reason}")

    _each(check, enumerate(keys, start=1))
    if len({key["kid"] for key in keys}) < len(keys):
        raise Wrong("holds two keys with the same kid")
    return tuple(keys)


def _each(parse: Callable[[Any], T], items: Iterable[Any]) -> tuple[T, ...]:
    """What is made of every item; raises everything that is wrong with them, as one group."""
    made: list[T] = []
    problems: list[Wrong] = []
    for item in items:
        try:
            made.append(parse(item))
        except Wrong as wrong:
            problems.append(wrong)
    if problems:
        raise ExceptionGroup("items", problems)
    return tuple(made)


def _endpoint(value: Any) -> Endpoint:
    table = {"url": value} if isinstance(value, str) else value
    if not isinstance(table, dict) or not isinstance(table.get("url"), str):
        raise Wrong("must be a list of URLs, or of tables with a url")
    for name in table:
        _named(name, ("url", "networks", "allows_http"))
    if not isinstance(table.get("allows_http", False), bool):
        raise Wrong("holds an allows_http that is not true or false")
    if not isinstance(table.get("networks", []), list):
        raise Wrong("holds networks that are no list")
    endpoint = Endpoint(
        table["url"],
        tuple(_network(text) for text in table.get("networks", ())),
        table.get("allows_http", False),
    )
    if problem := endpoint.problem():
        raise Wrong(f"holds {table['url'][:100]}, which {problem}")
    return endpoint


def _network(text: object) -> IPv4Network | IPv6Network:
    try:
        return ip_network(str(text))
    except ValueError:
        raise Wrong(f"holds the network {text}, which is none such as 10.20.0.0/16") from None


def _file(value: Any, site: Site) -> Path:
    if not isinstance(value, str) or not value:
        raise Wrong("must be the path of a file")
    return site.folder / value


def _named(value: Any, known: Iterable[str]) -> str:
    if not isinstance(value, str) or value not in known:
        hint = did_you_mean(str(value), known)
        raise Wrong(f"holds '{value}'; it must be one of {', '.join(known)}", hint)
    return value
