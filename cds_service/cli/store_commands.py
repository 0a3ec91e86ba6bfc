"""Commands of the store: `database` and `feedback`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from cds_service import fhir_json
from cds_service.authoring import feedback_report
from cds_service.cli.arguments import open_store
from cds_service.store import migration


@click.group()
def database() -> None:
    """Look after the database at CDS_DATABASE_URL."""


@database.command()
def current() -> None:
    """Print the version of the schema, and the newest one."""
    found = open_store().database.version()
    click.echo(f"{found or 'no tables yet'} (this version's: {migration.head()})")


@database.command()
def upgrade() -> None:
    """Bring the schema to the newest version, as `serve` does at its start."""
    store = open_store()
    store.prepare()
    click.echo(store.database.version())


@database.command()
@click.option("--days", type=click.IntRange(min=1), required=True, help="Keep this many days.")
def prune(days: int) -> None:
    """Delete decisions and feedback that are older."""
    before = datetime.now(UTC) - timedelta(days=days)
    for name, count in open_store().prune(before).items():
        click.echo(f"{count} {name} deleted")


@click.group()
def feedback() -> None:
    """Read what users did with the cards."""


@feedback.command(name="export")
@click.option("--comments", is_flag=True, help="With the users' comments, which may name patients.")
def export_feedback(*, comments: bool) -> None:
    """Print every feedback event as one line of JSON."""
    for row in open_store().feedback(comments=comments):
        click.echo(fhir_json.encode(row))


@feedback.command()
@click.option("--format", "form", type=click.Choice(["text", "csv", "svg"]), default="text")
def report(form: str) -> None:
    """Count acceptance and overrides per rule, month and reason."""
    store = open_store()
    counted = feedback_report.lines(store.feedback(), store.quieted(), store.shadowed())
    if form == "svg":
        from cds_service.authoring import feedback_plot  # noqa: PLC0415 - only this format needs it

        click.echo(feedback_plot.as_svg(counted))
    else:
        as_form = {"text": feedback_report.as_text, "csv": feedback_report.as_csv}[form]
        click.echo(as_form(counted), nl=form == "text")
