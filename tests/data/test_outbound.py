"""Which URLs may be called: plain bases, and links that stay below them."""

from __future__ import annotations

import pytest

from cds_service.data.outbound import base_problem, is_below

BASE = "https://ehr.example.org/fhir"


@pytest.mark.requirement("OUT-1")
@pytest.mark.parametrize(
    "base",
    [BASE, f"{BASE}/", "https://ehr.example.org", "http://127.0.0.1:8080/r4", "https://[::1]/f"],
)
def test_a_plain_http_url_is_a_base(base: str) -> None:
    assert base_problem(base) is None


@pytest.mark.requirement("OUT-1")
@pytest.mark.parametrize(
    "base",
    [
        "",
        "ehr.example.org/fhir",
        "//ehr.example.org/fhir",
        "ftp://ehr.example.org",
        "file:///etc/passwd",
        "https://",
        "https:///fhir",
        "https://user@ehr.example.org",
        "https://user:secret@ehr.example.org",
        "https://ehr.example.org:99999",
        "https://ehr.example.org:x",
        "https://[::1",
        "https://ehr.example.org\\@evil.test",
        "https://ehr.example.org%2f@evil.test",
        "https://ehr.example.org%00.evil.test",
        "https://ehr.example.org/fhir\r\nX: y",
        "https://ehr.example.org/fhir ",
        "https://ehr.exämple.org/fhir",
        "https://ehr.example.org/fhir/../admin",
        "https://ehr.example.org/fhir/%2e%2e/admin",
        "https://ehr.example.org/fhir/..%2fadmin",
        "https://ehr.example.org/fhir/..%5cadmin",
        "https://ehr.example.org/fhir/..;/admin",
        "https://ehr.example.org/fhir/..;x=1/admin",
        "https://ehr.example.org/fhir/%2e%2e%3b/admin",
        "https://ehr.example.org/fhir/.;/admin",
        "https://ehr.example.org/fhir/%252e%252e/admin",
        "https://ehr.example.org/fhir/..%252fadmin",
        "https://ehr.example.org/fhir?x=y",
        "https://ehr.example.org/fhir#x",
        "https://ehr.example.org/" + "x" * 10_000,
    ],
)
def test_anything_else_is_no_base(base: str) -> None:
    assert base_problem(base) is not None


@pytest.mark.requirement("PF-11")
@pytest.mark.parametrize(
    "url",
    [
        f"{BASE}/Condition?page=2",
        f"{BASE}?_getpages=x",
        "https://EHR.example.org:443/fhir/Condition",
        f"{BASE}/Condition?next=../x",
        f"{BASE}/Condition;v=1/..x",
    ],
)
def test_a_link_of_the_same_origin_under_the_base_path_is_below(url: str) -> None:
    assert is_below(url, BASE)
    assert is_below(url, f"{BASE}/")


@pytest.mark.requirement("PF-11")
@pytest.mark.parametrize(
    "url",
    [
        "http://ehr.example.org/fhir/Condition",
        "https://ehr.example.org:8443/fhir/Condition",
        "https://ehr.example.org.evil.test/fhir/Condition",
        "https://evil.test/fhir/Condition",
        "https://ehr.example.org@evil.test/fhir/Condition",
        "https://ehr.example.org/fhir2/Condition",
        "https://ehr.example.org/other",
        "https://ehr.example.org",
        f"{BASE}/../admin",
        f"{BASE}/%2E%2E/admin",
        f"{BASE}/x/..\\admin",
        f"{BASE}/..;/admin/Condition?page=2",
        f"{BASE}/..;jsessionid=1/..;/admin",
        f"{BASE}/%252E%252E/admin",
        f"{BASE}/ Condition",
        "/fhir/Condition",
        "javascript:alert(1)",
        "https://[::1/fhir/Condition",
    ],
)
def test_a_link_elsewhere_is_not_below(url: str) -> None:
    assert not is_below(url, BASE)
