"""The command that tries a guideline on a cohort: `cds-service simulate`."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cds_service import config
from cds_service.authoring import revisions
from cds_service.cli.arguments import FOLDER, GIVEN, NEW_FILE, content_root
from cds_service.data import plan_library
from cds_service.hooks.service import PROFILES, HookService
from cds_service.simulation import cohort as cohorts
from cds_service.simulation import evaluation, local_engine, report, visits
from cds_service.simulation import result as results

if TYPE_CHECKING:
    from datetime import datetime

    from cds_service.simulation.evaluation import Judge, Judgement

LEAST_KEY_BYTES = 16
_SNOMED_CT = "http://snomed.info/sct"
_DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.argument("plans", metavar="PLANS", type=FOLDER)
@click.option("--cohort", required=True, type=GIVEN, help="NDJSON or Bundles: a folder or a file.")
@click.option("--against", metavar="OLD", help="Compare with this folder or git revision.")
@click.option("--from", "first", type=_DAY, help="First day that counts.")
@click.option("--to", "last", type=_DAY, help="Last day that counts.")
@click.option("--on", type=_DAY, help="One visit of everybody on this day, not those recorded.")
@click.option("--hook", "hooks", multiple=True, type=click.Choice(visits.HOOKS), help="Only this.")
@click.option("--profile", type=click.Choice(PROFILES), help="CDS_PROFILE when left out.")
@click.option("--specialty", metavar="SYSTEM|CODE", help="Of the user; SNOMED CT by default.")
@click.option("--drop-undated", is_flag=True, help="Data without a date are in no chart.")
@click.option("--engine", type=click.Choice(["local", "spark"]), default="local")
@click.option("--workers", type=click.IntRange(min=1), help="Processes; all cores by default.")
@click.option("--pseudonym-key", type=GIVEN, help="File with the key; random by default.")
@click.option("--format", "form", type=click.Choice(report.FORMATS), default="table")
@click.option("--output", type=NEW_FILE, help="File to write; standard output when left out.")
def simulate(  # noqa: PLR0913, PLR0917  one parameter for each option
    plans: Path,
    cohort: Path,
    against: str | None,
    first: datetime | None,
    last: datetime | None,
    on: datetime | None,
    hooks: tuple[str, ...],
    profile: str | None,
    specialty: str | None,
    drop_undated: bool,  # noqa: FBT001  a flag of the command line
    engine: str,
    workers: int | None,
    pseudonym_key: Path | None,
    form: str,
    output: Path | None,
) -> None:
    """Try the guideline in PLANS on a cohort: who would have got which card, and how often."""
    if form == report.PARQUET and output is None:
        raise click.UsageError("a Parquet file needs a name: add --output")
    if on is not None and (first or last):
        raise click.UsageError("--on judges a day of its own: leave out --from and --to")
    if first and last and last < first:
        raise click.UsageError("--to is before --from: no day is left to judge")
    settings = config.from_environment()
    scope = evaluation.Scope(
        zone=settings.zone,
        key=_key(pseudonym_key),
        period=visits.Period(first.date() if first else None, last.date() if last else None),
        on=visits.end_of_day(on.date(), settings.zone) if on else None,
        hooks=hooks or visits.HOOKS,
        profile=profile or settings.profile,
        keeps_undated=not drop_undated,
        specialty=_coded(specialty) if specialty else None,
    )
    judge = evaluation.Judge(
        HookService(plan_library.load(content_root(plans))),
        scope,
        _older(against, content_root(plans)) if against else None,
    )
    judged, strangers = _judged(judge, cohort, engine, workers)
    result = results.of(
        judged,
        revision=judge.service.library.revision,
        against=against,
        strangers=strangers,
    )
    if output is None:
        click.echo(report.TEXTS[form](result), nl=False)
    else:
        report.write(result, form, output)
        click.echo(f"{output}: {result.tally.calls} calls")


def _coded(specialty: str) -> tuple[str, str]:
    """System and code, told as FHIR searches tell a token: `system|code` or `code`."""
    system, bar, code = specialty.rpartition("|")
    if not code or (bar and not system):
        raise click.UsageError(
            f"--specialty '{specialty}' names no code of a system: write SYSTEM|CODE, or the code "
            "alone where it is of SNOMED CT"
        )
    return system or _SNOMED_CT, code


def _key(path: Path | None) -> bytes:
    """The key in a file, or a random one for this run."""
    if path is None:
        return secrets.token_bytes(2 * LEAST_KEY_BYTES)
    key = path.read_bytes().strip()
    if len(key) < LEAST_KEY_BYTES:
        raise click.UsageError(
            f"the key in {path} is shorter than {LEAST_KEY_BYTES} bytes; make a longer one"
        )
    return key


def _older(against: str, plans: Path) -> HookService:
    """The revision to compare with: a folder of that name, else the git revision of `plans`."""
    if Path(against).is_dir():
        return HookService(plan_library.load(content_root(Path(against))))
    sources = revisions.at(against, plans)
    return HookService(plan_library.of_sources(plans, list(sources.values())))


def _judged(
    judge: Judge, place: Path, engine: str, workers: int | None
) -> tuple[list[Judgement], int]:
    """Every patient, judged; and how many had to be left out."""
    files = cohorts.files_of(place)
    if engine == "spark":
        from cds_service.simulation import spark_engine  # noqa: PLC0415 - only this engine needs it

        return spark_engine.judge_all(judge, files, workers=workers)
    with _bar(len(files), "reading") as bar:
        cohort = cohorts.index(files, judge.kinds, lambda _: bar.update(1))
    with _bar(len(cohort.patients), "patients") as bar:
        judged = local_engine.judge_all(
            judge, cohort, workers=workers or os.cpu_count() or 1, note=bar.update
        )
    return judged, cohort.strangers


def _bar(length: int, label: str) -> Any:
    """A progress bar, where somebody looks at it."""
    is_seen = sys.stderr.isatty()
    return click.progressbar(length=length, label=label, file=sys.stderr, hidden=not is_seen)
