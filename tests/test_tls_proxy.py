"""The service behind the example of nginx: TLS on every address, nothing private let out.

Requirements GEN-2 and SEC-1 are the site's to keep; what is proven is that the example keeps them.
"""

from __future__ import annotations

import json
import socket
import ssl
from typing import TYPE_CHECKING

import nginx_process
import pytest
import tls_proxy
from client_keys import Token, claims, key, write_tenants
from contract.clients import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from contract.clients import Server
    from tls_proxy import Proxy

ISSUER = "https://ehr.example.org/fhir"
SERVICES = "/cds-services"
VIEW = "/cds-services/low-back-pain-patient-view"
FEEDBACK = {
    "feedback": [{"card": "c", "outcome": "overridden", "outcomeTimestamp": "2026-01-01T00:00:00Z"}]
}


@pytest.fixture(scope="module")
def port() -> int:
    return nginx_process.free_port()


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Server]:
    """The service as a hospital has it: it knows its client and the address that all use."""
    folder = tmp_path_factory.mktemp("service")
    tenants = write_tenants(folder, f"https://localhost:{port}", {"hospital": ISSUER}, key())
    yield from serving(folder, TENANTS=str(tenants), WORKERS="1")


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, port: int, behind: Server) -> Iterator[Proxy]:
    with tls_proxy.running(tmp_path_factory.mktemp("nginx"), port, behind.place) as started:
        yield started


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory, port: int, behind: Server) -> Iterator[Proxy]:
    """The example with client certificates, at a port of its own."""
    folder = tmp_path_factory.mktemp("asking")
    other = nginx_process.free_port()
    with tls_proxy.running(folder, other, behind.place, asks_clients=True) as started:
        yield started


def headers(port: int, path: str) -> dict[str, str]:
    token = Token(key(), claims(f"https://localhost:{port}{path}", ISSUER)).text()
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


@pytest.mark.requirement("GEN-2", "SEC-1", "DISC-1")
def test_discovery_is_served_over_tls(proxy: Proxy) -> None:
    status, _, body = proxy.open("GET", SERVICES)

    assert (status, sorted(json.loads(body))) == (200, ["services"])


@pytest.mark.requirement("GEN-2", "SEC-1", "SEC-31")
def test_a_call_to_the_address_of_the_proxy_is_let_in(proxy: Proxy, port: int, message) -> None:
    body = json.dumps(message()).encode()

    status, _, answer = proxy.open("POST", VIEW, body, headers(port, VIEW))

    assert (status, json.loads(answer)) == (200, {"cards": []})


@pytest.mark.requirement("GEN-2", "SEC-1", "FB-14")
def test_feedback_is_taken_over_tls(proxy: Proxy, port: int) -> None:
    address = f"{VIEW}/feedback"

    status, _, answer = proxy.open(
        "POST", address, json.dumps(FEEDBACK).encode(), headers(port, address)
    )

    assert (status, answer) == (200, b"")


@pytest.mark.requirement("SEC-1")
@pytest.mark.parametrize("path", [SERVICES, VIEW, f"{VIEW}/feedback", "/health"])
def test_without_tls_nothing_is_answered(proxy: Proxy, path: str) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=15) as wire:
        wire.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        said = b"".join(iter(lambda: wire.recv(4096), b""))

    assert said.startswith(b"HTTP/1.1 400 ")
    assert b"services" not in said


@pytest.mark.requirement("J2", "SEC-1")
@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_an_old_tls_is_refused_by_the_proxy(proxy: Proxy, newest: ssl.TLSVersion) -> None:
    context = proxy.context()
    context.set_ciphers("ALL:@SECLEVEL=0")  # else the client itself would not offer it
    context.minimum_version = context.maximum_version = newest

    with pytest.raises(ssl.SSLError) as refused:
        proxy.open("GET", "/health", context=context)

    assert refused.value.reason == "TLSV1_ALERT_PROTOCOL_VERSION"


@pytest.mark.requirement("J2", "SEC-1")
@pytest.mark.parametrize("cipher", ["ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384"])
def test_a_cipher_of_the_old_kind_is_refused_by_the_proxy(proxy: Proxy, cipher: str) -> None:
    context = proxy.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(cipher)

    with pytest.raises(ssl.SSLError) as refused:
        proxy.open("GET", "/health", context=context)

    assert "HANDSHAKE_FAILURE" in str(refused.value.reason)


@pytest.mark.requirement("H1", "H3")
@pytest.mark.parametrize(
    "path",
    [
        "/metrics",
        "/metrics/",
        "//metrics",
        "/%6detrics",
        "/metrics%2f",
        "/x/../metrics",
        "/metrics?x",
    ],
)
def test_the_metrics_stay_inside(proxy: Proxy, behind: Server, path: str) -> None:
    assert behind.open("GET", "/metrics").status == 200

    status, _, body = proxy.open("GET", path)

    assert (status, b"cds_" in body) == (404, False)


@pytest.mark.requirement("E6")
@pytest.mark.parametrize("path", ["/health", "/metrics"])
def test_no_answer_names_a_version(proxy: Proxy, path: str) -> None:
    _, told, body = proxy.open("GET", path)

    assert told["Server"] == "nginx"
    assert b"nginx/" not in body


@pytest.mark.requirement("J2")
@pytest.mark.parametrize(("path", "status"), [("/health", 200), ("/metrics", 404)])
def test_browsers_are_told_to_come_back_over_tls_only(proxy: Proxy, path: str, status: int) -> None:
    answered, told, _ = proxy.open("GET", path)

    assert (answered, told["Strict-Transport-Security"]) == (status, "max-age=31536000")


@pytest.mark.requirement("RESP-7", "RESP-9")
def test_a_body_that_the_proxy_refuses_is_answered_with_an_outcome(proxy: Proxy) -> None:
    status, told, body = proxy.open("POST", VIEW, b" " * 6_000_000)

    assert (status, told["Content-Type"]) == (413, "application/json")
    assert json.loads(body)["resourceType"] == "OperationOutcome"


@pytest.mark.requirement("H1", "PHI-3")
def test_a_large_chart_is_written_to_no_file_of_the_proxy(
    tmp_path: Path, behind: Server, port: int, message
) -> None:
    body = json.dumps(message()).encode() + b" " * 4_000_000
    with tls_proxy.running(tmp_path, nginx_process.free_port(), behind.place) as without_files:
        for folder in nginx_process.TEMPORARY:
            (tmp_path / folder).rmdir()

        status, _, answer = without_files.open("POST", VIEW, body, headers(port, VIEW))

    assert (status, json.loads(answer)) == (200, {"cards": []})


@pytest.mark.requirement("RESP-7", "RESP-9")
def test_a_service_that_is_away_is_answered_for_with_an_outcome(tmp_path: Path) -> None:
    away = f"127.0.0.1:{nginx_process.free_port()}"
    with tls_proxy.running(tmp_path, nginx_process.free_port(), away) as alone:
        status, told, body = alone.open("GET", SERVICES)

    assert (status, told["Content-Type"], told["Retry-After"]) == (503, "application/json", "5")
    assert json.loads(body)["resourceType"] == "OperationOutcome"


@pytest.mark.requirement("SEC-4")
def test_without_a_client_certificate_a_token_opens_nothing(asking: Proxy, port: int) -> None:
    status, _, body = asking.open("POST", VIEW, b"{}", headers(port, VIEW))

    assert (status, b"OperationOutcome" in body) == (400, False)


@pytest.mark.requirement("SEC-4", "SEC-5")
def test_a_client_certificate_replaces_no_token(asking: Proxy, port: int) -> None:
    context = asking.context(certificate=True)

    without, _, _ = asking.open("POST", VIEW, b"{}", context=context)
    allowed, _, _ = asking.open("POST", VIEW, b"{}", headers(port, VIEW), context=context)

    assert (without, allowed) == (401, 400)
