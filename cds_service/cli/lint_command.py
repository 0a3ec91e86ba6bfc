"""The command that judges guideline files: `cds-service lint`."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import click

from cds_service import config
from cds_service.authoring import lint as linting
from cds_service.authoring import lint_report, mechanical, revisions
from cds_service.cli.arguments import FOUND, GIVEN, content_root, print_json


@click.command()
@click.argument("paths", metavar="PATH...", type=GIVEN, nargs=-1, required=True)
@click.option("--format", "form", type=click.Choice(["text", "json", "sarif"]), default="text")
@click.option("--since", metavar="REF", help="What changed since this git revision: version too?")
@click.option("--cases", "with_cases", is_flag=True, help="Run the cases: conditions always alike.")
@click.option("--fix", is_flag=True, help="First mend what has only one mend.")
def lint(
    paths: tuple[Path, ...], form: str, since: str | None, *, with_cases: bool, fix: bool
) -> None:
    """Check guideline files: everything wrong, each with file, line and column.

    PATH is the folder of a guideline, a folder in it, or a file: a plan, a Library, a case.
    """
    root = _one_root(paths)
    if fix:
        _mend(paths, root)
    zone = config.from_environment().zone if with_cases else None
    findings = linting.check(root, since=since, cases_in=zone, within=paths)
    looked_at = {path.resolve() for path in (*linting.files_within(root, paths), *_files(paths))}
    report = lint_report.Report(root, findings, len(looked_at))
    if form == "text":
        click.echo("\n".join(lint_report.lines(report)))
    elif form == "json":
        print_json(lint_report.as_json(report))
    else:
        version = metadata.version("cds-service")
        print_json(lint_report.as_sarif(report, Path.cwd(), version))
    sys.exit(FOUND if findings.problems else 0)


def _one_root(paths: tuple[Path, ...]) -> Path:
    """The guideline that all these are in; raises BadParameter for several, and for what is none.

    A file is judged by what stands around it, so the whole guideline is loaded.
    """
    for path in _files(paths):
        if path.suffix != ".json":
            raise click.BadParameter(f"'{path}' is no guideline file: those end in .json")
    roots = {content_root(path).resolve(): content_root(path) for path in paths}
    if len(roots) > 1:
        told = " and ".join(sorted(map(str, roots.values())))
        raise click.BadParameter(f"these are of several guidelines, {told}: lint one at a time")
    return next(iter(roots.values()))


def _files(paths: tuple[Path, ...]) -> list[Path]:
    return [path for path in paths if path.is_file()]


def _mend(paths: tuple[Path, ...], root: Path) -> None:
    """Write the guideline files among these whose mechanical faults can be mended; say which.

    Displays are those of the whole content. Cases are not rewritten.
    """
    sources = revisions.of_folder(root)
    displays = mechanical.displays_in(sources.values())
    for path in linting.files_within(root, paths):
        source = sources[str(path.relative_to(root))]
        text = mechanical.mended(source, displays)
        if text != source.text:
            path.write_text(text, encoding="utf-8")
            click.echo(f"mended {source.file}", err=True)
