"""Settings: safe without any, complete in their documentation, and wrong ones told as sentences."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from cds_service import config
from cds_service.config import ConfigError, load


def problem(**environ):
    with pytest.raises(ConfigError) as raised:
        load({f"CDS_{name}": value for name, value in environ.items()})
    return raised.value.message


def test_without_any_variable_everything_has_a_safe_value():
    settings = load({})
    assert settings.host == "127.0.0.1"
    assert settings.profile == "core"
    assert settings.zone == ZoneInfo("UTC")
    assert settings.cors_origins == ()
    assert settings.open_fhir_servers is False
    assert settings.public_url is None


def test_values_are_read():
    settings = load(
        {
            "CDS_PORT": " 9000 ",
            "CDS_PLANS": "elsewhere",
            "CDS_PROFILE": "NL",
            "CDS_DEADLINE_S": "0.5",
            "CDS_TIME_ZONE": "Europe/Amsterdam",
            "CDS_CORS_ORIGINS": "https://a.example, https://b.example:8443",
            "CDS_PUBLIC_URL": "https://cds.example.org/",
            "HOME": "ignored",
        }
    )
    assert settings.port == 9000
    assert settings.plans == Path("elsewhere")
    assert settings.profile == "nl"
    assert settings.deadline_s == 0.5
    assert settings.zone.key == "Europe/Amsterdam"
    assert settings.cors_origins == ("https://a.example", "https://b.example:8443")
    assert settings.public_url == "https://cds.example.org"


def test_a_blank_variable_counts_as_not_set():
    assert load({"CDS_PORT": "  "}).port == 8080


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        load({}).port = 1


def test_an_unknown_name_is_an_error_with_a_suggestion():
    text = problem(PROT="8080")
    assert text.startswith("there is no setting CDS_PROT: did you mean ")
    assert "'CDS_PORT'" in text


def test_an_unknown_name_that_is_like_nothing_lists_the_settings():
    assert "CDS_DATABASE_URL" in problem(XYZZY="1")


def test_everything_wrong_is_told_at_once():
    text = problem(PROT="1", PORT="http", PROFILE="se")
    assert "CDS_PROT" in text
    assert "CDS_PORT must be a whole number from 0 to 65535" in text
    assert "CDS_PROFILE must be one of core, nl, de, no" in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "-1"),
        ("PORT", "70000"),
        ("PORT", "٣"),
        ("WORKERS", "0"),
        ("THREADS", "many"),
        ("DEADLINE_S", "0"),
        ("DEADLINE_S", "nan"),
        ("DEADLINE_S", "soon"),
        ("TIME_ZONE", "Mars"),
        ("TIME_ZONE", "../etc/passwd"),
        ("MAX_BODY_BYTES", "5MB"),
        ("LOG_LEVEL", "loud"),
        ("OPEN_FHIR_SERVERS", "true"),
        ("PUBLIC_URL", "cds.example.org"),
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "https://*.example.org"),
        ("CORS_ORIGINS", "https://a.example/path"),
        ("CORS_ORIGINS", "null"),
        ("DATABASE_URL", "mysql://a/b"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("DATABASE_URL", "postgresql+psycopg://host"),
    ],
)
def test_a_value_that_is_not_allowed_names_its_variable(name, value):
    text = problem(**{name: value})
    assert text.startswith(f"CDS_{name} must be ")


def test_the_address_of_a_postgresql_is_taken_as_its_own_programs_write_it():
    settings = load({"CDS_DATABASE_URL": "postgresql://cds:s3cret@db/cds?sslmode=require"})
    assert settings.database_url == "postgresql+psycopg://cds:s3cret@db/cds?sslmode=require"


def test_without_the_driver_for_postgresql_the_start_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    text = problem(DATABASE_URL="postgresql://cds:s3cret@db/cds")
    assert "pip install 'cds-service[postgresql]'" in text
    assert "s3cret" not in text
    assert load({"CDS_DATABASE_URL": "sqlite:///var/x.sqlite3"}).database_url


@pytest.mark.requirement("J4")
def test_a_wrong_database_address_is_not_repeated_with_its_password():
    assert "s3cret" not in problem(DATABASE_URL="mysql://cds:s3cret@db/cds")


@pytest.mark.requirement("J3", "C10")
@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::"])
def test_only_loopback_is_served_while_callers_are_not_verified(host):
    assert "because callers are not verified" in problem(HOST=host)
    assert load({"CDS_HOST": host, "CDS_TENANTS": "tenants.toml"}).host == host


def test_a_host_is_an_address():
    assert "CDS_HOST must be an IP address" in problem(HOST="cds.example.org")


@pytest.mark.requirement("C10")
@pytest.mark.parametrize("name", ["WORKBENCH", "OPEN_FHIR_SERVERS"])
def test_what_lets_anybody_in_does_not_go_with_tenants(name):
    said = problem(TENANTS="tenants.toml", **{name: "yes"})
    assert said.startswith(f"CDS_{name} must be no with CDS_TENANTS")


@pytest.mark.requirement("J3", "L2")
def test_requests_are_not_kept_unless_asked_for_and_never_without_an_end():
    assert load({}).keep_requests is False
    assert "needs CDS_RETENTION_DAYS" in problem(KEEP_REQUESTS="yes")
    assert load({"CDS_KEEP_REQUESTS": "yes", "CDS_RETENTION_DAYS": "30"}).keep_requests


def test_protected_discovery_needs_tenants():
    assert "needs CDS_TENANTS" in problem(DISCOVERY="protected")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_loopback_addresses_are_allowed(host):
    assert load({"CDS_HOST": host}).host == host


def test_the_plans_beside_the_package_are_the_default():
    assert load({}).plans.name == "plan_definitions"


@pytest.mark.requirement("J4")
def test_effective_settings_show_every_value_and_no_password():
    url = "postgresql+psycopg://cds:s3cret@db.example/cds"
    text = load({"CDS_DATABASE_URL": url}).effective()
    assert "CDS_PORT=8080" in text
    assert "CDS_DATABASE_URL=postgresql+psycopg://cds:***@db.example/cds" in text
    assert "s3cret" not in text


@pytest.mark.requirement("J4")
def test_the_key_of_the_pseudonyms_is_long_enough_and_never_printed():
    assert (
        problem(PSEUDONYM_KEY="short") == "CDS_PSEUDONYM_KEY must be a secret of at least 32 bytes"
    )
    settings = load({"CDS_PSEUDONYM_KEY": "s3cret" * 6})
    assert settings.pseudonym_key == b"s3cret" * 6
    assert "CDS_PSEUDONYM_KEY=***" in settings.effective()
    assert "s3cret" not in settings.effective()


def test_every_setting_is_documented():
    documented = list(config.documentation())
    assert len(documented) == len(dataclasses.fields(config.Settings))
    assert all(item.variable.startswith("CDS_") for item in documented)
    assert all(item.meaning.endswith(".") and item.default for item in documented)
