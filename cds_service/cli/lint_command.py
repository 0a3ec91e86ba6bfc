"""The command that judges guideline files: `cds-service lint`."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import click

from cds_service import config
from cds_service.authoring import lint as linting
from cds_service.authoring import lint_report, mechanical, revisions
from cds_service.cli.arguments import FOLDER, FOUND, content_root, print_json
from cds_service.data import plan_library


@click.command()
@click.argument("directory", metavar="DIR", type=FOLDER)
@click.option("--format", "form", type=click.Choice(["text", "json", "sarif"]), default="text")
@click.option("--since", metavar="REF", help="What changed since this git revision: version too?")
@click.option("--cases", "with_cases", is_flag=True, help="Run the cases: conditions always alike.")
@click.option("--fix", is_flag=True, help="First mend what has only one mend.")
def lint(directory: Path, form: str, since: str | None, *, with_cases: bool, fix: bool) -> None:
    """Check guideline files: everything wrong, each with file, line and column."""
    root = content_root(directory)
    if fix:
        _mend(directory, root)
    zone = config.from_environment().zone if with_cases else None
    findings = linting.check(root, since=since, cases_in=zone, within=directory)
    files = len(list(plan_library.guideline_files(directory)))
    report = lint_report.Report(root, findings, files)
    if form == "text":
        click.echo("\n".join(lint_report.lines(report)))
    elif form == "json":
        print_json(lint_report.as_json(report))
    else:
        version = metadata.version("cds-service")
        print_json(lint_report.as_sarif(report, Path.cwd(), version))
    sys.exit(FOUND if findings.problems else 0)


def _mend(directory: Path, root: Path) -> None:
    """Write the files of a folder of the content whose mechanical faults can be mended; say which.

    Displays are those of the whole content.
    """
    sources = revisions.of_folder(directory)
    displays = mechanical.displays_in(revisions.of_folder(root).values())
    for name, source in sources.items():
        text = mechanical.mended(source, displays)
        if text != source.text:
            (directory / name).write_text(text, encoding="utf-8")
            click.echo(f"mended {name}", err=True)
