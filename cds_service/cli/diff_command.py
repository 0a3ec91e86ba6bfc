"""The command that compares two versions of a guideline: `cds-service diff`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cds_service import config
from cds_service.authoring import plan_diff, revisions
from cds_service.cli.arguments import FOLDER, FOUND, print_json
from cds_service.errors import ContentError, UnknownService, counted, did_you_mean
from cds_service.versions import Versions, split

if TYPE_CHECKING:
    from cds_service.engine import Source


@click.command()
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW", required=False)
@click.option("--in", "directory", type=FOLDER, help="The folder when OLD or NEW is none itself.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def diff(old: str, new: str | None, directory: Path | None, *, as_json: bool) -> None:
    """Say in words what changed from OLD to NEW: folders, git revisions or versions of one folder.

    A version is url|version of a resource. Without NEW: what the folder says now; for a version,
    the one that the url alone names.
    """
    folder = directory or config.from_environment().plans
    if new is None:
        new = split(old)[0] if "://" in old else None
    sides = [_side(old, folder), _files(folder) if new is None else _side(new, folder)]
    changes = list(plan_diff.differences(sides[0].values(), sides[1].values()))
    if as_json:
        print_json([{"resource": item.name, "changes": list(item.sentences)} for item in changes])
    else:
        for item in changes:
            click.echo(item.name)
            for sentence in item.sentences:
                click.echo(f"  {sentence}")
        click.echo(f"{counted(len(changes), 'resource')} changed")
    sys.exit(FOUND if changes else 0)


def _side(name: str, folder: Path) -> dict[str, Source]:
    """The guideline of a folder of this name, else the folder as it was at this git revision.

    Of a canonical the one file that it names.
    """
    if "://" in name:
        return _version(name, folder)
    if not name.strip() or Path(name).is_file():
        raise click.UsageError(f"'{name}' is no folder, git revision or url|version of a resource")
    if Path(name).is_dir():
        return _files(Path(name))
    try:
        return revisions.at(name, folder)
    except ContentError as error:
        message = f"there is no folder '{name}', and {error.message}"
        raise ContentError(message, code=error.code, hint=error.hint) from None


def _files(folder: Path) -> dict[str, Source]:
    """The guideline of a folder; raises ContentError where there is none in it."""
    found = revisions.of_folder(folder)
    if not found:
        raise ContentError(f"there is no guideline file in the folder {folder}", code="no-folder")
    return found


def _version(canonical: str, folder: Path) -> dict[str, Source]:
    """The file of a folder that a canonical names; raises UnknownService."""
    files = revisions.of_folder(folder).values()
    versions = Versions((source.resource, source) for source in files)
    found = versions.find(canonical)
    if found is None:
        raise UnknownService(
            f"nothing with the url {canonical} is in {folder}",
            hint=versions.without(canonical) or did_you_mean(canonical, versions),
        )
    return {found.file: found}
