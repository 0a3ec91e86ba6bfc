"""The command for readers: `cds-service guideline`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cds_service.authoring.guideline import document
from cds_service.cli.arguments import FOLDER
from cds_service.data import plan_library

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.argument("directory", metavar="DIR", type=FOLDER)
def guideline(directory: Path) -> None:
    """Print the whole guideline in words, as Markdown."""
    click.echo(document(plan_library.load(directory)), nl=False)
