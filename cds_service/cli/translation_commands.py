"""The commands for translators: `cds-service translations export` and `import`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from cds_service import fhir_json
from cds_service.authoring import catalogue
from cds_service.cli.arguments import FILE, FOLDER
from cds_service.data import plan_library

if TYPE_CHECKING:
    from pathlib import Path

_LANGUAGE = click.option(
    "--language", required=True, type=click.Choice(catalogue.TRANSLATED), help="de, nl or nb."
)


@click.group()
def translations() -> None:
    """Texts out to a translator, and back into the guideline."""


@translations.command(name="export")
@_LANGUAGE
@click.argument("directory", metavar="DIR", type=FOLDER)
def export_catalogue(language: str, directory: Path) -> None:
    """Print the catalogue: every text once, with its translation or none."""
    content = plan_library.load(directory).content
    click.echo(fhir_json.pretty(catalogue.export(content, language)))


@translations.command(name="import")
@_LANGUAGE
@click.argument("catalogue_file", metavar="FILE", type=FILE)
@click.argument("directory", metavar="DIR", type=FOLDER)
def import_catalogue(language: str, catalogue_file: Path, directory: Path) -> None:
    """Write the translations of a catalogue into the files; refuse what does not fit."""
    read = fhir_json.decode_content(plan_library.text_of(catalogue_file), catalogue_file.name)
    imported = catalogue.load(plan_library.load(directory).content, read, language)
    for file, text in imported.files.items():
        (directory / file).write_text(text, encoding="utf-8")
    for problem in imported.problems:
        click.echo(str(problem))
    click.echo(
        f"translations written: {imported.written}, files: {len(imported.files)}, "
        f"refused: {len(imported.problems)}"
    )
    sys.exit(1 if imported.problems else 0)
