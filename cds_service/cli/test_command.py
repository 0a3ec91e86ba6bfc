"""The command that runs cases: `cds-service test`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import click

from cds_service import config
from cds_service.authoring import cases as case_running
from cds_service.authoring import coverage, coverage_report, mutation_report, mutation_run
from cds_service.cli import case_watching
from cds_service.cli.arguments import FOUND, GIVEN, NEW_FILE, content_root, print_json
from cds_service.data import plan_library
from cds_service.errors import counted, did_you_mean
from cds_service.hooks.service import HookService

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from cds_service.authoring.cases import CaseResult
    from cds_service.data.plan_library import PlanLibrary


@click.command()
@click.argument("path", metavar="PATH", type=GIVEN)
@click.option("-k", "wanted", default="", help="Only cases whose name or file holds this text.")
@click.option("-v", "--verbose", is_flag=True, help="Name the cases that pass as well.")
@click.option("--watch", "mode", flag_value="watch", help="Run again what a save touches.")
@click.option("--coverage", "mode", flag_value="coverage", help="Conditions never seen, by plan.")
@click.option("--mutate", "mode", flag_value="mutate", help="Changes that no case notices.")
@click.option("--plan", "only", multiple=True, help="Report or change only this plan or Library.")
@click.option("--jobs", default=os.cpu_count(), help="Worker processes of --mutate.")
@click.option("--sample", type=int, help="Try only so many mutants, chosen by --seed.")
@click.option("--seed", default=0, help="Which sample.")
@click.option("--at-least", default=95.0, help="Percent of mutants to be killed, for exit 0.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--html", type=NEW_FILE, help="Write it as a page.")
def test(path: Path, wanted: str, *, verbose: bool, mode: str | None, **options: Any) -> None:
    """Run the cases beside the plans; count coverage, or try mutants of the plans.

    PATH is the folder of a guideline, a folder in it, a case, or a plan: then the cases beside it.
    """
    directory, wanted = _cases_of(path, wanted)
    if mode not in {"coverage", "mutate"}:
        _refuse_report(options)
    settings = config.from_environment()
    if mode == "watch":
        root = content_root(directory)
        case_watching.follow(root, directory, settings.zone, wanted, verbose=verbose, stop=Event())
        return
    library = plan_library.load(content_root(directory))
    options["only"] = tuple(_owner(library, name) for name in options["only"])
    is_apart = mode is not None  # the report alone goes to standard output
    results = _passed(library, directory, settings.zone, wanted, verbose=verbose, err=is_apart)
    if mode == "coverage":
        seen = coverage.over(library, results, within=directory, only=options["only"])
        _report(coverage_report, seen, as_json=options["as_json"], html=options["html"])
        sys.exit(0 if seen.is_complete else FOUND)
    elif mode == "mutate":
        _report_mutation(library, directory, results, settings.zone, **options)


def _cases_of(path: Path, wanted: str) -> tuple[Path, str]:
    """The folder whose cases are meant, and the text that chooses among them.

    A case file is chosen by its name, which stands last where the text is looked for.
    """
    if path.is_dir():
        return path, wanted
    folder = path.resolve().parent
    if folder.name == "cases":
        return folder.parent, f" {path.name}"
    return folder, wanted


def _passed(
    library: PlanLibrary, directory: Path, zone: ZoneInfo, wanted: str, *, verbose: bool, err: bool
) -> list[CaseResult]:
    """The results of the cases, told as they come; exits where one failed or none was found."""
    results = []
    for result in case_running.run_all(directory, HookService(library), zone, wanted):
        results.append(result)
        if verbose or not result.is_passed:
            click.echo("\n".join(case_watching.lines(result, directory)), err=err)
    failed = sum(not result.is_passed for result in results)
    click.echo(f"{counted(len(results) - failed, 'case')} passed, {failed} failed", err=err)
    if not results:
        told = f" has '{wanted}' in its name or file" if wanted else " is there"
        click.echo(f"no case below {directory}{told}", err=True)
    if failed or not results:
        sys.exit(FOUND)
    return results


def _refuse_report(options: Mapping[str, Any]) -> None:
    """Raises UsageError for what only a report takes, where none is asked for."""
    asked = {"--plan": options["only"], "--json": options["as_json"], "--html": options["html"]}
    for name, value in asked.items():
        if value:
            raise click.UsageError(f"{name} is for a report: add --coverage or --mutate")


def _owner(library: PlanLibrary, name: str) -> str:
    """The id of the resource that has this id, or lies in this folder; raises BadParameter."""
    names = {}
    for source in library.content.sources:
        if source.resource.get("resourceType") == "PlanDefinition":
            names[Path(source.file).parent.name] = source.id
    names |= {source.id: source.id for source in library.content.sources}
    if name not in names:
        hint = did_you_mean(name, names) or "name a plan or Library by its id"
        raise click.BadParameter(
            f"there is no plan or Library '{name}'; {hint}", param_hint="--plan"
        )
    return names[name]


def _report(form: Any, found: Any, *, as_json: bool, html: Path | None) -> None:
    """Print a report as text or JSON in its form, and write its page where that is asked for."""
    if html is not None:
        html.write_text(form.html(found), encoding="utf-8")
    if as_json:
        print_json(form.as_json(found))
    else:
        click.echo("\n".join(form.lines(found)))


def _report_mutation(  # noqa: PLR0913 - the options of the command
    library: PlanLibrary,
    directory: Path,
    results: list[CaseResult],
    zone: ZoneInfo,
    *,
    only: tuple[str, ...],
    jobs: int,
    sample: int | None,
    seed: int,
    at_least: float,
    as_json: bool,
    html: Path | None,
) -> None:
    selection = mutation_run.Selection(directory, only, sample, seed)
    trial, chosen = mutation_run.prepare(library, results, zone, selection)
    with click.progressbar(length=len(chosen), label="mutants", file=sys.stderr) as bar:
        judged = mutation_run.judge_all(trial, chosen, jobs=jobs, note=lambda _: bar.update(1))
    found = mutation_report.over(judged, library, selection)
    _report(mutation_report, found, as_json=as_json, html=html)
    sys.exit(0 if found.percent >= at_least and not found.problems else FOUND)
