"""The example of nginx in front of a running service, with certificates made for the moment."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPSConnection
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import nginx_process
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

EXAMPLE = Path(__file__).parent.parent / "docker" / "nginx.conf"


@dataclass(frozen=True)
class Proxy:
    """What talks to the proxy; `authority` vouches for its certificate and for a client's."""

    port: int
    folder: Path

    @property
    def authority(self) -> Path:
        return self.folder / "authority.pem"

    def context(self, *, certificate: bool = False) -> ssl.SSLContext:
        """A client that trusts the authority, with a certificate of its own if asked for."""
        context = ssl.create_default_context(cafile=str(self.authority))
        if certificate:
            context.load_cert_chain(self.folder / "client.pem", self.folder / "client.key")
        return context

    def open(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        context: ssl.SSLContext | None = None,
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body; the path is sent as it is."""
        connection = HTTPSConnection(
            "localhost", self.port, timeout=15, context=context or self.context()
        )
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()


@contextmanager
def running(
    folder: Path, port: int, upstream: str, *, asks_clients: bool = False
) -> Iterator[Proxy]:
    """The example, with our port, certificates and service, and nothing else changed."""
    certify(folder)
    server = _adapted(folder, port, upstream, asks_clients=asks_clients)
    with nginx_process.running(folder, server, port):
        yield Proxy(port, folder)


def _adapted(folder: Path, port: int, upstream: str, *, asks_clients: bool) -> str:
    replaced = {
        r"listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        r"(ssl_certificate\s+)\S+;": rf"\g<1>{folder}/server.pem;",
        r"(ssl_certificate_key\s+)\S+;": rf"\g<1>{folder}/server.key;",
        r"/var/log/nginx/": f"{folder}/",
        r"proxy_pass http://127\.0\.0\.1:8080;": f"proxy_pass http://{upstream};",
    }
    if asks_clients:
        replaced |= {
            r"# (ssl_client_certificate) \S+;": rf"\g<1> {folder}/authority.pem;",
            r"# (ssl_verify_client on;)": r"\g<1>",
        }
    return nginx_process.adapted(EXAMPLE, replaced)


def certify(folder: Path) -> None:
    """An authority, and what it vouches for: `server` at localhost, and `client`."""
    key, authority = _certificate("authority")
    _write(folder, "authority", key, authority)
    for name in ("server", "client"):
        _write(folder, name, *_certificate(name, key, authority))


def _certificate(
    name: str,
    issuer_key: ec.EllipticCurvePrivateKey | None = None,
    issuer: x509.Certificate | None = None,
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer is not None:
        names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return key, made.sign(issuer_key or key, hashes.SHA256())


def _write(
    folder: Path, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
) -> None:
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / f"{name}.key").write_bytes(private)
