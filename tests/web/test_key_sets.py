"""Keys over time: rotated, cached, broken and hammered, from a real server of key sets."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from client_keys import key
from key_server import KeyServer, Served, jwks

from cds_service.data.guarded_http import GuardedHttp
from cds_service.data.outbound import AllowList, Endpoint
from cds_service.errors import NotTrusted
from cds_service.tenants import Tenant
from cds_service.web.auth.key_sets import FRESH_S, INTERVAL_S, KEPT_S, RemoteKeys, TenantKeys

if TYPE_CHECKING:
    from collections.abc import Iterator

ES, NEW, STRANGER = key("es"), key("new"), key("stranger")


class Clock:
    """A monotonic clock that only moves when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[KeyServer]:
    with KeyServer() as running:
        running.answers["/jwks.json"] = jwks(ES.jwk())
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(server: KeyServer, clock: Clock) -> RemoteKeys:
    guard = AllowList((Endpoint(server.url()),))
    http = GuardedHttp(guard, peer="the key server", max_bytes=200_000)
    return RemoteKeys(server.url(), http, clock=clock)


@pytest.mark.requirement("SEC-26", "PERF-4")
def test_a_key_set_is_fetched_once_while_it_is_fresh(
    server: KeyServer, keys: RemoteKeys, clock: Clock
) -> None:
    found = [keys.key("es")]
    clock.now += FRESH_S - 1
    found.append(keys.key("es"))

    assert found == [ES.jwk(), ES.jwk()]
    assert len(server.asked) == 1


@pytest.mark.requirement("C7")
def test_a_new_key_is_known_within_a_minute(
    server: KeyServer, keys: RemoteKeys, clock: Clock
) -> None:
    keys.key("es")
    server.answers["/jwks.json"] = jwks(NEW.jwk())
    clock.now += 60

    assert keys.key("new") == NEW.jwk()


@pytest.mark.requirement("C7")
def test_a_key_that_was_taken_away_is_forgotten_when_the_set_is_old(
    server: KeyServer, keys: RemoteKeys, clock: Clock
) -> None:
    keys.key("es")
    server.answers["/jwks.json"] = jwks(NEW.jwk())
    clock.now += FRESH_S

    assert keys.key("es") is None


@pytest.mark.requirement("C6", "SEC-29")
def test_a_flood_of_unknown_kids_is_one_fetch_per_interval(
    server: KeyServer, keys: RemoteKeys, clock: Clock
) -> None:
    for _ in range(3):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(keys.key, [f"unknown-{number}" for number in range(200)]))
        clock.now += INTERVAL_S

    assert len(server.asked) == 3


@pytest.mark.requirement("C7")
def test_known_keys_stay_while_their_address_does_not_answer(
    server: KeyServer, keys: RemoteKeys, clock: Clock
) -> None:
    keys.key("es")
    server.answers["/jwks.json"] = Served(b"", 503)
    clock.now += FRESH_S + 600

    assert keys.key("es") == ES.jwk()
    assert keys.failure == "the key server failed (503)"


@pytest.mark.requirement("C7", "C10")
def test_known_keys_do_not_stay_for_ever(server: KeyServer, keys: RemoteKeys, clock: Clock) -> None:
    keys.key("es")
    server.answers["/jwks.json"] = Served(b"", 503)
    clock.now += KEPT_S

    assert keys.key("es") is None


@pytest.mark.requirement("C7", "SEC-26")
@pytest.mark.parametrize(
    ("said", "fresh_s"),
    [
        ("max-age=120", 120),
        ("public, max-age=120, immutable", 120),
        ("max-age=0", INTERVAL_S),
        ("no-store", INTERVAL_S),
        ("no-cache", INTERVAL_S),
        ("max-age=999999", FRESH_S),
        ("s-maxage=5", FRESH_S),
    ],
)
def test_a_set_is_not_kept_longer_than_its_server_says(
    server: KeyServer, keys: RemoteKeys, clock: Clock, said: str, fresh_s: int
) -> None:
    server.answers["/jwks.json"] = jwks(ES.jwk(), Cache_Control=said)
    keys.key("es")
    clock.now += fresh_s - 1
    keys.key("es")
    before = len(server.asked)
    clock.now += 1
    keys.key("es")

    assert (before, len(server.asked)) == (1, 2)


@pytest.mark.requirement("C5", "C7", "D3")
@pytest.mark.parametrize(
    "served",
    [
        Served(b"", 500),
        Served(b"{}", 301, {"Location": "/jwks.json"}),
        Served(b"{}", 302, {"Location": "http://127.0.0.1:1/"}),
        Served(b"<html>"),
        Served(b"[]"),
        Served(b'{"keys": 1}'),
        Served(b'{"keys": []}'),
        Served(b'{"keys": [1, null, {}]}'),
        Served(b" " * 1_000_000),
        Served(b"{}", delay_s=20),
        Served(json.dumps({"keys": [ES.jwk(), {**STRANGER.jwk(), "kid": "es"}]}).encode()),
        Served(json.dumps({"keys": [ES.jwk(d="AAAA")]}).encode()),
        Served(json.dumps({"keys": [ES.jwk(use="enc")]}).encode()),
    ],
    ids=lambda served: f"{served.status} {served.body[:20]!r} {served.delay_s}",
)
def test_a_broken_key_set_lets_nobody_in(served: Served) -> None:
    with KeyServer() as server:
        server.answers["/keys"] = served
        tenant = Tenant(
            id="a",
            issuers=("https://ehr.example.org",),
            audience="https://cds.example.org",
            key_urls=(Endpoint(server.url("/keys")),),
        )

        with pytest.raises(NotTrusted):
            TenantKeys(tenant).find("es", None, "ES384")
        assert set(server.asked) == {"/keys"}


@pytest.mark.requirement("C5", "OUT-1")
def test_a_listed_address_that_leads_into_a_private_network_is_not_called() -> None:
    tenant = Tenant(
        id="a",
        issuers=("https://ehr.example.org",),
        audience="https://cds.example.org",
        key_urls=(Endpoint("https://169.254.169.254/jwks.json"),),
    )

    with pytest.raises(NotTrusted) as raised:
        TenantKeys(tenant).find("es", None, "ES384")

    assert "not one that may be called" in raised.value.message
