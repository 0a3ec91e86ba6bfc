"""Commands of the decision log: `cds-service decisions`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from cds_service import config, fhir_json
from cds_service.authoring import replay
from cds_service.cli.arguments import FOUND, PLANS, open_library, open_store, print_json

if TYPE_CHECKING:
    from pathlib import Path


@click.group()
def decisions() -> None:
    """Read the decision log, and take kept decisions again."""


@decisions.command()
@click.option("--requests", is_flag=True, help="With the kept requests, which are patient data.")
def export(*, requests: bool) -> None:
    """Print every decision with its cards as one line of JSON."""
    for row in open_store().decisions(requests=requests):
        click.echo(fhir_json.encode(row))


@decisions.command()
@click.argument("decision_id", metavar="ID")
def request(decision_id: str) -> None:
    """Print what was asked, for `call`, `explain` and `case new`; patient data."""
    row = open_store().decision(decision_id)
    if row is None:
        raise click.BadParameter("there is no such decision; `decisions export` lists them all")
    if "request" not in row:
        raise click.BadParameter("its request was not kept; CDS_KEEP_REQUESTS keeps later ones")
    print_json(row["request"])
    options = {"now": row["at"], "profile": row["profile"], "language": row["language"]}
    told = " ".join(f"--{name} {value}" for name, value in options.items())
    click.echo(f"cds-service call {row['service']} REQUEST.json {told}", err=True)


@decisions.command(name="replay")
@PLANS
def take_again(plans: Path | None) -> None:
    """Take every decision with a kept request again; say where other cards come of it."""
    settings = config.from_environment()
    store = open_store()
    library = open_library(settings, plans)
    count = different = 0
    for again in replay.replay(store.decisions(requests=True), library, store, settings.zone):
        count += 1
        if not again.is_same:
            different += 1
            click.echo(again)
    click.echo(f"{count} decisions taken again, {different} not as they were")
    sys.exit(FOUND if different else 0)
