"""The command for readers: `cds-service guideline`."""

from __future__ import annotations

from pathlib import Path

import click

from cds_service.authoring.guideline import document
from cds_service.data import plan_library

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("directory", metavar="DIR", type=_FOLDER)
def guideline(directory: Path) -> None:
    """Print the whole guideline in words, as Markdown."""
    click.echo(document(plan_library.load(directory)), nl=False)
