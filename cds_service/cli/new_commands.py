"""The command that starts a recommendation: `cds-service new recommendation`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from cds_service import config
from cds_service.authoring import scaffold
from cds_service.cli.arguments import NOW, PLANS, moment_of, open_library

if TYPE_CHECKING:
    from pathlib import Path

REVIEWED_FOR = timedelta(days=365)


@click.group()
def new() -> None:
    """Start something new in a guideline."""


@new.command()
@click.argument("identity", metavar="ID")
@click.option("--topic", required=True, help="The folder it goes into, such as imaging.")
@click.option("--title", required=True, help="What the card says first, under 140 characters.")
@click.option("--hook", default="patient-view", help="The hook whose strategy shows it.")
@click.option("--source", default=scaffold.SOURCE, help="The citation, with its year.")
@NOW
@PLANS
def recommendation(
    identity: str, topic: str, *, now: str | None, plans: Path | None, **told: str
) -> None:
    """Make a folder with plan, order, value set, cases and README that lints and passes."""
    for value, name in ((identity, "ID"), (topic, "--topic")):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,40}", value):
            message = f"'{value}' is more than letters, digits and hyphens"
            raise click.BadParameter(message, param_hint=name)
    settings = config.from_environment()
    library = open_library(settings, plans)
    today = moment_of(now, settings).date()
    start = scaffold.Start(
        identity,
        topic,
        title=told["title"].strip().rstrip("."),
        hook=told["hook"],
        today=today,
        until=today + REVIEWED_FOR,
        source=told["source"],
    )
    for file, text in scaffold.files(start, library).items():
        path = library.directory / file
        is_new = not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        click.echo(f"{'written' if is_new else 'changed'} {file}")
