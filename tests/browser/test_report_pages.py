"""The pages that commands write, in a real browser: readable by everybody, and on a telephone."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from click.testing import CliRunner
from one_rule import cut
from shared_data import REPOSITORY

from cds_service.cli import main

REQUEST = str(REPOSITORY / "examples/requests/order-sign-mri.json")
COHORT = str(REPOSITORY / "examples/patients")


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """An explanation, a coverage report and a simulation of one rule, as files."""
    folder = tmp_path_factory.mktemp("pages")
    plans = str(cut(folder / "plans", "imaging/R19"))
    service = ["low-back-pain-order-sign", REQUEST, "--now", "2024-06-01"]
    for arguments in (
        ["explain", *service, "--plans", plans, "--html", str(folder / "explain.html")],
        ["test", f"{plans}/imaging/R19", "--coverage", "--html", str(folder / "coverage.html")],
        [
            *("simulate", plans, "--cohort", COHORT, "--on", "2024-06-01", "--workers", "1"),
            *("--format", "html", "--output", str(folder / "simulate.html")),
        ],
    ):
        done = CliRunner().invoke(main, arguments)
        assert not done.exception or isinstance(done.exception, SystemExit), done.output
    return folder


@pytest.fixture
def opened(chromium, pages):
    """Opens a page; an error on its console fails the test."""
    contexts, errors = [], []

    def open_it(name, **options):
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: said.type == "error" and errors.append(said.text))
        page.goto((pages / f"{name}.html").as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert errors == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["explain", "coverage", "simulate"])
def test_axe_finds_no_serious_problem(opened, name, theme):
    page = opened(name, color_scheme=theme)

    found = Axe().run(page).response["violations"]

    assert [item["id"] for item in found if item["impact"] in {"serious", "critical"}] == []


@pytest.mark.parametrize("name", ["explain", "coverage", "simulate"])
def test_it_fits_a_telephone(opened, name):
    page = opened(name, viewport={"width": 360, "height": 740})

    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
