"""What a call brings along is in no log, count, error or file afterwards, whatever goes wrong.

The service runs as `serve` starts it, with its most talkative log. What stays on purpose: the
hookInstance, which the client makes, and a clinician's own comment on a card, in its own table.
"""

from __future__ import annotations

import pytest
import requests
from client_keys import Token, claims, key, write_tenants
from contract.canaries import CANARIES, COMMENT, files, found_in, send
from contract.clients import serving


def leaks(folder, bearer=CANARIES["JWT"], **options):
    """Where a canary or the comment was found after everything was sent."""
    for server in serving(
        folder, LOG_LEVEL="debug", DATABASE_URL="sqlite:///cds.sqlite3", **options
    ):
        errors = [answer.text for answer in send(server, bearer)]
        told = {
            name: requests.get(f"{server.url}/{name}", timeout=15).text
            for name in ("metrics", "ready")
        }
    told |= {"errors": "\n".join(errors), "output": "\n".join(server.said)}
    seen = [(name, what) for name, text in told.items() for what in found_in(text)]
    seen += [(name, what) for name, text in files(folder) for what in found_in(text)]
    commented = {name for name, text in [*told.items(), *files(folder)] if COMMENT in text}
    assert errors
    return seen, {name.partition(".sqlite3")[0] for name in commented}


def test_there_are_twelve_canaries_at_least():
    assert len(set(CANARIES.values())) >= 12


@pytest.mark.slow
@pytest.mark.requirement("H1", "H2", "B7", "D8", "PHI-3", "PHI-5", "AUTHZ-11", "SEC-27")
def test_nothing_of_a_call_stays_but_the_comment_of_a_clinician_in_the_store(tmp_path):
    assert leaks(tmp_path) == ([], {"cds"})


@pytest.mark.slow
@pytest.mark.requirement("H1", "D8", "AUTHZ-11", "SEC-27")
def test_where_requests_are_kept_the_store_alone_has_them_and_without_tokens(tmp_path):
    seen, _ = leaks(tmp_path, KEEP_REQUESTS="yes", RETENTION_DAYS="30")
    assert {name.partition(".sqlite3")[0] for name, _ in seen} == {"cds"}
    assert {what for _, what in seen}.isdisjoint({"access token", "JWT", "query"})


@pytest.mark.slow
@pytest.mark.requirement("H1", "SEC-27", "SEC-28")
def test_nothing_of_a_refused_call_stays(tmp_path):
    issuer = "https://ehr.example.org"
    write_tenants(tmp_path, "https://cds.example.org", {"a": issuer}, key("private-life"))
    forged = Token(key("a-stranger"), claims(CANARIES["query"], issuer))
    seen, commented = leaks(tmp_path, forged.text(), TENANTS="tenants.toml")
    assert (seen, commented) == ([], set())
