"""The start page, health and readiness."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from contract.clients import HOOKS, client_with


class Page(HTMLParser):
    """What a page holds: its tags with attributes, and the text of its commands."""

    def __init__(self, html):
        super().__init__()
        self.tags = []
        self.commands = []
        self.open = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)
        if tag == "pre":
            self.commands.append("")

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if "pre" in self.open:
            self.commands[-1] += data


@pytest.fixture
def page(client):
    return Page(client.get("/").body.decode())


def test_the_page_is_html_without_script_and_says_so(client):
    answer = client.get("/")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert b"<script" not in answer.body
    assert b"style=" not in answer.body


def test_the_page_is_accessible(page):
    assert ("html", {"lang": "en"}) in page.tags
    names = [tag for tag, _ in page.tags]
    assert names.count("h1") == names.count("main") == names.count("title") == 1
    levels = [int(name[1]) for name in names if re.fullmatch(r"h[1-6]", name)]
    assert all(deeper - level <= 1 for level, deeper in pairwise(levels))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.tags:
        assert attributes.get("aria-labelledby", ids[0]) in ids


@pytest.mark.requirement("DISC-22", "DISC-23")
def test_every_service_is_shown(client, services):
    text = client.get("/").body.decode()
    for service in services.values():
        assert service["id"] in text
        assert service["hook"] in text
    for key in services["patient-view"]["prefetch"]:
        assert f"<code>{key}</code>" in text


def test_the_links_of_the_page_work(client, page):
    targets = [attributes["href"] for tag, attributes in page.tags if "href" in attributes]
    own = [target for target in targets if target.startswith("/")]
    assert {"/cds-services", "/health", "/ready"} <= set(own)
    assert {client.get(target).status for target in own} == {200}


def test_the_commands_of_the_page_work_as_they_stand(client, page):
    calls = [command for command in page.commands if "-d '" in command]
    assert len(calls) >= len(HOOKS)
    for command in calls:
        path = re.search(r"'http://localhost(/cds-services/[^']+)'", command)[1]
        body = json.loads(re.search(r"-d '([^']+)'", command)[1])
        assert client.post(path, body).status == 200


def test_the_page_shows_the_address_of_the_request(client):
    page = client.get("/", headers={"Host": "cds.example.org:8443"}).body.decode()
    assert "http://cds.example.org:8443/cds-services" in page


@pytest.mark.parametrize("host", ["<script>alert(1)</script>", "a'b", 'a"><b', "a b"])
def test_a_strange_host_stays_text(client, host):
    answer = client.open("GET", "/", headers={"Host": host})
    assert b"<script" not in answer.body
    assert b'"><b' not in answer.body


def test_the_public_address_is_shown_where_it_is_set(tmp_path):
    client = client_with(
        PUBLIC_URL="https://cds.example.org", DATABASE_URL=f"sqlite:///{tmp_path}/cds.sqlite3"
    )
    text = client.get("/", headers={"Host": "inside:8080"}).body.decode()
    assert "https://cds.example.org/cds-services" in text
    assert "inside" not in text


def test_the_style_sheet_is_served(client):
    answer = client.get("/static/page.css")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/css; charset=utf-8")
    assert b"prefers-color-scheme: dark" in answer.body


@pytest.mark.requirement("H3")
def test_health_says_that_the_process_is_up_and_no_more(client):
    assert client.get("/health").json == {"status": "up"}


def test_ready_says_what_is_loaded(client, services):
    answer = client.get("/ready")
    assert answer.status == 200
    assert answer.json["ready"] is True
    assert answer.json["store"] == "ready"
    assert answer.json["plans"] > 0
    assert "problems" not in answer.json
    assert answer.headers["Cache-Control"] == "no-store"


def test_no_page_may_frame_or_sniff_an_answer(client):
    for path in ("/", "/health", "/cds-services", "/nothing"):
        headers = client.get(path).headers
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
