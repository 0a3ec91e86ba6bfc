"""An error anywhere on our side is told as one shape and an id, and nothing else of it gets out."""

from __future__ import annotations

import time

import pytest
import requests
from contract.canaries import CANARIES, files, found_in, send
from contract.clients import serving
from contract.injection_points import BEHIND_THE_ANSWER, PLACES, break_at, write_starter

ERROR_CODES = "https://lbp.example.org/fhir/CodeSystem/error-code"
WITHIN_S = 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("broken")


@pytest.fixture(scope="module")
def breaking(folder):
    """The service with its most talkative log, and a place to break in each of its rooms."""
    write_starter(folder, " ".join(CANARIES.values()))
    yield from serving(
        folder, module="breaking", LOG_LEVEL="debug", DATABASE_URL="sqlite:///cds.sqlite3"
    )


def test_there_are_thirty_places_at_least():
    assert len(set(PLACES.values())) >= 30


def hits_in(folder):
    """The places that were reached; what is behind the answer may be reached a moment later."""
    end = time.monotonic() + WITHIN_S
    while not (hits := (folder / "hits").read_text()) and time.monotonic() < end:
        time.sleep(0.05)
    return hits


@pytest.mark.slow
@pytest.mark.requirement("H1", "H2", "RESP-9", "PHI-3", "PHI-5")
@pytest.mark.parametrize("place", PLACES)
def test_an_error_on_our_side_tells_nothing_but_its_id(breaking, folder, place):
    break_at(folder, place)
    try:
        answers = list(send(breaking))
        hits = hits_in(folder)
    finally:
        break_at(folder, "")

    told = "\n".join(answer.text for answer in answers)
    assert hits, "the place was never reached"
    assert found_in(told) == []
    assert "Traceback" not in told
    assert "RuntimeError" not in told
    bugs = [answer.json() for answer in answers if answer.status_code == 500]
    assert bool(bugs) != (place in BEHIND_THE_ANSWER)
    for outcome in bugs:
        (issue,) = outcome["issue"]
        assert (outcome["resourceType"], issue["severity"]) == ("OperationOutcome", "fatal")
        assert issue["details"]["coding"] == [{"system": ERROR_CODES, "code": "bug"}]
        assert outcome["id"] in issue["diagnostics"]
    assert found_in((folder / "stderr").read_text()) == []
    assert requests.get(f"{breaking.url}/health", timeout=15).status_code == 200


@pytest.mark.slow
@pytest.mark.requirement("H1", "PHI-3")
def test_nothing_of_it_is_in_a_file_or_count_either(breaking, folder):
    """After all of the above, in whatever order they ran."""
    counted = requests.get(f"{breaking.url}/metrics", timeout=15).text
    assert found_in(counted) == []
    assert [(name, what) for name, text in files(folder) for what in found_in(text)] == []
