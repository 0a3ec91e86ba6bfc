"""README and guides, followed to the letter: every command is run, every output is as shown."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from console import DOCUMENTED, REPOSITORY, is_as_shown, printed, steps, workplace
from serving import serving

if TYPE_CHECKING:
    from console import Step

README = REPOSITORY / "README.md"
GUIDES = sorted((REPOSITORY / "docs").glob("*.md"))
MAKE_RUN = "make run"


def check(step: Step, output: str) -> None:
    assert is_as_shown(step, output), f"{step} $ {step.command}\n{output}"


@pytest.mark.slow
@pytest.mark.parametrize("page", [README, *GUIDES], ids=lambda page: page.name)
def test_commands_print_what_the_page_shows(page, tmp_path):
    """One after the other and in one place, because a reader does them in order."""
    todo = [step for step in steps(page) if step.command != MAKE_RUN]
    folder = workplace(tmp_path)
    if not any(DOCUMENTED in step.command for step in todo):
        for step in todo:
            check(step, printed(step, folder))
        return
    with serving(tmp_path, CDS_PLANS=str(folder / "plan_definitions")) as (url, _):
        for step in todo:
            check(step, printed(step, folder, url.removeprefix("http://")))


def test_make_run_starts_the_service_on_the_documented_port():
    dry_run = ["make", "--dry-run", "--silent", "run"]
    commands = subprocess.run(
        dry_run, cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout

    assert commands.strip().endswith("CDS_PORT=8080 .venv/bin/cds-service serve")


@pytest.mark.slow
def test_the_service_prints_what_the_readme_shows_for_make_run(tmp_path):
    step = next(step for step in steps(README) if step.command == MAKE_RUN)

    with serving(tmp_path) as (url, output):
        told = output.replace(url, f"http://{DOCUMENTED}")
    check(step, told.strip("\n"))


def test_the_readme_names_targets_that_exist():
    targets = re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)

    named = re.findall(r"\bmake ([a-z]+)\b", README.read_text())
    assert {"run", "test"} <= set(named) <= set(targets)
