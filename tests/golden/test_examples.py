"""The example requests give the example responses, to the byte of the text a clinician reads."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from uuid import UUID

import pytest
from shared_data import REPOSITORY

from cds_service import fhir_json
from cds_service.data import plan_library
from cds_service.errors import CdsError
from cds_service.hooks.service import HookService

EXAMPLES = REPOSITORY / "examples"
REQUESTS = sorted(
    path for path in (EXAMPLES / "requests").glob("*.json") if path.stem != "feedback"
)
NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
DECISION = UUID("00000000-0000-4000-8000-000000000003")


@cache
def hooks():
    return HookService(plan_library.load(REPOSITORY / "plan_definitions"))


def answer_to(path):
    """The response, or the error as text, for the profile in the file's name."""
    request = fhir_json.decode(path.read_bytes())
    service = next(s for s in hooks().library.services.values() if s.hook == request["hook"])
    profile = next((name for name in ("de", "nl", "no") if path.stem.endswith(f"-{name}")), "core")
    try:
        answer = hooks().call(service.id, request, now=NOW, decision_id=DECISION, profile=profile)
    except CdsError as error:
        return {"status": error.status, "message": error.message}
    return json.loads(fhir_json.encode(answer.response))


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.stem)
def test_an_example_request_gets_its_example_response(path, request):
    golden = EXAMPLES / "responses" / path.name
    found = json.dumps(answer_to(path), indent=2, ensure_ascii=False) + "\n"
    if request.config.getoption("--write-golden"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(found, encoding="utf-8")

    assert found == golden.read_text(encoding="utf-8")
