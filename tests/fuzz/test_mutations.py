"""Whatever is wrong in a real request, the answer is cards or a reason (risk E3)."""

from __future__ import annotations

import pytest
from fuzz import mutations


@pytest.mark.slow
@pytest.mark.requirement("E3", "REQ-12", "RESP-9")
def test_mutated_requests_get_cards_or_a_reason(client):
    assert set(mutations.statuses(client, 2000)) <= {200, 400, 412}
