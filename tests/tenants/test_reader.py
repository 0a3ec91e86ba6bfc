"""The tenants file: what it says is what is trusted, and every mistake in it has a place."""

from __future__ import annotations

import json
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest
from client_keys import key

from cds_service.data.outbound import Endpoint
from cds_service.tenants import CLIENT_PROFILES, Known, TenantsError, read
from cds_service.tenants.toml_places import nearest, places

if TYPE_CHECKING:
    from pathlib import Path

KNOWN = Known(
    profiles=("core", "nl"), languages=("en", "nb"), services=("view", "sign"), is_loopback=False
)
SMALL = """
[tenants.hospital]
issuers = ["https://ehr.example.org/fhir"]
audience = "https://cds.example.org/"
jwks_urls = ["https://ehr.example.org/jwks.json"]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "tenants.toml"
    path.write_text(text)
    return path


def problems(folder: Path, text: str, known: Known = KNOWN) -> str:
    with pytest.raises(TenantsError) as raised:
        read(write(folder, text), known)
    return str(raised.value)


def test_a_small_file_has_safe_values(tmp_path: Path) -> None:
    (tenant,) = read(write(tmp_path, SMALL), KNOWN)

    assert tenant.id == "hospital"
    assert tenant.audience == "https://cds.example.org"
    assert tenant.algorithms == ("RS384", "ES384")
    assert tenant.token_life_s == 3600
    assert tenant.fhir_servers == ()
    assert tenant.reads_without_token is False
    assert tenant.is_demo is False
    assert tenant.client_profile.name == "cds-hooks-2.0"
    assert tenant.may_call("view")


def test_everything_that_can_be_said_is_read(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [key().jwk()]}))
    text = """
        [tenants.hospital]
        issuers = ["https://ehr.example.org/fhir"]
        audience = "https://cds.example.org/lbp"
        more_audiences = ["typed-by-hand"]
        jwks_urls = [{ url = "http://10.1.2.3/jwks.json", allows_http = true }]
        jwks_file = "keys.json"
        algorithms = ["RS384"]
        token_life_s = 900
        token_tenants = ["north"]
        subjects = ["client"]
        client_ids = ["cds-service"]
        reads_without_token = true
        profile = "nl"
        language = "nb"
        client_profile = "epic"
        services = ["view"]
        order_codes = { "http://loinc.org|24968-0" = "urn:example:our-list|MR lumbar" }

        [[tenants.hospital.fhir_servers]]
        url = "https://ehr.example.org/fhir"
        networks = ["10.20.0.0/16", "fd00::/8"]
    """
    (tenant,) = read(write(tmp_path, text), KNOWN)

    assert tenant.more_audiences == ("typed-by-hand",)
    assert tenant.key_urls == (Endpoint("http://10.1.2.3/jwks.json", (), allows_http=True),)
    assert tenant.keys == (key().jwk(),)
    assert tenant.algorithms == ("RS384",)
    assert (tenant.token_life_s, tenant.token_tenants) == (900, ("north",))
    assert tenant.fhir_servers == (
        Endpoint(
            "https://ehr.example.org/fhir", (ip_network("10.20.0.0/16"), ip_network("fd00::/8"))
        ),
    )
    assert (tenant.profile, tenant.language) == ("nl", "nb")
    assert tenant.client_profile == CLIENT_PROFILES["epic"]
    assert tenant.client_profile.selection_behavior == "any"
    assert tenant.client_profile.one_action_per_suggestion
    assert tenant.order_codes == {
        ("http://loinc.org", "24968-0"): ("urn:example:our-list", "MR lumbar")
    }
    assert not tenant.may_call("sign")


def test_everything_wrong_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    text = problems(
        tmp_path,
        SMALL
        + 'profil = "nl"\n'
        + 'language = "xx"\n'
        + "[tenants.Other]\n"
        + 'issuers = ["no uri"]\n',
    )

    file = str(tmp_path / "tenants.toml")
    assert "6 problems in the tenants" in text
    assert f"{file}:6:1 tenants.hospital.profil: there is no entry 'profil'; did you mean" in text
    assert "'profile'" in text
    assert f"{file}:7:1 tenants.hospital.language: language holds 'xx'" in text
    assert f"{file}:8:2 tenants.Other: the id of a tenant has small letters" in text
    assert f"{file}:8:2 tenants.Other: audience is missing" in text
    assert f"{file}:8:2 tenants.Other: the tenant has no keys" in text
    assert f"{file}:9:1 tenants.Other.issuers: issuers must be a list of texts" in text


@pytest.mark.parametrize("text", ["", "[tenants]", "tenants = 1", 'other = "x"'])
def test_a_file_without_tenants_is_refused(tmp_path: Path, text: str) -> None:
    assert "there is no tenant; add a table" in problems(tmp_path, text)


def test_a_file_that_is_no_toml_names_line_and_column(tmp_path: Path) -> None:
    text = problems(tmp_path, "[tenants.a]\nissuers = [oops]\n")

    assert f"{tmp_path / 'tenants.toml'}:2:12: this is not usable TOML" in text


def test_a_file_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(TenantsError) as raised:
        read(tmp_path / "absent.toml", KNOWN)

    assert "FileNotFoundError" in raised.value.message
    assert raised.value.hint == "CDS_TENANTS names a TOML file in UTF-8"


@pytest.mark.requirement("SEC-19", "SEC-20", "SEC-21", "SEC-30", "C1", "OUT-1", "REQ-6")
@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ('algorithms = ["none"]', "holds 'none'"),
        ('algorithms = ["HS256"]', "holds 'HS256'"),
        ('algorithms = ["es384"]', "or 'ES384'?"),
        ("algorithms = []", "must be a list"),
        ('algorithms = ["ES384", "ES384"]', "names a value twice"),
        ("token_life_s = 7200", "must be a whole number from 60 to 3600"),
        ("token_life_s = true", "must be a whole number"),
        ('token_life_s = "300"', "must be a whole number"),
        ('fhir_servers = ["http://ehr.example.org/fhir"]', "must be https"),
        ('fhir_servers = ["https://u:p@ehr.example.org"]', "is not a plain http or https URL"),
        ('fhir_servers = [{ url = "https://a.example", network = [] }]', "did you mean 'networks'"),
        ('fhir_servers = [{ url = "https://a.example", networks = ["10.0.0.1/8"] }]', "10.0.0.1/8"),
        ('fhir_servers = [{ url = "https://a.example", networks = 10 }]', "networks"),
        ('fhir_servers = [{ base = "https://a.example" }]', "tables with a url"),
        ('fhir_servers = "https://a.example"', "must be a list"),
        ("reads_without_token = 1", "must be true or false"),
        ("demo = true", "must not be true beyond loopback"),
        ('profile = "nll"', "did you mean 'nl'"),
        ('client_profile = "epik"', "did you mean 'epic'"),
        ('services = ["veiw"]', "did you mean 'view'"),
        ("order_codes = {}", "must be a table of codes"),
        ('order_codes = { "24968-0" = "urn:x|y" }', "holds '24968-0', which is no system|code"),
        ('order_codes = { "http://loinc.org|24968-0" = 4711 }', "holds '4711', which is no system"),
        ('ca_bundle = "absent.pem"', "no readable PEM file"),
        ('jwks_file = "absent.json"', "cannot be read (FileNotFoundError)"),
        ("jwks = {}", "is no JWK Set"),
        ("jwks = { keys = [] }", "is no JWK Set"),
        ('jwks = { keys = [{ kty = "oct", k = "x" }] }', "is no RSA or EC key"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused(tmp_path: Path, entry: str, said: str) -> None:
    text = problems(tmp_path, SMALL + entry)

    assert "1 problem in the tenants" in text
    assert said in text
    assert "tenants.toml:6:1 " in text


@pytest.mark.parametrize("audience", ["cds.example.org", "https://cds.example.org?x", "", 1])
def test_the_audience_is_a_url(tmp_path: Path, audience: Any) -> None:
    text = SMALL.replace('"https://cds.example.org/"', json.dumps(audience))

    assert "base URL under which the client calls this service" in problems(tmp_path, text)


def with_keys(folder: Path, *keys: dict[str, Any]) -> Path:
    (folder / "keys.json").write_text(json.dumps({"keys": keys}))
    return write(folder, SMALL.replace("jwks_urls = [", 'jwks_file = "keys.json"\n#'))


@pytest.mark.requirement("C1", "SEC-8", "SEC-23", "SEC-30")
@pytest.mark.parametrize(
    ("jwk", "said"),
    [
        (key().jwk(d="AAAA"), "private half"),
        (key().jwk(kid=None), "has no kid"),
        (key().jwk(kid=""), "has no kid"),
        (key().jwk(use="enc"), "is not for signatures"),
        (key().jwk(key_ops=["sign"]), "is not for verifying"),
        (key().jwk(crv="P-521"), "curve"),
        (key("e5", "ES512").jwk(), "curve"),
        (key().jwk(x="AAAA"), "no point"),
        (key("r1", "RS384", bits=1024).jwk(), "2048"),
        (key("r2", "RS384").jwk(e="AQ"), "exponent"),
        (key("r2", "RS384").jwk(n="!!"), "2048"),
    ],
)
def test_a_key_that_can_verify_nothing_is_refused(
    tmp_path: Path, jwk: dict[str, Any], said: str
) -> None:
    with pytest.raises(TenantsError) as raised:
        read(with_keys(tmp_path, jwk), KNOWN)

    assert said in str(raised.value)


def test_two_keys_with_one_kid_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TenantsError) as raised:
        read(with_keys(tmp_path, key().jwk(), key("k1", "RS384").jwk()), KNOWN)

    assert "two keys with the same kid" in str(raised.value)


@pytest.mark.requirement("SEC-33", "C12")
@pytest.mark.parametrize(
    ("first", "second", "fits"),
    [
        ("", "", False),
        ('token_tenants = ["a"]', "", False),
        ('token_tenants = ["a"]', 'token_tenants = ["a", "b"]', False),
        ('token_tenants = ["a"]', 'token_tenants = ["b"]', True),
    ],
)
def test_one_issuer_for_two_tenants_needs_claims_that_tell_them_apart(
    tmp_path: Path, first: str, second: str, fits: bool
) -> None:
    text = SMALL + first + SMALL.replace("hospital", "practice") + second
    if fits:
        assert len(read(write(tmp_path, text), KNOWN)) == 2
    else:
        assert "the tenant 'hospital' has the issuer" in problems(tmp_path, text)


def test_places_of_tables_and_keys_are_found() -> None:
    found = places('a = 1\n[t."x y"]  # why\n  b.c = 2\n[[t.z]]\nd=3\n')

    assert found == {
        ("a",): (1, 1),
        ("t", "x y"): (2, 2),
        ("t", "x y", "b", "c"): (3, 3),
        ("t", "z"): (4, 3),
        ("t", "z", "d"): (5, 1),
    }
    assert nearest(found, ("t", "z", "unknown", "deeper")) == (4, 3)
    assert nearest(found, ("elsewhere",)) is None


def test_everything_wrong_in_one_list_is_told_at_once(tmp_path: Path) -> None:
    text = (
        SMALL
        + """
algorithms = ["none", "ES384", "HS256"]
services = ["viwe", "sgin"]
fhir_servers = ["http://one.example", "https://right.example/fhir", "ftp://two.example"]
jwks = { keys = [ { kty = "oct" }, { kty = "RSA" } ] }
"""
    )

    said = problems(tmp_path, text)

    assert said.startswith("8 problems in the tenants")
    for wrong in ("'none'", "'HS256'", "'viwe'", "'sgin'", "one.example", "two.example"):
        assert wrong in said
    assert "holds a key (number 1) that is no RSA or EC key" in said
    assert "holds a key (number 2) that has no kid" in said
