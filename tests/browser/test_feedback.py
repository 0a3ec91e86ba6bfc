"""The feedback page, in a real browser: what was done in Try it is counted for its rule."""

from __future__ import annotations

from itertools import count

import pytest
from axe_playwright_python.sync_playwright import Axe

_users = count(1)


@pytest.fixture
def page(open_page):
    """The feedback page after a card of lbpR16 was not followed, once its decision is written.

    By a user of each test's own, because an override quiets the card for its user.
    """
    page = open_page()
    page.fill("[name=user]", f"PractitionerRole/feedback-{next(_users)}")
    page.click("#send")
    page.click(".override summary")
    page.click("[data-override]")
    page.wait_for_selector(".outcome:has-text('(200)')")
    page.click("nav a:has-text('Feedback')")
    row = page.locator("tr:has-text('lbpR16')")
    for _ in range(50):
        if row.count():
            break
        page.wait_for_timeout(200)
        page.reload()
    return page


def test_a_card_not_followed_is_counted_for_its_rule_with_its_reason(page):
    cells = page.locator("tr:has-text('lbpR16') td")

    assert int(cells.nth(1).text_content()) >= 1
    assert "Red flag or specific suspicion present, not coded OR-RF" in cells.nth(3).text_content()


def test_axe_finds_no_serious_problem(page):
    found = Axe().run(page).response["violations"]

    assert [item["id"] for item in found if item["impact"] in {"serious", "critical"}] == []


def test_no_heading_and_no_rule_is_broken_over_lines(page):
    lines = page.eval_on_selector_all(
        ".feedback th",
        """cells => cells.map(cell => {
          const range = document.createRange();
          range.selectNodeContents(cell);
          return new Set([...range.getClientRects()].map(box => Math.round(box.bottom))).size;
        })""",
    )

    assert set(lines) == {1}
