"""The document of the whole guideline is what the plans say now."""

from __future__ import annotations

from shared_data import REPOSITORY

from cds_service.authoring.guideline import document
from cds_service.data import plan_library

GOLDEN = REPOSITORY / "docs" / "guideline.md"


def test_the_guideline_in_words_is_made_from_the_plans(request):
    found = document(plan_library.load(REPOSITORY / "plan_definitions"))
    if request.config.getoption("--write-golden"):
        GOLDEN.write_text(found, encoding="utf-8")

    assert found == GOLDEN.read_text(encoding="utf-8"), "make golden writes it anew"
