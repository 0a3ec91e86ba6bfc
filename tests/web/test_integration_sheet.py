"""The integration sheet says what discovery, the guidelines and the tenants file say."""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from client_keys import key
from contract.clients import REPOSITORY, Client, client_with

from cds_service.cli import main

if TYPE_CHECKING:
    from pathlib import Path

HOSPITAL = """
[tenants.hospital]
issuers = ["https://ehr.example.org/fhir"]
audience = "https://cds.example.org/lbp"
jwks_file = "keys.json"
fhir_servers = ["https://ehr.example.org/fhir"]
client_profile = "oracle-health"
more_audiences = ["https://cds-old.example.org/lbp"]
token_tenants = ["ward-7"]
subjects = ["ehr-back-office"]
client_ids = ["lbp-at-the-ehr"]
profile = "no"
language = "nb"
order_codes = { "http://snomed.info/sct|308447003" = "urn:example:our-list|PHYS" }
"""


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Client:
    folder = tmp_path_factory.mktemp("sheet")
    return client_with(DATABASE_URL=f"sqlite:///{folder / 'db.sqlite3'}")


@pytest.fixture
def tenants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [key("static").jwk()]}))
    (tmp_path / "tenants.toml").write_text(HOSPITAL)
    monkeypatch.setenv("CDS_TENANTS", str(tmp_path / "tenants.toml"))
    monkeypatch.setenv("CDS_PLANS", str(REPOSITORY / "plan_definitions"))
    return tmp_path


def said(page: str) -> set[str]:
    """What stands in code type on the page, without the places where it may break."""
    typed = re.findall(r"<code[^>]*>(.*?)</code>", page)
    return {html.unescape(re.sub(r"<[^>]+>", "", text)) for text in typed}


@pytest.mark.requirement("DISC-22", "DISC-23")
def test_the_page_shows_every_service_and_every_prefetch_query_of_discovery(application):
    words = said(application.get("/integration").body.decode())

    for service in application.get("/cds-services").json["services"]:
        assert {service["hook"], service["id"]} <= words
        assert f"POST http://localhost/cds-services/{service['id']}/feedback" in words
        assert set(service["prefetch"]) | set(service["prefetch"].values()) <= words


def test_the_page_names_a_scope_for_each_type_that_is_read(application):
    words = said(application.get("/integration").body.decode())
    queries = application.get("/cds-services").json["services"][0]["prefetch"].values()
    types = {re.split(r"[?/]", query)[0] for query in queries if not query.startswith("{{")}

    assert {f"user/{name}.read" for name in types} <= words
    assert {f"user/{name}.rs" for name in types} <= words


def test_the_page_names_the_topics_and_reasons_of_a_card(application):
    words = said(application.get("/integration").body.decode())
    request = json.loads((REPOSITORY / "examples/requests/order-sign-mri.json").read_text())
    cards = application.post("/cds-services/low-back-pain-order-sign", request).json["cards"]

    assert {card["source"]["topic"]["code"] for card in cards} <= words
    assert {reason["code"] for card in cards for reason in card["overrideReasons"]} <= words


def test_a_tenants_sheet_says_what_its_tokens_must_hold(tenants):
    sheet = tenants / "sheet.html"

    result = CliRunner().invoke(main, ["integration", "hospital", "--output", str(sheet)])

    assert result.exit_code == 0, result.output
    words = said(sheet.read_text())
    assert {"https://ehr.example.org/fhir", "oracle-health"} <= words
    assert {"https://cds-old.example.org/lbp", "ward-7", "no", "nb"} <= words
    assert {"ehr-back-office", "lbp-at-the-ehr"} <= words
    assert "POST https://cds.example.org/lbp/cds-services/low-back-pain-patient-view" in words


def test_the_page_names_what_suggestions_order(application):
    words = said(application.get("/integration").body.decode())

    assert {"http://snomed.info/sct|308447003", "http://loinc.org|24968-0"} <= words


def test_a_tenants_sheet_names_an_order_as_its_own_lists_do(tenants):
    sheet = tenants / "sheet.html"

    CliRunner().invoke(main, ["integration", "hospital", "--output", str(sheet)])

    assert "urn:example:our-list|PHYS" in said(sheet.read_text())


def test_a_tenants_sheet_lists_the_hooks_that_its_client_fires(tenants):
    sheet = tenants / "sheet.html"
    CliRunner().invoke(main, ["integration", "hospital", "--output", str(sheet)])

    assert "low-back-pain-order-sign" not in said(sheet.read_text())


def test_a_file_needs_nothing_from_elsewhere(tenants):
    sheet = tenants / "sheet.html"
    CliRunner().invoke(main, ["integration", "--output", str(sheet)])

    assert "<style>" in sheet.read_text()
    assert 'rel="stylesheet"' not in sheet.read_text()


def test_an_unknown_tenant_is_named_with_those_that_are_known(tenants):
    result = CliRunner().invoke(main, ["integration", "hospitla", "--output", "unused.html"])

    assert result.exit_code == 2
    assert "there is no tenant 'hospitla'; did you mean 'hospital'?" in result.output


def test_the_open_page_names_no_tenant(tenants):
    folder = f"sqlite:///{tenants / 'db.sqlite3'}"
    trusting = client_with(TENANTS=str(tenants / "tenants.toml"), DATABASE_URL=folder)

    assert b"hospital" not in trusting.get("/integration").body
