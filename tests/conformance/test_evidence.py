"""docs/conformance.md is what the markers say, and every marker names a row that exists."""

from __future__ import annotations

import pytest
from conformance import evidence

PAGE = evidence.TESTS.parent / "docs" / "conformance.md"
OTHER_LISTS = ("AMB-",)
"""Rows of the list of known ambiguities: they explain, and are not counted."""


def test_the_page_is_current():
    assert PAGE.read_text(encoding="utf-8") == evidence.document(), "run make conformance-docs"


@pytest.mark.requirement("L3")
def test_every_marker_names_a_row():
    known = {row.id for row in evidence.rows()}
    strange = {row for row in evidence.proofs() if not row.startswith(OTHER_LISTS)} - known
    assert strange == set()


def test_no_reason_is_given_for_a_row_that_a_test_proves():
    known = {row.id for row in evidence.rows()}
    assert set(evidence.reasons()) <= known - set(evidence.proofs())


@pytest.mark.requirement("L3")
def test_only_rows_that_a_test_proves_are_proven_in_part():
    assert set(evidence.beyond()) <= set(evidence.proofs())
