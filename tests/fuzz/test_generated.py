"""Whatever fits the published document, or nearly does, gets an answer that fits it too."""

from __future__ import annotations

import pytest
from contract.clients import serving
from fuzz import generated

EXAMPLES = 3  # per operation and phase; `python -m fuzz.generated 25` is the long run
PHASES = "examples,coverage,fuzzing"
ONCE = ("--exclude-path-regex", r"^/\{profile\}")  # the same below a profile


@pytest.mark.slow
@pytest.mark.requirement("E3", "GEN-11", "RESP-7")
def test_generated_requests_are_answered_as_the_document_says(tmp_path):
    for server in serving(tmp_path):
        report = generated.run(server.url, tmp_path, EXAMPLES, PHASES, *ONCE)
    assert report.is_clean, report.text[-4000:]
    assert report.requests > 1000
