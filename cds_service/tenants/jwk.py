"""Public keys as JSON Web Keys: which ones verify signatures here, and which never do.

Structure only; no cryptography. Sources: RFC 7517, 7518 and 7638; rows SEC-23, SEC-30, C1, C11.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

LEAST_RSA_BITS = 2048
MOST_RSA_BITS = 8192  # a larger one only costs time
_PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
_CURVE_BYTES = {"P-256": 32, "P-384": 48}
_CURVE_ALGORITHM = {"P-256": "ES256", "P-384": "ES384"}
_MEMBERS = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n")}
_LONGEST_KID = 256

PUBLICLY_KNOWN = frozenset(
    {
        "s9fOe-KDYD1myZ8YCzleUqJQgrYZL49kVijBxhnZvZc",  # CDS Hooks sandbox, ES384
        "WUEVfFenRfMtdDhwPUzCCfmqEN45h61hdHclwVoqfes",  # CDS Hooks sandbox, ES256, before
        "RBFgQFFUIf4hfG8iUUZrf3vFZ_V2r3YRGPx9nKJXk5M",  # Inferno test kits, ES384
        "Q7fgcIzqt0bVAKsWaw_FyUFSDDpOTfsGdGtjJmAnzFY",  # Inferno test kits, RS384
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",  # RFC 7517 and RFC 7638, RSA
        "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s",  # RFC 7517, EC
        "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U",  # RFC 7515, EC
    }
)
"""Thumbprints of keys whose private half is published: who signs with one proves nothing."""


def thumbprint(key: Mapping[str, Any]) -> str:
    """The SHA-256 thumbprint of a key without problems (RFC 7638).

    Of its numbers, however they are written: with leading zeros or padding it is the same key.
    """
    members = {name: _canonical(key, name) for name in _MEMBERS[key["kty"]]}
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True)
    digest = hashlib.sha256(canonical.encode()).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def problem(key: object, *, allow_publicly_known: bool = False) -> str | None:
    """Why this key verifies nothing here, as the end of a sentence; None when it does."""
    if not isinstance(key, dict) or str(key.get("kty")) not in _MEMBERS:
        return "is no RSA or EC key"
    if any(name in key for name in _PRIVATE):
        return "holds its private half; give the public one, and replace the pair"
    reason = _use_problem(key) or _number_problem(key)
    if reason is None and not allow_publicly_known and thumbprint(key) in PUBLICLY_KNOWN:
        return "has a private half that everybody knows"
    return reason


def fits(key: Mapping[str, Any], algorithm: str) -> bool:
    """Whether a key without problems belongs to this signature algorithm."""
    if key.get("alg", algorithm) != algorithm:
        return False
    if key["kty"] == "EC":
        return _CURVE_ALGORITHM[key["crv"]] == algorithm
    return algorithm.startswith("RS")


def _use_problem(key: Mapping[str, Any]) -> str | None:
    kid = key.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= _LONGEST_KID:
        return "has no kid"
    operations = key.get("key_ops", ["verify"])
    if key.get("use", "sig") != "sig" or not isinstance(operations, list):
        return "is not for signatures"
    return None if "verify" in operations else "is not for verifying"


def _number_problem(key: Mapping[str, Any]) -> str | None:
    if key["kty"] == "EC":
        length = _CURVE_BYTES.get(str(key.get("crv")))
        if length is None:
            return "is on a curve other than P-256 and P-384"
        if any(len(_number(key.get(name))) != length for name in ("x", "y")):
            return "has no point of its curve"
        return None
    modulus, exponent = (int.from_bytes(_number(key.get(name))) for name in ("n", "e"))
    if not LEAST_RSA_BITS <= modulus.bit_length() <= MOST_RSA_BITS:
        return f"has not {LEAST_RSA_BITS} to {MOST_RSA_BITS} bits"
    return None if exponent > 2 and exponent % 2 else "has an exponent that is no odd number over 2"


def _canonical(key: Mapping[str, Any], name: str) -> str:
    """A member as RFC 7518 wants it written."""
    if name in {"crv", "kty"}:
        return str(key[name])
    number = _number(key[name])
    digits = number.lstrip(b"\0") if key["kty"] == "RSA" else number
    return urlsafe_b64encode(digits).rstrip(b"=").decode()


def _number(value: object) -> bytes:
    """The bytes of a base64url number; none for anything else."""
    if not isinstance(value, str) or len(value) > 2 * MOST_RSA_BITS // 8:
        return b""
    try:
        return b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return b""
