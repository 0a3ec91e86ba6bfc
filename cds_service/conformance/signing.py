"""Tokens as a CDS client signs them, good and bad (CDS Hooks 2.0.1, Trusting CDS Clients)."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import jwt

from cds_service.errors import CdsError

if TYPE_CHECKING:
    from pathlib import Path

_LIFE_S = 300
_ALGORITHM = {"RSA": "RS384", "EC": "ES384"}


class UnusableKey(CdsError):
    """The file holds no private key that a client could sign with."""

    default_code = "unusable-key"


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs as one client. `key` is a private JWK."""

    issuer: str
    key: jwt.PyJWK
    algorithm: str
    jku: str | None = None
    subject: str | None = None

    def token(self, audience: str, **claims: Any) -> str:
        """A token for one request; a claim that is None is left out."""
        now = int(time.time())
        given: dict[str, Any] = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": audience,
            "iat": now,
            "exp": now + _LIFE_S,
            "jti": str(uuid4()),
            **claims,
        }
        header = {"kid": self.key.key_id, "jku": self.jku}
        return jwt.encode(
            {name: value for name, value in given.items() if value is not None},
            self.key.key,
            algorithm=self.algorithm,
            headers={name: value for name, value in header.items() if value is not None},
        )


def read_signer(path: Path, issuer: str, jku: str | None = None) -> Signer:
    """The signer of the first key in a JWK or JWK Set file; raises UnusableKey."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        jwk = found["keys"][0] if "keys" in found else found
        algorithm = jwk.get("alg") or _ALGORITHM[jwk["kty"]]
        if "d" not in jwk:
            raise UnusableKey(f"{path} holds a public key", hint="give the private JWK")
        return Signer(issuer, jwt.PyJWK(jwk, algorithm), algorithm, jku)
    except (ValueError, KeyError, IndexError, TypeError, jwt.PyJWTError) as problem:
        raise UnusableKey(f"{path} is no private JWK: {problem}") from problem
