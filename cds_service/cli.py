"""The command line: parse arguments, call one function, print; exit 0, 1 (found something) or 2.

The edge: the clock is read and ids are made here, and nowhere below.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from cds_service import config, fhir_json, fhirpath
from cds_service.authoring import cases as case_running
from cds_service.authoring import (
    coverage,
    coverage_report,
    feedback_report,
    mutation_report,
    mutation_run,
)
from cds_service.authoring import lint as linting
from cds_service.data import fhir_client, plan_library
from cds_service.engine import apply, explanation, request_group
from cds_service.engine import export as plain_plan
from cds_service.errors import CdsError
from cds_service.guideline_command import guideline
from cds_service.hooks.chart import Asked, situation
from cds_service.hooks.service import PROFILES, HookService
from cds_service.store import Store, migration
from cds_service.translation_commands import translations

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from cds_service.authoring.cases import CaseResult
    from cds_service.config import Settings
    from cds_service.data.plan_library import PlanLibrary
    from cds_service.hooks.service import Answer

FOUND, FAILED = 1, 2

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_NOW = click.option("--now", help="Evaluation date or date-time; the clock when left out.")
_PLANS = click.option("--plans", type=_FOLDER, help="Guideline folder; CDS_PLANS when left out.")


class _Group(click.Group):
    """Prints our errors as sentences and exits with 2: the command could not run."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CdsError as error:
            click.echo(f"cds-service: {error}", err=True)
            sys.exit(FAILED)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cds-service")
def main() -> None:
    """Clinical decision support for low back pain: CDS Hooks in, cards out."""


@main.command()
@click.option("--reload", is_flag=True, help="Put changed guidelines in force as they are saved.")
def serve(*, reload: bool) -> None:
    """Start the service under gunicorn (settings: CDS_* variables)."""
    from cds_service.web.server import serve as start  # noqa: PLC0415 - only this command needs it

    start(config.from_environment(), reload=reload)


def _call_options(command: Any) -> Any:
    """The arguments that `call` and `explain` share."""
    for option in reversed(
        (
            click.argument("service_id"),
            click.argument("request_file", metavar="REQUEST.json", type=_FILE),
            _NOW,
            click.option("--profile", type=click.Choice(PROFILES), help="Guideline profile."),
            click.option("--language", help="As in Accept-Language: en, de, nl, nb."),
            _PLANS,
        )
    ):
        command = option(command)
    return command


@main.command()
@_call_options
def call(service_id: str, request_file: Path, **options: Any) -> None:
    """Answer a hook request from a file; no server needed."""
    answer = _answer(service_id, request_file, traced=False, **options)
    _print_json(answer.response)


@main.command()
@_call_options
@click.option("--only", default="", metavar="TEXT", help="Only actions such as lbpR16.")
@click.option("--full", is_flag=True, help="Open every sub-expression.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def explain(
    service_id: str, request_file: Path, *, only: str, full: bool, as_json: bool, **options: Any
) -> None:
    """Say for each action of the plan why it did or did not fire."""
    answer = _answer(service_id, request_file, traced=True, **options)
    outcome = answer.outcome
    if as_json:
        _print_json(explanation.as_json(outcome))
    else:
        levels = sys.maxsize if full else explanation.LEVELS
        click.echo(explanation.as_text(outcome, only=only, levels=levels, language=answer.language))


@main.command(name="apply")
@click.argument("plan_reference", metavar="PLAN")
@click.option("--subject", required=True, help="Patient/id.")
@click.option("--data", "bundle_file", required=True, type=_FILE, help="Bundle with the chart.")
@_NOW
@_PLANS
def apply_plan(
    plan_reference: str, subject: str, bundle_file: Path, now: str | None, plans: Path | None
) -> None:
    """Apply a plan (id or canonical URL) to a chart and print the $apply Bundle."""
    settings = config.from_environment()
    library = _library(settings, plans)
    plan = library.plan(plan_reference)
    decision_id = uuid4()
    outcome = apply(
        plan,
        situation(
            library,
            Asked(subject, _read_json(bundle_file)),
            profile=settings.profile,
            now=_moment(now, settings),
            decision_id=decision_id,
        ),
    )
    _print_json(request_group.bundle(outcome, decision_id))


@main.command(name="fhirpath")
@click.argument("expression")
@click.argument("resource_file", metavar="RESOURCE.json", type=_FILE)
@_NOW
def evaluate(expression: str, resource_file: Path, now: str | None) -> None:
    """Evaluate a FHIRPath expression on a resource; one result per line."""
    program = fhirpath.compile(expression)
    moment = _moment(now, config.from_environment())
    for value in program(_read_json(resource_file), now=moment):
        if isinstance(value, (dict, list, str, bool)):
            _print_json(value)
        else:
            click.echo(str(value))


@main.command()
@click.argument("directory", metavar="DIR", type=_FOLDER)
def lint(directory: Path) -> None:
    """Check guideline files: everything wrong, each with file, line and column."""
    findings = linting.check(directory)
    lines = [*(f"warning: {item}" for item in findings.warnings), *map(str, findings.problems)]
    click.echo("\n".join(lines), nl=bool(lines))
    files = len(list(plan_library.guideline_files(directory)))
    told = f", {len(findings.warnings)} warnings" if findings.warnings else ""
    click.echo(f"{files} files, {len(findings.problems)} problems{told}")
    sys.exit(FOUND if findings.problems else 0)


@main.command()
@click.argument("directory", metavar="DIR", type=_FOLDER)
@click.option("-k", "wanted", default="", help="Only cases whose name or file holds this text.")
@click.option("-v", "--verbose", is_flag=True, help="Name the cases that pass as well.")
@click.option("--coverage", "mode", flag_value="coverage", help="Conditions never seen, by plan.")
@click.option("--mutate", "mode", flag_value="mutate", help="Changes that no case notices.")
@click.option("--plan", "only", multiple=True, help="Report or change only this plan or Library.")
@click.option("--jobs", default=os.cpu_count(), help="Worker processes of --mutate.")
@click.option("--sample", type=int, help="Try only so many mutants, chosen by --seed.")
@click.option("--seed", default=0, help="Which sample.")
@click.option("--at-least", default=95.0, help="Percent of mutants to be killed, for exit 0.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write it as a page.")
def test(directory: Path, wanted: str, *, verbose: bool, mode: str | None, **options: Any) -> None:
    """Run the cases beside the plans; count coverage, or try mutants of the plans."""
    settings = config.from_environment()
    library = plan_library.load(_content_root(directory))
    results, is_apart = [], mode is not None  # the report alone goes to standard output
    for result in case_running.run_all(directory, HookService(library), settings.zone, wanted):
        results.append(result)
        if verbose or not result.is_passed:
            mark = "pass" if result.is_passed else "FAIL"
            path = result.case.path.relative_to(directory)
            click.echo(f"{mark}  {path}  {result.case.name}", err=is_apart)
            click.echo(
                "".join(f"      {item}\n" for item in result.failures), nl=False, err=is_apart
            )
    failed = sum(not result.is_passed for result in results)
    click.echo(f"{len(results) - failed} cases passed, {failed} failed", err=is_apart)
    if failed or not results:
        sys.exit(FOUND)
    if mode == "coverage":
        seen = coverage.over(library, results, within=directory, only=options["only"])
        _report(coverage_report, seen, as_json=options["as_json"], html=options["html"])
        sys.exit(0 if seen.is_complete else FOUND)
    elif mode == "mutate":
        _report_mutation(library, directory, results, settings.zone, **options)


def _report(form: Any, found: Any, *, as_json: bool, html: Path | None) -> None:
    """Print a report as text or JSON in its form, and write its page where that is asked for."""
    if html is not None:
        html.write_text(form.html(found), encoding="utf-8")
    if as_json:
        _print_json(form.as_json(found))
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


@main.command(name="export")
@click.argument("plan_reference", metavar="PLAN")
@click.option("--inline-value-sets", is_flag=True, help="Codes instead of memberOf, where listed.")
@click.option("--self-contained", is_flag=True, help="Each condition defines its own variables.")
@_PLANS
def export_plan(
    plan_reference: str, *, inline_value_sets: bool, self_contained: bool, plans: Path | None
) -> None:
    """Print a plan (id or canonical URL) as plain FHIRPath, without our definitions."""
    library = _library(config.from_environment(), plans)
    exported = plain_plan.export(
        library.plan(plan_reference),
        library.content,
        inline_value_sets=inline_value_sets,
        self_contained=self_contained,
    )
    _print_json(exported)


# -- the store ------------------------------------------------------------------------------


@main.group()
def database() -> None:
    """Look after the database at CDS_DATABASE_URL."""


@database.command()
def current() -> None:
    """Print the version of the schema, and the newest one."""
    found = _store().database.version()
    click.echo(f"{found or 'no tables yet'} (this version's: {migration.head()})")


@database.command()
def upgrade() -> None:
    """Bring the schema to the newest version, as `serve` does at its start."""
    store = _store()
    store.prepare()
    click.echo(store.database.version())


@database.command()
@click.option("--days", type=click.IntRange(min=1), required=True, help="Keep this many days.")
def prune(days: int) -> None:
    """Delete decisions and feedback that are older."""
    before = datetime.now(UTC) - timedelta(days=days)
    for name, count in _store().prune(before).items():
        click.echo(f"{count} {name} deleted")


@main.group()
def decisions() -> None:
    """Read the decision log."""


@decisions.command(name="export")
def export_decisions() -> None:
    """Print every decision with its cards as one line of JSON."""
    for row in _store().decisions():
        click.echo(fhir_json.encode(row))


@main.group()
def feedback() -> None:
    """Read what users did with the cards."""


@feedback.command(name="export")
@click.option("--comments", is_flag=True, help="With the users' comments, which may name patients.")
def export_feedback(*, comments: bool) -> None:
    """Print every feedback event as one line of JSON."""
    for row in _store().feedback(comments=comments):
        click.echo(fhir_json.encode(row))


@feedback.command()
@click.option("--format", "form", type=click.Choice(["text", "csv", "svg"]), default="text")
def report(form: str) -> None:
    """Count acceptance and overrides per rule, month and reason."""
    counted = feedback_report.lines(_store().feedback())
    if form == "svg":
        from cds_service.authoring import feedback_plot  # noqa: PLC0415 - only this format needs it

        click.echo(feedback_plot.as_svg(counted))
    else:
        as_form = {"text": feedback_report.as_text, "csv": feedback_report.as_csv}[form]
        click.echo(as_form(counted), nl=form == "text")


main.add_command(guideline)
main.add_command(translations)


# -- small steps ----------------------------------------------------------------------------


def _answer(  # noqa: PLR0913 - the options of the command
    service_id: str,
    request_file: Path,
    *,
    now: str | None,
    profile: str | None,
    language: str | None,
    plans: Path | None,
    traced: bool,
) -> Answer:
    settings = config.from_environment()
    service = HookService(
        _library(settings, plans, traced=traced),
        reader=fhir_client.FhirReader(),
        deadline_s=settings.deadline_s,
        profile=settings.profile,
    )
    return service.call(
        service_id,
        _read_json(request_file),
        now=_moment(now, settings),
        decision_id=uuid4(),
        profile=profile,
        accept_language=language,
    )


def _store() -> Store:
    return Store(config.from_environment().database_url)


def _library(settings: Settings, plans: Path | None, *, traced: bool = False) -> PlanLibrary:
    return plan_library.load(plans or settings.plans, traced=traced)


def _content_root(directory: Path) -> Path:
    """The nearest folder at or above `directory` that holds a whole content, or `directory`."""
    for candidate in (directory.resolve(), *directory.resolve().parents):
        if (candidate / "shared").is_dir() and (candidate / "strategies").is_dir():
            return candidate
    return directory


def _moment(now: str | None, settings: Settings) -> datetime:
    if now is None:
        return datetime.now(settings.zone)
    try:
        return case_running.moment(now, settings.zone)
    except ValueError:
        raise click.BadParameter(f"'{now}' is not an ISO date or date-time") from None


def _read_json(path: Path) -> Any:
    return fhir_json.decode(path.read_bytes())


def _print_json(value: Any) -> None:
    click.echo(fhir_json.pretty(value))
