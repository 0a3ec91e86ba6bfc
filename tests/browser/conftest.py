"""A real Chromium against the service as `cds-service serve` starts it, with the workbench on."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from contract.clients import Server, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="session")
def workbench(tmp_path_factory) -> Iterator[Server]:
    """With threads for all that a page asks at once, so that a busy machine refuses nothing."""
    folder = tmp_path_factory.mktemp("workbench")
    yield from serving(folder, WORKBENCH="yes", WORKERS="1", THREADS="16")


@pytest.fixture(scope="session")
def chromium():
    if CHROMIUM is None:
        pytest.skip("there is no chromium on this machine")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def is_error(said) -> bool:
    """Whether a console message is a mistake of the page; a refused request (4xx) is an answer."""
    return said.type == "error" and "responded with a status of 4" not in said.text


@pytest.fixture
def open_page(chromium, workbench):
    """Opens the workbench in a browser of its own; any error on the console fails the test."""
    contexts, errors = [], []

    def open_it(path: str = "/workbench", ready: str = ".who", **options):
        context = chromium.new_context(**{"locale": "en-GB", **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: is_error(said) and errors.append(said.text))
        page.goto(workbench.url + path)
        page.wait_for_selector(ready)
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert errors == []
