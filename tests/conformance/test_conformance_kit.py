"""The conformance kit finds what is wrong with a service, and nothing else."""

from __future__ import annotations

import json
import socket
import ssl
from typing import TYPE_CHECKING

import pytest
import tls_proxy
from click.testing import CliRunner
from client_keys import base64url, key, write_tenants
from conformance.small_service import PAGE, SmallService
from contract.clients import REPOSITORY, serving

from cds_service.cli import main
from cds_service.conformance import Client, Result, Status, check_all, observe
from cds_service.conformance.signing import read_signer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEFECTS = {
    "a bare list": "DISC-2",
    "no description": "DISC-6",
    "blank hook title": "DISC-7",
    "prefetch is a list": "DISC-8",
    "odd token": "PFT-4",
    "an id twice": "DISC-25",
    "redirects": "DISC-24",
    "cards without an object": "RESP-1",
    "null detail": "GEN-3",
    "calls it HTML": "GEN-11",
    "long summary": "CARD-3",
    "loud indicator": "CARD-8",
    "no label": "CARD-11",
    "no uuid": "CARD-2",
    "HTML in detail": "CARD-7",
    "no selectionBehavior": "CARD-19",
    "recommends two": "SUG-5",
    "reason without display": "CARD-22",
    "context on a plain link": "LINK-5",
    "action without description": "ACT-2",
    "resource is a string": "GEN-7",
    "deletes by resource": "ACT-7",
    "acts by itself": "SYS-2",
    "insists on prefetch": "PF-6",
    "takes anything": "REQ-12",
    "crashes on an unknown id": "REQ-13",
    "bare errors": "RESP-7",
    "shows its trace": "RESP-9",
    "no preflight": "CORS-2",
    "any origin with credentials": "CORS-4",
    "refuses batches": "FB-13",
    "thanks for anything": "FB-17",
    "a service is a string": "DISC-2",
    "an address as template": "PFT-2",
    "orders in a template": "PFT-6",
    "the user's type twice": "PFT-8",
    "a card is a string": "RESP-1",
    "numbers that are none": "GEN-1",
    "extension is a list": "GEN-8",
    "one suggestion, not a list": "CARD-18",
    "a reason is a string": "CARD-21",
    "a link is a string": "CARD-24",
    "an action is a string": "SUG-6",
    "launches by a word": "LINK-6",
    "hangs up": "RESP-6",
}
"""By what is wrong: a requirement that it breaks."""


def judged(*defects: str) -> tuple[Result, ...]:
    with SmallService(*defects) as base:
        return check_all(observe(Client(base)))


PERFORMANCE = {"PERF-1"}


def failed(results: tuple[Result, ...]) -> set[str]:
    """The requirements that are not met, but for what depends on how busy the machine is."""
    found = {name for item in results if item.status is Status.FAILED for name in item.check.ids}
    return found - PERFORMANCE


def test_a_right_service_passes_every_check_that_can_be_made_without_tokens():
    results = judged()

    assert failed(results) == set()
    not_seen = {
        name for item in results if item.status is Status.NOT_SEEN for name in item.check.ids
    }
    assert all(name.startswith("SEC-") for name in not_seen)


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_found_by_its_requirement(defect):
    assert DEFECTS[defect] in failed(judged(defect))


def test_feedback_may_be_taken_with_any_success():
    """CDS Hooks names no status for it."""
    assert failed(judged("has nothing to say")) == set()


def test_a_service_that_answers_no_call_is_judged_by_what_it_answers():
    results = judged("hangs up on good messages")

    told = {name: item for item in results for name in item.check.ids}
    assert told["DISC-2"].status is Status.PASSED
    assert told["RESP-1"].said == (
        "small (an adult, nothing recorded): no answer (ConnectionError), not 200",
    )
    assert told["FB-1"].status is Status.NOT_SEEN


def test_what_was_never_asked_has_not_passed():
    results = judged("a bare list")

    told = {name: item.status for item in results for name in item.check.ids}
    unseen = ("RESP-1", "PERF-1", "SYS-2", "DISC-25")
    assert {told[name] for name in unseen} == {Status.NOT_SEEN}


def test_the_page_of_a_browser_client_is_tried_under_its_own_origin():
    with SmallService("one page only") as base:
        local = CliRunner().invoke(main, ["conformance", base])
        named = CliRunner().invoke(main, ["conformance", base, "--origin", PAGE])

    assert "FAIL advice Preflight is answered" in local.output
    assert "ok   advice Preflight is answered" in named.output


def test_a_certificate_of_ones_own_is_taken_when_its_authority_is_named(tmp_path: Path):
    tls_proxy.certify(tmp_path)
    trust = ["--ca", str(tmp_path / "authority.pem")]
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    with SmallService(tls=context) as base:
        unnamed = CliRunner().invoke(main, ["conformance", base])
        named = CliRunner().invoke(main, ["conformance", base, *trust])

    assert unnamed.exit_code == 2
    assert "name its own with --ca" in unnamed.output
    assert named.exit_code == 0


def test_a_broken_shall_makes_the_command_fail():
    with SmallService("long summary") as base:
        result = CliRunner().invoke(main, ["conformance", base])

    assert result.exit_code == 1
    assert "cards[0].summary has 140 characters" in result.output
    assert "1 SHALL broken" in result.output


def test_a_host_that_does_not_exist_is_told_from_a_service_that_does_not_run(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")

    result = CliRunner().invoke(main, ["conformance", "https://no-such-host.invalid"])

    assert result.exit_code == 2
    assert "its host name leads to no address" in result.output


def test_advice_that_is_not_taken_does_not_make_the_command_fail():
    with SmallService("HTML in detail") as base:
        result = CliRunner().invoke(main, ["conformance", base])

    assert result.exit_code == 0
    assert "FAIL advice" in result.output


def test_the_json_report_has_each_requirement_with_its_status():
    with SmallService("long summary") as base:
        result = CliRunner().invoke(main, ["conformance", base, "--format", "json"])

    report = json.loads(result.output)
    assert report["conforms"] is False
    assert report["requirements"]["CARD-3"] == "failed"
    assert report["requirements"]["CARD-8"] == "passed"


def test_the_html_report_shows_what_a_service_says_as_text(tmp_path: Path):
    page = tmp_path / "report.html"
    with SmallService("HTML in detail") as base:
        CliRunner().invoke(main, ["conformance", base, "--format", "html", "--output", str(page)])

    assert "<b>" not in page.read_text()
    assert "&lt;b&gt;" in page.read_text()


def test_a_service_that_is_not_there_is_told_plainly():
    result = CliRunner().invoke(main, ["conformance", "http://127.0.0.1:9"])

    assert result.exit_code == 2
    assert "http://127.0.0.1:9: GET /cds-services: no answer" in result.output
    assert "is the service running" in result.output


@pytest.mark.parametrize("address", ["cds.example.org", "cds.example.org:443", "ftp://a.example"])
def test_an_address_without_its_scheme_is_told_how_to_write_it(address):
    result = CliRunner().invoke(main, ["conformance", address])

    assert result.exit_code == 2
    assert "write the address as https://host" in result.output


def private_jwk(path: Path) -> Path:
    """The key of the tests' client, with its private half."""
    holder = key("static")
    numbers = holder.private.private_numbers()
    length = (holder.private.curve.key_size + 7) // 8
    secret = base64url(numbers.private_value.to_bytes(length))
    path.write_text(json.dumps(holder.jwk(d=secret)))
    return path


@pytest.fixture(scope="module")
def own_service(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """Our service, trusting one client; its address, and the client's private key."""
    folder = tmp_path_factory.mktemp("own")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{free.getsockname()[1]}"
    tenants = write_tenants(folder, base, {"kit": "https://kit.example.org"}, key("static"))
    for _ in serving(
        folder,
        TENANTS=str(tenants),
        PORT=base.rpartition(":")[2],
        CORS_ORIGINS="http://localhost:3000",
    ):
        yield base, private_jwk(folder / "private.json")


@pytest.mark.slow
def test_our_own_service_breaks_no_requirement_with_or_without_right_tokens(own_service):
    base, private = own_service
    signer = read_signer(private, "https://kit.example.org")
    requests = [
        json.loads(path.read_text())
        for path in (REPOSITORY / "examples" / "requests").glob("*.json")
        if path.name != "feedback.json"
    ]

    results = check_all(observe(Client(base, signer=signer), requests))

    assert failed(results) == set()
    tokens = [item.status for item in results if "SEC-5" in item.check.ids]
    assert tokens == [Status.PASSED]


@pytest.mark.slow
def test_a_trusting_service_is_judged_with_the_commands_own_tokens(own_service):
    base, private = own_service
    issuer = ["--issuer", "https://kit.example.org"]

    result = CliRunner().invoke(main, ["conformance", base, "--key", str(private), *issuer])

    assert result.exit_code == 0, result.output
    assert "no SHALL broken" in result.output
