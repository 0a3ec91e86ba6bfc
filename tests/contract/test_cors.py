"""Browsers: which pages may call, and that they can see errors too (rows CORS)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from contract.clients import client_with

if TYPE_CHECKING:
    from pathlib import Path

PATHS = ["/cds-services", "/cds-services/{id}", "/cds-services/{id}/feedback", "/nl/cds-services"]
HEADERS = "authorization,content-type"


def preflight(client, path, origin, method="POST"):
    return client.open(
        "OPTIONS",
        path,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": HEADERS,
        },
    )


@pytest.fixture(params=PATHS)
def path(request, services):
    return request.param.format(id=services["patient-view"]["id"])


@pytest.mark.requirement("CORS-1", "CORS-2", "CORS-3", "DISC-20")
@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.requirement("J1")
def test_preflight_is_answered_without_authentication(client, path, slash):
    answer = preflight(client, path + slash, "http://localhost:3000")
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
    methods = set(answer.headers["Access-Control-Allow-Methods"].split(", "))
    assert methods == {"GET", "POST", "OPTIONS"}
    allowed = answer.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert set(allowed) == {"authorization", "content-type"}
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.requirement("CORS-4")
@pytest.mark.parametrize(
    "origin",
    ["http://localhost", "https://localhost:8443", "http://127.0.0.1:3000", "http://[::1]:3000"],
)
def test_development_pages_of_this_host_may_call(client, origin):
    answer = client.get("/cds-services", headers={"Origin": origin})
    assert answer.headers["Access-Control-Allow-Origin"] == origin


@pytest.mark.requirement("CORS-4")
@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://evil.example",
        "http://localhost.evil.example",
        "http://localhost:3000.evil.example",
        "http://evil-localhost",
        "http://localhost@evil.example",
        "http://127.0.0.1.evil.example",
        "http://localhost:3000\n",
        "file://localhost",
    ],
)
@pytest.mark.requirement("J1")
def test_other_pages_may_not(client, origin):
    if origin.endswith("\n"):
        origin = origin.strip() + "x"
    for answer in (
        client.get("/cds-services", headers={"Origin": origin}),
        preflight(client, "/cds-services", origin),
    ):
        assert not [name for name in answer.headers if name.startswith("Access-Control")]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """An application for pages of two origins."""
    path = tmp_path_factory.mktemp("site") / "cds.sqlite3"
    return client_with(
        DATABASE_URL=f"sqlite:///{path}",
        CORS_ORIGINS="https://ehr.example.org,https://ehr.example.org:8443",
    )


@pytest.mark.requirement("CORS-4")
@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        ("https://ehr.example.org", True),
        ("https://ehr.example.org:8443", True),
        ("http://ehr.example.org", False),
        ("https://ehr.example.org:444", False),
        ("https://ehr.example.org.evil.example", False),
        ("https://ehrxexample.org", False),
        ("https://sub.ehr.example.org", False),
        ("https://ehr.example.or", False),
        ("http://localhost:3000", False),
        ("null", False),
    ],
)
@pytest.mark.requirement("J1")
def test_only_configured_origins_are_echoed(site, origin, is_allowed):
    answer = site.get("/cds-services", headers={"Origin": origin})
    assert answer.headers.get("Access-Control-Allow-Origin") == (origin if is_allowed else None)


TENANTS = """
[tenants.hospital]
issuers = ["https://ehr.example.org/fhir"]
audience = "https://cds.example.org"
jwks_urls = ["https://ehr.example.org/jwks.json"]
"""


def verifying(folder: Path, **settings: str):
    """An application that verifies its callers."""
    (folder / "tenants.toml").write_text(TENANTS)
    database = f"sqlite:///{folder / 'cds.sqlite3'}"
    return client_with(TENANTS=str(folder / "tenants.toml"), DATABASE_URL=database, **settings)


@pytest.mark.requirement("CORS-4", "J1")
def test_where_callers_are_verified_no_page_is_let_in_unnamed(tmp_path, path):
    answer = preflight(verifying(tmp_path), path, "http://localhost:3000")

    assert not [name for name in answer.headers if name.startswith("Access-Control")]
    assert answer.headers["Vary"] == "Origin"


@pytest.mark.requirement("CORS-2", "CORS-4")
def test_where_callers_are_verified_the_preflight_of_a_named_page_needs_no_token(tmp_path, path):
    site = verifying(tmp_path, CORS_ORIGINS="https://ehr.example.org")

    answer = preflight(site, path, "https://ehr.example.org")

    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "https://ehr.example.org"


def test_without_an_origin_nothing_is_sent(site):
    answer = site.get("/cds-services")
    assert not [name for name in answer.headers if name.startswith("Access-Control")]
    assert answer.headers["Vary"] == "Origin"


@pytest.mark.requirement("CORS-5")
def test_errors_are_visible_to_pages_too(client, address, message):
    origin = {"Origin": "http://localhost:3000"}
    posted = {"headers": origin, "content_type": "application/json"}
    answers = {
        400: client.open("POST", address(), data=b"{", **posted),
        404: client.get("/nothing", headers=origin),
        405: client.get(address(), headers=origin),
        412: client.open("POST", address(), json=message(prefetch={}), headers=origin),
        415: client.open("POST", address(), data=b"x", headers=origin),
    }
    for status, answer in answers.items():
        assert answer.status == status
        assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
