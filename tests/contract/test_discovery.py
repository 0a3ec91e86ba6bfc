"""Discovery: the document, its addresses, its caching (rows DISC, PFT)."""

from __future__ import annotations

import pytest
from contract.clients import HOOKS, client_with

DISCOVERIES = ["/cds-services", "/cds-services/", "/core/cds-services", "/nl/cds-services/"]


@pytest.mark.requirement(
    "DISC-1", "DISC-2", "DISC-4", "DISC-5", "DISC-6", "DISC-7", "DISC-8", "DISC-24", "GEN-1"
)
@pytest.mark.parametrize("path", DISCOVERIES)
@pytest.mark.requirement(
    "PFT-1",
    "PFT-2",
    "PFT-4",
    "PFT-6",
    "PFT-9",
    "PFT-13",
    "PFT-20",
    "VER-10",
    "PFT-10",
    "PFT-11",
    "PFT-12",
    "PFT-21",
    "FP-10",
)
def test_discovery_is_there_with_and_without_profile_and_slash(client, path):
    answer = client.get(path)
    assert answer.status == 200
    assert answer.json["services"]


@pytest.mark.requirement("DISC-19", "DISC-25")
def test_each_hook_has_a_service_of_its_own(services):
    assert set(HOOKS) <= set(services)


@pytest.mark.requirement("DISC-18")
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer odd"}, {"Accept": "text/html"}])
def test_discovery_is_open_and_ignores_what_it_does_not_need(client, headers):
    assert client.get("/cds-services", headers=headers).status == 200


@pytest.mark.requirement("DISC-21")
def test_an_unchanged_document_is_not_sent_again(client):
    first = client.get("/cds-services")
    assert "max-age=300" in first.headers["Cache-Control"]
    again = client.get("/cds-services", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    changed = client.get("/cds-services", headers={"If-None-Match": '"other"'})
    assert changed.body == first.body


@pytest.mark.requirement("DISC-21")
def test_the_document_does_not_depend_on_the_request(client):
    bodies = {
        client.get("/cds-services", headers={"Accept-Language": language, "Host": host}).body
        for language in ("en", "nl")
        for host in ("localhost", "cds.example.org")
    }
    assert len(bodies) == 1


def test_profiles_have_documents_of_their_own(client):
    assert client.get("/nl/cds-services").body != client.get("/de/cds-services").body


def test_head_answers_without_a_body(client):
    answer = client.open("HEAD", "/cds-services")
    assert (answer.status, answer.body) == (200, b"")


def test_an_unknown_profile_names_the_closest(client):
    answer = client.get("/nll/cds-services")
    assert (answer.status, answer.issue["code"]) == (404, "not-found")
    assert "did you mean 'nl'" in answer.text


def test_an_unknown_profile_that_is_like_none_lists_them(client):
    assert "core, nl, de, no" in client.get("/xyzzy/cds-services").text


@pytest.mark.requirement("DISC-3")
def test_without_guidelines_there_are_no_services(tmp_path):
    (tmp_path / "plans").mkdir()
    client = client_with(
        PLANS=str(tmp_path / "plans"), DATABASE_URL=f"sqlite:///{tmp_path}/cds.sqlite3"
    )
    assert client.get("/cds-services").json == {"services": []}
    assert client.get("/ready").status == 503
