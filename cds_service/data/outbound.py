"""Which URLs may be called, and at which network addresses (OUT-1, PF-11, SEC-29; risks D1, D2).

`fhirServer`, paging links and `jku` are input from outside: a URL is held against the list as
parsed scheme, host, port and path boundary, never as text. A host name says nothing about where it
leads, so that the address it resolves to is checked as well, at the moment of connecting.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from ipaddress import IPv4Network

    Address = IPv4Address | IPv6Address
    Network = IPv4Network | IPv6Network

_PORTS = {"http": 80, "https": 443}
_URL = re.compile(r"[!-\[\]-~]{1,4000}")  # printable ASCII without space and backslash
_NAT64 = IPv6Network("64:ff9b::/96")
_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


class Guard(Protocol):
    """What may be called."""

    def refusal(self, url: str) -> str | None:
        """Why `url` is not called, as the end of a sentence; None when it may be."""

    def permits(self, host: str, port: int, address: Address) -> bool:
        """Whether a connection to `host` and `port` may go to this address."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A base URL that may be called, and the networks it may lead to besides public addresses.

    Without `networks` only public addresses are called, or the very address that `base` names, or
    loopback when `base` names that. `allows_http` is for places where TLS ends elsewhere.
    """

    base: str
    networks: tuple[Network, ...] = ()
    allows_http: bool = False

    def problem(self) -> str | None:
        """Why this endpoint cannot be listed, as the end of a sentence; None when it can."""
        if problem := base_problem(self.base):
            return problem
        if _needs_tls(self.base) and not self.allows_http:
            return "must be https, unless its host is loopback or http is allowed for it"
        return None

    def permits(self, host: str, port: int, address: Address) -> bool:
        """Whether `host` and `port` are this endpoint's, and the address may be called for it."""
        home = _place(self.base)
        if home is None or (home.host, home.port) != (host.lower(), port):
            return False
        return _is_public(address) or any(
            inner in network
            for inner in (address, _unwrapped(address))
            for network in (*self.networks, *_own_networks(host))
            if inner.version == network.version
        )


@dataclass(frozen=True, slots=True)
class AllowList:
    """Only these endpoints and what lies below them."""

    endpoints: tuple[Endpoint, ...]

    def refusal(self, url: str) -> str | None:
        """A URL that is not at or below a listed base is refused."""
        if problem := base_problem(url):
            return problem
        if not any(is_below(url, endpoint.base) for endpoint in self.endpoints):
            return "is not on this client's list"
        return None

    def permits(self, host: str, port: int, address: Address) -> bool:
        """What an endpoint with this host and port permits."""
        return any(endpoint.permits(host, port, address) for endpoint in self.endpoints)


@dataclass(frozen=True, slots=True)
class AnyPublicServer:
    """The demo profile: any https server on public addresses, and loopback where a URL names it."""

    def refusal(self, url: str) -> str | None:
        """Only https, except on loopback."""
        if problem := base_problem(url):
            return problem
        return "must be https, unless its host is loopback" if _needs_tls(url) else None

    def permits(self, host: str, port: int, address: Address) -> bool:  # noqa: ARG002  any port
        """Public addresses; loopback only for a host that is loopback by its name."""
        if _is_public(address):
            return True
        return _is_loopback_host(host) and _unwrapped(address).is_loopback


def base_problem(base: str) -> str | None:
    """Why `base` cannot be the base URL of a FHIR server, as the end of a sentence; None if it can.

    A base is an http or https URL of ASCII characters with a host and without user, query,
    fragment, backslash or dot segments.
    """
    if _place(base) is None:
        return "is not a plain http or https URL"
    if "?" in base or "#" in base:
        return "has a query or a fragment"
    return None


def is_below(url: str, base: str) -> bool:
    """Whether `url` has the scheme, host and port of `base` and lies at or under its path."""
    place, home = _place(url), _place(base)
    if place is None or home is None or place[:3] != home[:3]:
        return False
    root = home.path.rstrip("/")
    return place.path == root or place.path.startswith(f"{root}/")


class _Place(NamedTuple):
    scheme: str
    host: str
    port: int
    path: str


def _place(url: str) -> _Place | None:
    if not _URL.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname
    if parts.scheme not in _PORTS or not host or {"@", "%"} & set(parts.netloc):
        return None
    if _leads_up(parts.path):
        return None
    return _Place(parts.scheme, host, port or _PORTS[parts.scheme], parts.path)


def _leads_up(path: str) -> bool:
    """Whether a server may find a dot segment in a path.

    Some proxies and containers decode twice, take a backslash for a slash, or drop what follows a
    semicolon before they look: `/fhir/..;/admin` is `/admin` to them.
    """
    decoded = unquote(unquote(path))
    names = (segment.partition(";")[0] for segment in re.split(r"[/\\]", decoded))
    return not {".", ".."}.isdisjoint(names)


def _needs_tls(url: str) -> bool:
    place = _place(url)
    return place is not None and place.scheme == "http" and not _is_loopback_host(place.host)


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def _is_loopback_host(host: str) -> bool:
    literal = _literal(host)
    return host.lower() == "localhost" or (literal is not None and literal.is_loopback)


def _own_networks(host: str) -> tuple[Network, ...]:
    """The addresses that a host stands for by itself; none for a name, none that is link-local."""
    if _is_loopback_host(host):
        return _LOOPBACK
    literal = _literal(host)
    return () if literal is None or literal.is_link_local else (ip_network(literal),)


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 address of a translation mechanism leads to, or itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)


def _is_public(address: Address) -> bool:
    inner = _unwrapped(address)
    is_local = inner.is_multicast or getattr(inner, "is_site_local", False)
    return address.is_global and inner.is_global and not is_local
