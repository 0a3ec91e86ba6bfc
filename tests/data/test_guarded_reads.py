"""Reads under an allow-list: no socket to anywhere else, no token at any other door.

Connections are watched where Python opens them (the audit event `socket.connect`), below our code.
"""

from __future__ import annotations

import socket
import ssl
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

import fhir_stub
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fhir_stub import FhirStub

from cds_service.data.deadline import Deadline
from cds_service.data.fhir_client import Answer, FhirReader, FhirServer
from cds_service.data.outbound import AllowList, AnyPublicServer, Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENT = {"resourceType": "Patient", "id": "p1"}
LISTED = "https://ehr.example.org/fhir"

_watched: list[Any] | None = None


def _watch(name: str, arguments: tuple[Any, ...]) -> None:
    if name == "socket.connect" and _watched is not None:
        _watched.append(arguments[1])


sys.addaudithook(_watch)


@pytest.fixture
def connections() -> Iterator[list[Any]]:
    """The address of every connection that is opened while the test runs."""
    global _watched  # noqa: PLW0603 - an audit hook cannot be removed
    _watched = []
    yield _watched
    _watched = None


@pytest.fixture
def stub() -> Iterator[FhirStub]:
    with FhirStub([PATIENT], token="t0ken") as server:
        yield server


HOSTILE = [
    "http://ehr.example.org/fhir",
    "HTTP://ehr.example.org/fhir",
    "ftp://ehr.example.org/fhir",
    "file:///etc/passwd",
    "gopher://ehr.example.org/fhir",
    "javascript:alert(1)",
    "data:application/json,{}",
    "//ehr.example.org/fhir",
    "ehr.example.org/fhir",
    "/fhir",
    "",
    " ",
    "https://",
    "https:///fhir",
    "https:ehr.example.org/fhir",
    "https:/ehr.example.org/fhir",
    "https://ehr.example.org:8443/fhir",
    "https://ehr.example.org:80/fhir",
    "https://ehr.example.org:0443x/fhir",
    "https://ehr.example.org:99999/fhir",
    "https://ehr.example.org:-1/fhir",
    "https://ehr.example.org.evil.test/fhir",
    "https://evil.test/ehr.example.org/fhir",
    "https://evil-ehr.example.org/fhir",
    "https://xehr.example.org/fhir",
    "https://example.org/fhir",
    "https://sub.ehr.example.org/fhir",
    "https://ehr.example.org@evil.test/fhir",
    "https://ehr.example.org:secret@evil.test/fhir",
    "https://user@ehr.example.org/fhir",
    "https://ehr.example.org%40evil.test/fhir",
    "https://ehr.example.org%2f@evil.test/fhir",
    "https://ehr.example.org%00.evil.test/fhir",
    "https://ehr.example.org\\@evil.test/fhir",
    "https://ehr.example.org\\evil.test/fhir",
    "https:\\\\ehr.example.org\\fhir",
    "https://evil.test\\.ehr.example.org/fhir",
    "https://ehr.example.org./fhir",
    "https://ehr..example.org/fhir",
    "https://ehr.example.org,evil.test/fhir",
    "https://ehr.example.org;evil.test/fhir",
    "https://ehr.example.org\u3002evil.test/fhir",
    "https://ehr.ex\u0430mple.org/fhir",
    "https://xn--hr-6kc.example.org/fhir",
    "https://\uff45hr.example.org/fhir",
    "https://ehr.example.org\t/fhir",
    "https://ehr.example.org\r\nX-Evil: 1/fhir",
    "https://ehr.example.org /fhir",
    "\x00https://ehr.example.org/fhir",
    "https://ehr.example.org/fhir\x00",
    "https://ehr.example.org/fhirx",
    "https://ehr.example.org/FHIR",
    "https://ehr.example.org/",
    "https://ehr.example.org",
    "https://ehr.example.org/fhir/../admin",
    "https://ehr.example.org/fhir/%2e%2e/admin",
    "https://ehr.example.org/fhir/%2E./admin",
    "https://ehr.example.org/fhir/..%2fadmin",
    "https://ehr.example.org/fhir/..%5cadmin",
    "https://ehr.example.org/fhir/./x",
    "https://ehr.example.org/fhir/..;/admin",
    "https://ehr.example.org/fhir/%252e%252e/admin",
    "https://ehr.example.org/x/../fhir",
    "https://ehr.example.org//fhir",
    "https://ehr.example.org/%66hir",
    "https://ehr.example.org/fhir?x=1",
    "https://ehr.example.org/fhir#x",
    "https://ehr.example.org/fhir" + "/x" * 5000,
    "https://localhost/fhir",
    "http://localhost/fhir",
    "http://127.0.0.1/fhir",
    "http://127.1/fhir",
    "http://0/fhir",
    "http://2130706433/fhir",
    "http://0x7f000001/fhir",
    "http://0177.0.0.1/fhir",
    "http://[::1]/fhir",
    "http://[::ffff:127.0.0.1]/fhir",
    "http://[::ffff:7f00:1]/fhir",
    "http://[fe80::1%25eth0]/fhir",
    "http://169.254.169.254/latest/meta-data",
    "https://169.254.169.254/fhir",
    "https://[fd00:ec2::254]/fhir",
    "https://10.0.0.1/fhir",
    "https://192.168.0.1/fhir",
    "https://metadata.google.internal/fhir",
    "unix:///var/run/docker.sock",
]


@pytest.mark.requirement("OUT-1", "SEC-33", "D1")
@pytest.mark.parametrize("base", HOSTILE)
def test_an_unlisted_fhir_server_opens_no_socket(connections: list[Any], base: str) -> None:
    with FhirReader(AllowList((Endpoint(LISTED),))) as reader:
        answer = reader.fetch(FhirServer(base, "t0ken"), "Patient/p1", Deadline(5))

    assert answer.documents == ()
    assert answer.failure is not None
    assert connections == []


@pytest.mark.requirement("OUT-1", "D1")
def test_a_listed_server_is_read_whatever_the_case_of_its_host(stub: FhirStub) -> None:
    listed = stub.base.replace("127.0.0.1", "localhost")
    with FhirReader(AllowList((Endpoint(listed),))) as reader:
        answer = reader.fetch(
            FhirServer(listed.replace("localhost", "LocalHost"), "t0ken"), "Patient/p1", Deadline(9)
        )

    assert answer == Answer((PATIENT,))


@pytest.mark.requirement("OUT-1")
def test_a_server_below_a_listed_path_is_read(stub: FhirStub) -> None:
    with FhirReader(AllowList((Endpoint(stub.origin),))) as reader:
        answer = reader.fetch(FhirServer(stub.base, "t0ken"), "Patient/p1", Deadline(9))

    assert answer == Answer((PATIENT,))


@pytest.mark.requirement("D3", "OUT-1")
@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
def test_no_redirect_carries_the_token_on(
    stub: FhirStub, connections: list[Any], status: int
) -> None:
    with FhirStub([PATIENT]) as canary:
        stub.faults["Patient"] = fhir_stub.status(status, Location=f"{canary.base}/Patient/p1")
        both = AllowList((Endpoint(stub.base), Endpoint(canary.base)))
        with FhirReader(both) as reader:
            answer = reader.fetch(FhirServer(stub.base, "t0ken"), "Patient/p1", Deadline(9))

    assert answer.documents == ()
    assert canary.seen == []
    assert len(connections) == 1


@pytest.mark.requirement("D4", "PF-11")
def test_a_next_link_to_another_listed_server_is_not_followed(stub: FhirStub) -> None:
    with FhirStub([PATIENT]) as other:
        stub.faults["Condition"] = fhir_stub.next_page(f"{other.base}/Condition?page=2")
        both = AllowList((Endpoint(stub.base), Endpoint(other.base)))
        with FhirReader(both) as reader:
            answer = reader.fetch(FhirServer(stub.base, "t0ken"), "Condition?x=y", Deadline(9))

    assert answer.failure == ("page 2: its link leads outside the FHIR server and is not followed")
    assert other.seen == []


# --- where a host name leads ---


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
    """Names get these addresses, one per look-up; the last one stays."""
    left = list(answers)

    def look_up(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        address = left.pop(0) if len(left) > 1 else left[0]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


NOT_PUBLIC = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fec0::1",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
]


@pytest.mark.requirement("D1", "OUT-1")
@pytest.mark.parametrize("guard", [AllowList((Endpoint(LISTED),)), AnyPublicServer()])
@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_a_name_that_leads_into_a_private_network_is_not_called(
    monkeypatch: pytest.MonkeyPatch, connections: list[Any], guard: Any, address: str
) -> None:
    resolving(monkeypatch, address)
    with FhirReader(guard) as reader:
        answer = reader.fetch(FhirServer(LISTED, "t0ken"), "Patient/p1", Deadline(5))

    assert answer == Answer((), "the address of the FHIR server is not one that may be called")
    assert connections == []


@pytest.mark.requirement("D2")
def test_the_address_that_was_checked_is_the_one_that_is_connected_to(
    monkeypatch: pytest.MonkeyPatch, connections: list[Any]
) -> None:
    resolving(monkeypatch, "192.0.2.1", "127.0.0.1")
    listed = Endpoint(LISTED, (ip_network("192.0.2.0/24"),))
    with FhirReader(AllowList((listed,))) as reader:
        reader.fetch(FhirServer(LISTED, "t0ken"), "Patient/p1", Deadline(2))

    assert {address[0] for address in connections} <= {"192.0.2.1"}
    assert connections


@pytest.mark.requirement("OUT-1")
@pytest.mark.parametrize(
    ("endpoint", "address", "permitted"),
    [
        (Endpoint(LISTED), "8.8.8.8", True),
        (Endpoint(LISTED), "2606:4700::1", True),
        (Endpoint(LISTED, (ip_network("10.1.0.0/16"),)), "10.1.2.3", True),
        (Endpoint(LISTED, (ip_network("10.1.0.0/16"),)), "::ffff:10.1.2.3", True),
        (Endpoint(LISTED, (ip_network("10.1.0.0/16"),)), "10.2.0.1", False),
        (Endpoint(LISTED, (ip_network("fd00::/8"),)), "fd00::1", True),
        (Endpoint("https://10.1.2.3/fhir"), "10.1.2.3", True),
        (Endpoint("https://169.254.169.254/fhir"), "169.254.169.254", False),
        (Endpoint("http://localhost:80/fhir"), "127.0.0.1", True),
        (Endpoint("http://[::1]:80/fhir"), "::1", True),
    ],
)
def test_a_private_address_needs_its_network_in_the_list(
    endpoint: Endpoint, address: str, permitted: bool
) -> None:
    host = endpoint.base.split("//")[1].rsplit("/", 1)[0].removesuffix(":80").strip("[]")
    port = 80 if endpoint.base.startswith("http:") else 443

    assert endpoint.permits(host, port, ip_address(address)) is permitted


@pytest.mark.requirement("OUT-1")
@pytest.mark.parametrize(("host", "port"), [("other.example.org", 443), ("ehr.example.org", 8443)])
def test_an_entry_permits_no_other_host_or_port(host: str, port: int) -> None:
    assert not Endpoint(LISTED).permits(host, port, ip_address("8.8.8.8"))


@pytest.mark.requirement("REQ-6", "OUT-1")
@pytest.mark.parametrize(
    ("endpoint", "fits"),
    [
        (Endpoint("https://ehr.example.org/fhir"), True),
        (Endpoint("http://ehr.example.org/fhir"), False),
        (Endpoint("http://ehr.example.org/fhir", allows_http=True), True),
        (Endpoint("http://127.0.0.1:8081/fhir"), True),
        (Endpoint("http://localhost/fhir"), True),
        (Endpoint("https://u@ehr.example.org/fhir"), False),
    ],
)
def test_an_entry_is_https_or_loopback_or_says_so(endpoint: Endpoint, fits: bool) -> None:
    assert (endpoint.problem() is None) is fits


# --- the demo profile ---


@pytest.mark.requirement("OUT-1", "J3")
@pytest.mark.parametrize(
    "base", ["http://ehr.example.org/fhir", "http://10.0.0.1/fhir", "ftp://localhost/"]
)
def test_the_demo_profile_reads_nothing_over_plain_http_but_loopback(
    connections: list[Any], base: str
) -> None:
    with FhirReader() as reader:
        answer = reader.fetch(FhirServer(base, "t0ken"), "Patient/p1", Deadline(5))

    assert answer.documents == ()
    assert connections == []


# --- TLS ---


def certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: tuple[str, ec.EllipticCurvePrivateKey]
) -> x509.Certificate:
    now = datetime.now(UTC)
    is_authority = issuer[1] is key
    names = [x509.DNSName("localhost")]
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer[0])]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer[1].public_key()),
            critical=False,
        )
        .sign(issuer[1], hashes.SHA384())
    )


@pytest.fixture
def private_ca(tmp_path: Path) -> tuple[Path, Path]:
    """The authority's certificate, and a server's chain with its key."""
    authority, server = (
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP384R1()),
    )
    bundle, chain = tmp_path / "ca.pem", tmp_path / "server.pem"
    pem = serialization.Encoding.PEM
    bundle.write_bytes(certificate("ca", authority, ("ca", authority)).public_bytes(pem))
    chain.write_bytes(
        certificate("server", server, ("ca", authority)).public_bytes(pem)
        + server.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return bundle, chain


@pytest.fixture
def tls_stub(stub: FhirStub, private_ca: tuple[Path, Path]) -> FhirStub:
    """The stub behind TLS with a certificate of the private authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(private_ca[1])
    stub._server.socket = context.wrap_socket(stub._server.socket, server_side=True)
    return stub


def tls_base(stub: FhirStub, host: str = "localhost") -> str:
    return stub.base.replace("http://127.0.0.1", f"https://{host}")


@pytest.mark.requirement("OUT-1", "J2")
def test_a_server_of_a_private_authority_is_read_with_its_bundle(
    tls_stub: FhirStub, private_ca: tuple[Path, Path]
) -> None:
    base = tls_base(tls_stub)
    with FhirReader(AllowList((Endpoint(base),)), ca_bundle=private_ca[0]) as reader:
        answer = reader.fetch(FhirServer(base, "t0ken"), "Patient/p1", Deadline(9))

    assert answer == Answer((PATIENT,))


@pytest.mark.requirement("J2")
@pytest.mark.parametrize(("host", "with_bundle"), [("localhost", False), ("127.0.0.1", True)])
def test_a_certificate_of_another_authority_or_name_is_not_trusted(
    tls_stub: FhirStub, private_ca: tuple[Path, Path], host: str, with_bundle: bool
) -> None:
    base = tls_base(tls_stub, host)
    bundle = private_ca[0] if with_bundle else None
    with FhirReader(AllowList((Endpoint(base),)), ca_bundle=bundle) as reader:
        answer = reader.fetch(FhirServer(base, "t0ken"), "Patient/p1", Deadline(9))

    assert answer == Answer((), "the FHIR server has no trustworthy TLS connection")
    assert tls_stub.seen == []


@pytest.mark.requirement("D9")
def test_certificates_of_the_environment_are_ignored(
    tls_stub: FhirStub, private_ca: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(private_ca[0]))
    base = tls_base(tls_stub)
    with FhirReader(AllowList((Endpoint(base),))) as reader:
        answer = reader.fetch(FhirServer(base, "t0ken"), "Patient/p1", Deadline(9))

    assert answer.failure == "the FHIR server has no trustworthy TLS connection"


@pytest.mark.requirement("D7")
def test_an_answer_that_says_it_is_something_else_than_json_is_not_read(stub: FhirStub) -> None:
    stub.faults["Patient"] = fhir_stub.answer(b'{"resourceType":"Patient"}', "text/html")
    with FhirReader() as reader:
        answer = reader.fetch(FhirServer(stub.base, "t0ken"), "Patient/p1", Deadline(9))

    assert answer == Answer((), "the answer of the FHIR server is not JSON")
