"""Thumbprints, and keys whose private half everybody knows."""

from __future__ import annotations

from base64 import urlsafe_b64decode

import pytest
from client_keys import base64url, key

from cds_service.tenants import jwk

# The examples of RFC 7638 (3.1) and RFC 7515 (A.3), public halves.
RFC_7638 = {
    "kty": "RSA",
    "n": (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJ"
        "ECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW"
        "2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQ"
        "Fh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    ),
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}
RFC_7515 = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    "kid": "a3",
}


def test_the_thumbprint_is_that_of_the_rfc() -> None:
    assert jwk.thumbprint(RFC_7638) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_the_thumbprint_depends_on_the_key_alone() -> None:
    assert jwk.thumbprint(key().jwk()) == jwk.thumbprint(key().jwk(kid="x", use=None, alg=None))


@pytest.mark.requirement("C11")
@pytest.mark.parametrize("known", [RFC_7638, RFC_7515])
def test_a_key_whose_private_half_is_published_verifies_nothing(known: dict[str, str]) -> None:
    assert jwk.problem(known) == "has a private half that everybody knows"
    assert jwk.problem(known, allow_publicly_known=True) is None


PADDED = {**RFC_7638, "n": RFC_7638["n"] + "=="}
STANDARD_ALPHABET = {**RFC_7638, "n": RFC_7638["n"].replace("-", "+").replace("_", "/")}
LEADING_ZERO = {
    **RFC_7638,
    "n": base64url(b"\0" + urlsafe_b64decode(RFC_7638["n"] + "==")),
}
LONG_EXPONENT = {**RFC_7638, "e": "AAEAAQ"}
SPARE_BITS = {**RFC_7515, "x": RFC_7515["x"][:-1] + "V"}


@pytest.mark.requirement("C11")
@pytest.mark.parametrize(
    "known",
    [PADDED, STANDARD_ALPHABET, LEADING_ZERO, LONG_EXPONENT, SPARE_BITS],
    ids=["padded", "standard alphabet", "leading zero", "long exponent", "spare bits"],
)
def test_a_published_key_is_known_however_its_numbers_are_written(known: dict[str, str]) -> None:
    assert jwk.problem(known) == "has a private half that everybody knows"


@pytest.mark.requirement("C10")
@pytest.mark.parametrize("kty", [["RSA"], {"RSA": 1}, None, 1])
def test_a_type_that_is_no_text_is_no_key(kty: object) -> None:
    assert jwk.problem({**RFC_7638, "kty": kty}) == "is no RSA or EC key"


@pytest.mark.requirement("C11")
def test_the_keys_of_the_sandbox_and_of_inferno_are_known() -> None:
    # Thumbprints of the public halves, as those projects publish them.
    assert {
        "s9fOe-KDYD1myZ8YCzleUqJQgrYZL49kVijBxhnZvZc",
        "RBFgQFFUIf4hfG8iUUZrf3vFZ_V2r3YRGPx9nKJXk5M",
        "Q7fgcIzqt0bVAKsWaw_FyUFSDDpOTfsGdGtjJmAnzFY",
    } <= jwk.PUBLICLY_KNOWN


@pytest.mark.requirement("C1", "SEC-30")
@pytest.mark.parametrize(
    ("made", "algorithm", "fits"),
    [
        (key("k", "ES384").jwk(), "ES384", True),
        (key("k", "ES384").jwk(alg=None), "ES384", True),
        (key("k", "ES384").jwk(alg=None), "ES256", False),
        (key("k", "ES384").jwk(alg=None), "RS384", False),
        (key("k", "ES256").jwk(alg=None), "ES384", False),
        (key("k", "RS384").jwk(), "RS384", True),
        (key("k", "RS384").jwk(), "RS256", False),
        (key("k", "RS384").jwk(alg=None), "RS256", True),
        (key("k", "RS384").jwk(alg=None), "ES384", False),
    ],
)
def test_a_key_belongs_to_the_algorithms_of_its_type(
    made: dict[str, str], algorithm: str, fits: bool
) -> None:
    assert jwk.fits(made, algorithm) is fits
