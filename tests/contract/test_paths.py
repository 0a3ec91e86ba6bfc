"""Addresses that try to be something else, over a real socket: nothing there, told plainly (E5)."""

from __future__ import annotations

import sys
import threading

import pytest
from contract import wire

NOTHING = (
    "/cds-services/../{id}",
    "/cds-services/%2e%2e/{id}",
    "/cds-services/..%2f{id}",
    "/cds-services/..%5c{id}",
    "/cds-services/%252e%252e%252f{id}",
    "/cds-services/%u002e/{id}",
    "/cds-services/x/../{id}",
    "/cds-services//{id}",
    "/cds-services/{id}//",
    "/cds-services/{id}/.",
    "/cds-services/{id}/./feedback",
    "/cds-services/{id}//feedback",
    "/cds-services/{id}/../{id}",
    "/cds-services/{id}/..%2f{id}",
    "/core/../cds-services/{id}",
    "/core//cds-services/{id}",
    "/%2e/cds-services/{id}",
    "/%2e%2e/cds-services/{id}",
    "/cds-services/{id}%00",
    "/cds-services/{id}%00.json",
    "/cds-services/{id}%0d%0aX-Injected:%201",
    "/cds-services/{id}%20",
    "/cds-services/%20{id}",
    "/cds-services/{id}.json",
    "/cds-services/{id}%",
    "/cds-services/{id}%ff",
    "/cds-services/{id}%c0%ae",
    "/cds-services/{id}\\",
    "/cds-services/{id}:$DATA",
    "/cds-services/{id};jsessionid=1",
    "/cds-services;jsessionid=1/{id}",
    "/cds-services/{id};/feedback",
    "/CDS-SERVICES/{id}",
    "/cds-services/{ID}",
    "/cds-services/{wide}",
    "/cds-services/{hyphens}",
    "/cds-services/%EF%BC%8F..%EF%BC%8F{id}",
    "/cds-services/e%CC%81",
    "/cds-services/%C3%A9",
    "/cds-services/{id}%E2%80%8B",
    "/cds-services/CON",
    "/cds-services/C:%5cboot.ini",
    "/cds-services/~root",
    "/cds-services/*",
    "/cds-services/[a-z]",
    "/cds-services/$(id)",
    "/cds-services/%27%20or%201=1--",
    "/cds-services/%3Cscript%3Ealert(1)%3C/script%3E",
    "/cds-services/{{id}}",
    "/cds-services/__class__",
    "/cds-services/PlanDefinition.json",
    "/cds-services/..%2f..%2fpyproject.toml",
    "//evil.test/cds-services/{id}",
    "/cds-services/" + "x" * 3000,
    "/cds-services/" + "../" * 900,
    "/cds-services/" + "%2e%2e%2f" * 400,
    "/" + "a/" * 1800,
)
FILES = (
    "/static/..%2f__init__.py",
    "/static/%2e%2e/__init__.py",
    "/static/../__init__.py",
    "/static//etc/passwd",
    "/static/%2fetc%2fpasswd",
    "/static/..%5c..%5c__init__.py",
    "/static/..%252f__init__.py",
    "/static/%00",
    "/fhir/..%2f..%2fpyproject.toml",
    "/fhir/PlanDefinition/..%2f..%2fPlanDefinition.json",
    "/fhir/PlanDefinition/%2e%2e%2fx.json",
)
SAME = (
    "/cds-services/{id}",
    "/cds-services/{id}/",
    "//cds-services/{id}",
    "/%63ds-services/{id}",
    "/cds-services%2f{id}",
    "/cds-services/{id}?",
    "/cds-services/{id}?patient=x&a=%00",
    "/cds-services/{id}#fragment",
    "http://elsewhere.example/cds-services/{id}",
)
NO_ADDRESS = (b"/a b", b"*", b"", b"/caf\xc3\xa9", b"/a\x00b", b"/a\x7fb", b"/a\r\nb")


@pytest.fixture
def fill(services):
    """Puts the id of a real service, and look-alikes of it, into an address."""
    known = services["patient-view"]["id"]
    looks = {
        "{id}": known,
        "{ID}": known.upper(),
        "{wide}": "%EF%BD%8C" + known[1:],  # a full-width l, which NFKC makes an l
        "{hyphens}": known.replace("-", "%E2%80%90"),
    }

    def filled(path: str) -> str:
        for name, value in looks.items():
            path = path.replace(name, value)
        return path

    return filled


@pytest.mark.requirement("E5", "REQ-13", "RESP-7")
@pytest.mark.parametrize("path", NOTHING, ids=lambda path: path[:40])
def test_an_address_that_tries_to_be_another_holds_nothing(server, fill, path):
    reply = wire.send(server, wire.request(fill(path)))
    assert reply.status == 404
    assert reply.text
    assert reply.answers == 1


@pytest.mark.requirement("E5")
@pytest.mark.parametrize("path", FILES)
def test_no_address_leads_out_of_the_folder_it_names(server, path):
    reply = wire.send(server, wire.request(path, method="GET", head=b"", body=b""))
    assert reply.status == 404
    assert reply.text


class Opened:
    """The files that one thread opens while it is watched; a hook of Python cannot be removed."""

    def __init__(self) -> None:
        self.names: list[object] = []
        self.thread: int | None = None
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and threading.get_ident() == self.thread:
            self.names.append(arguments[0])

    def __enter__(self) -> list[object]:
        self.names.clear()
        self.thread = threading.get_ident()
        return self.names

    def __exit__(self, *_: object) -> None:
        self.thread = None


OPENED = Opened()


@pytest.mark.requirement("E5")
@pytest.mark.parametrize(("method", "paths"), [("POST", NOTHING), ("GET", NOTHING + FILES)])
def test_no_file_is_opened_for_an_address(client, fill, method, paths):
    """The guidelines were read at the start."""
    client.open(method, "/static/nothing")  # what is imported at the first time
    with OPENED as names:
        for path in paths:
            client.open(method, fill(path))
    assert names == []


@pytest.mark.requirement("E5")
def test_a_file_that_is_opened_is_noticed(client):
    with OPENED as names:
        assert client.get("/static/page.css").status == 200
    assert [name for name in names if str(name).endswith("page.css")]


@pytest.mark.requirement("DISC-24", "E5")
@pytest.mark.parametrize("path", SAME)
def test_another_spelling_of_an_address_is_that_address(server, fill, path):
    reply = wire.send(server, wire.request(fill(path)))
    assert (reply.status, reply.json["issue"][0]["details"]["coding"][0]["code"]) == (
        400,
        "bad-request",
    )
    assert reply.text.startswith("hook: required")


@pytest.mark.requirement("E5", "E6")
@pytest.mark.parametrize("target", NO_ADDRESS)
def test_what_is_no_address_is_no_http(server, target):
    reply = wire.send(server, wire.request(target))
    assert (reply.status, reply.answers) == (400, 1)
    assert "not a usable HTTP request" in reply.text


@pytest.mark.requirement("E5")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/cds-services/{}"),
        ("GET", "/{}/cds-services"),
        ("GET", "/fhir/PlanDefinition/{}"),
        ("GET", "/fhir/PlanDefinition/${}"),
    ],
)
def test_a_long_name_is_not_repeated_whole(server, method, path):
    reply = wire.send(server, wire.request(path.format("x" * 3000), method=method))
    assert (reply.status, len(reply.text) < 500) == (404, True)
