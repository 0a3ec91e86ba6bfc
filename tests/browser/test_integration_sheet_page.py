"""The integration sheet in a real browser: readable by everybody, and on paper."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow


def test_the_sheet_has_no_serious_accessibility_problem(open_page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = open_page("/integration", ready="#links")

    found = axe.Axe().run(page).response["violations"]

    assert [item["id"] for item in found if item["impact"] in {"serious", "critical"}] == []


def test_the_sheet_prints_as_a_pdf(open_page):
    page = open_page("/integration", ready="#links")

    assert page.pdf().startswith(b"%PDF-")


def test_the_sheet_fits_a_telephone(open_page):
    page = open_page("/integration", ready="#links", viewport={"width": 360, "height": 740})

    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


BROKEN = """() => {
  const told = [
    "[aria-labelledby=prefetch] td:not(:nth-child(2))",
    "[aria-labelledby=endpoints] td:first-child", "[aria-labelledby=endpoints] code span",
    "[aria-labelledby=reasons] code span", "[aria-labelledby=orders] td code span",
  ];
  const ids = [...document.querySelectorAll("[aria-labelledby=endpoints] td:nth-child(2) code")];
  return [...ids, ...document.querySelectorAll(told.join())].filter(cell => {
    const range = document.createRange();
    range.selectNodeContents(cell);
    return new Set([...range.getClientRects()].map(line => Math.round(line.bottom / 10))).size > 1;
  }).map(cell => cell.textContent)
}"""
"""Keys, needs, hooks, ids and steps of addresses whose text stands on more than one line."""


def test_what_is_typed_in_is_not_broken_on_paper(open_page):
    page = open_page("/integration", ready="#links", viewport={"width": 718, "height": 1000})
    page.emulate_media(media="print")

    assert page.locator("[aria-labelledby=endpoints] code span").count() > 0
    assert page.evaluate(BROKEN) == []


def test_an_address_on_paper_does_not_leave_the_page(open_page):
    page = open_page("/integration", ready="#links", viewport={"width": 718, "height": 1000})
    page.emulate_media(media="print")

    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
