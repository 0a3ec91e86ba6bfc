"""Keys of CDS clients, made for tests, and the tokens they sign.

Signing is done here with `cryptography` and nothing of PyJWT, so that tokens can be as wrong as a
test needs them.
"""

from __future__ import annotations

import hmac
import json
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_HASHES = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}
_CURVES = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}


def base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int, length: int | None = None) -> str:
    return base64url(value.to_bytes(length or (value.bit_length() + 7) // 8))


@dataclass(frozen=True)
class ClientKey:
    """A key pair under a `kid`."""

    kid: str
    private: Any
    algorithm: str

    def jwk(self, **members: Any) -> dict[str, Any]:
        """The public half; a member that is None is left out."""
        numbers = self.private.public_key().public_numbers()
        if isinstance(numbers, rsa.RSAPublicNumbers):
            public = {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
        else:
            length = (self.private.curve.key_size + 7) // 8
            names = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
            public = {
                "kty": "EC",
                "crv": names[self.private.curve.name],
                "x": _number(numbers.x, length),
                "y": _number(numbers.y, length),
            }
        given = {"kid": self.kid, "use": "sig", "alg": self.algorithm, **public, **members}
        return {name: value for name, value in given.items() if value is not None}

    def pem(self) -> bytes:
        """The public half as PEM."""
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def signature(self, signed: bytes, algorithm: str) -> bytes:
        digest = _HASHES[algorithm[2:]]()
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(signed, padding.PKCS1v15(), digest)
        r, s = decode_dss_signature(self.private.sign(signed, ec.ECDSA(digest)))
        length = (self.private.curve.key_size + 7) // 8
        return r.to_bytes(length) + s.to_bytes(length)


@lru_cache
def key(kid: str = "k1", algorithm: str = "ES384", *, bits: int = 2048) -> ClientKey:
    """The same pair whenever it is asked for under the same name."""
    if algorithm.startswith("RS"):
        return ClientKey(kid, rsa.generate_private_key(65537, bits), algorithm)
    return ClientKey(kid, ec.generate_private_key(_CURVES[algorithm]()), algorithm)


@dataclass
class Token:
    """A JWT in the making; `claims` and `header` may be made wrong before `text` is asked for."""

    key: ClientKey
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)

    def text(self, *, algorithm: str | None = None, secret: bytes | None = None) -> str:
        """The token signed with the key, or by HMAC with `secret`."""
        head = {
            name: value
            for name, value in {
                "alg": algorithm or self.key.algorithm,
                "typ": "JWT",
                "kid": self.key.kid,
                **self.header,
            }.items()
            if value is not None
        }
        claims = {name: value for name, value in self.claims.items() if value is not None}
        return signed(head, claims, self.key, secret=secret)


def signed(
    header: dict[str, Any], claims: Any, by: ClientKey, *, secret: bytes | None = None
) -> str:
    body = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    start = f"{base64url(json.dumps(header).encode())}.{base64url(body)}"
    if secret is not None:
        name = f"sha{str(header['alg'])[2:]}"
        signature = hmac.digest(secret, start.encode(), name)
    else:
        signature = by.signature(start.encode(), by.algorithm)
    return f"{start}.{base64url(signature)}"


def claims(audience: str, issuer: str, **members: Any) -> dict[str, Any]:
    """Claims that are right as they stand; `iat`, `exp` and `nbf` may be given as they are."""
    now = int(time.time())
    return {
        "iss": issuer,
        "aud": audience,
        "iat": now,
        "exp": now + 300,
        "jti": str(uuid4()),
        **members,
    }


def write_tenants(folder: Path, audience: str, issuers: Mapping[str, str], by: ClientKey) -> Path:
    """A tenants file that knows these issuers, by the name of the tenant, by their one key."""
    (folder / "keys.json").write_text(json.dumps({"keys": [by.jwk()]}))
    written = folder / "tenants.toml"
    tables = (
        f'[tenants.{name}]\nissuers = ["{issuer}"]\naudience = "{audience}"\n'
        'jwks_file = "keys.json"\n'
        for name, issuer in issuers.items()
    )
    written.write_text("\n".join(tables))
    return written
