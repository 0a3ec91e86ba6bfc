"""The guideline pages, in a real browser: a clinician finds a rule, reads it, sees its cases."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

PAGES = ["guidelines", "guidelines/lbpR16", "guidelines/low-back-pain-order-sign"]


def test_a_rule_is_found_from_the_list_and_its_cases_pass(open_page):
    page = open_page("/workbench/guidelines", ready=".plans")
    page.click("a:has-text('lbpR16')")
    page.wait_for_selector(".results")

    assert page.locator(".results .pass").count() > 40
    assert page.locator(".results .fail").count() == 0


def test_a_rule_says_in_words_when_it_speaks(open_page):
    page = open_page("/workbench/guidelines/lbpR16", ready=".steps")

    assert "a red-flag screen of the last 30 days is negative" in page.text_content(".steps")


def test_a_strategy_leads_to_its_rules(open_page):
    page = open_page("/workbench/guidelines/low-back-pain-order-sign", ready=".steps")
    page.click(".steps a:has-text('lbpR01')")

    page.wait_for_selector("h1:has-text('lbpR01')")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_no_serious_problem(open_page, path, theme):
    page = open_page(f"/workbench/{path}", ready="h1", color_scheme=theme)

    found = Axe().run(page).response["violations"]
    assert [item["id"] for item in found if item["impact"] in {"serious", "critical"}] == []


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_wider_than_a_small_telephone(open_page, path):
    page = open_page(f"/workbench/{path}", ready="h1", viewport={"width": 360, "height": 700})

    assert page.evaluate("document.documentElement.scrollWidth") == 360
