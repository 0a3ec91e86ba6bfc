"""README and guides, followed to the letter: every command is run, every output is as shown."""

from __future__ import annotations

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from console import DOCUMENTED, REPOSITORY, is_as_shown, printed, steps, workplace

if TYPE_CHECKING:
    from pathlib import Path

    from console import Step

README = REPOSITORY / "README.md"
PAGES = [page for page in (README, *sorted((REPOSITORY / "docs").glob("*.md"))) if any(steps(page))]
MAKE_RUN = "make run"


@pytest.fixture(scope="module")
def transcripts(tmp_path_factory, server) -> dict[Path, list[tuple[Step, str]]]:
    """Every command and what it prints: all pages at the same time, each in a place of its own."""

    def transcript(page: Path) -> list[tuple[Step, str]]:
        """One command after the other, as a reader does them."""
        place = workplace(tmp_path_factory.mktemp("page"))
        todo = [step for step in steps(page) if step.command != MAKE_RUN]
        return [(step, printed(step, place, server.place)) for step in todo]

    with ThreadPoolExecutor() as pool:
        return dict(zip(PAGES, pool.map(transcript, PAGES), strict=True))


def check(step: Step, output: str) -> None:
    assert is_as_shown(step, output), f"{step} $ {step.command}\n{output}"


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_print_what_the_page_shows(page, transcripts):
    for step, output in transcripts[page]:
        check(step, output)


def test_make_run_starts_the_service_on_the_documented_port():
    dry_run = ["make", "--dry-run", "--silent", "run"]
    commands = subprocess.run(
        dry_run, cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout

    assert commands.strip().endswith("CDS_PORT=8080 .venv/bin/cds-service serve")


@pytest.mark.slow
def test_the_service_prints_what_the_readme_shows_for_make_run(server):
    step = next(step for step in steps(README) if step.command == MAKE_RUN)

    check(step, "\n".join(server.said).replace(server.place, DOCUMENTED))


def test_the_readme_names_targets_that_exist():
    targets = re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)

    named = re.findall(r"[`$ ]make ([a-z]+)[`\n]", README.read_text())
    assert {"run", "test"} <= set(named) <= set(targets)
