"""What commands share: options, given files and folders, and JSON on standard output.

The clock is read here, and ids are made in the commands: nowhere below.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cds_service import config, fhir_json
from cds_service.authoring import cases
from cds_service.data import plan_library
from cds_service.errors import RequestError
from cds_service.store import Store

if TYPE_CHECKING:
    from cds_service.config import Settings
    from cds_service.data.plan_library import PlanLibrary

FOUND = 1
"""Exit code: the command found something."""


class _NewFile(click.Path):
    """A file to write; its folder must be there, before the work begins that fills it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if not path.parent.is_dir():
            self.fail(f"there is no folder '{path.parent}' to write it into", param, ctx)
        return path


FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
NEW_FILE = _NewFile(dir_okay=False)
GIVEN = click.Path(exists=True, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
NOW = click.option("--now", help="Evaluation date or date-time; the clock when left out.")
PLANS = click.option("--plans", type=FOLDER, help="Guideline folder; CDS_PLANS when left out.")


def open_library(settings: Settings, plans: Path | None, *, traced: bool = False) -> PlanLibrary:
    """The guidelines of `--plans`, or of the settings; `traced` for explanations."""
    return plan_library.load(plans or settings.plans, traced=traced, leave_out=settings.leaves_out)


def open_store() -> Store:
    """The store of the settings, closed when the command is over."""
    store = Store(config.from_environment().database_url)
    click.get_current_context().call_on_close(store.close)
    return store


def content_root(path: Path) -> Path:
    """The nearest folder at or above a file or folder that holds a whole content.

    Where there is none, the nearest that can hold guideline files, which a folder of cases is not.
    """
    directory = path if path.is_dir() else path.parent
    candidates = (directory, *directory.resolve().parents)
    for candidate in candidates:
        if (candidate / "shared").is_dir() and (candidate / "strategies").is_dir():
            return candidate
    return next(item for item in candidates if item.resolve().name not in plan_library.NOT_CONTENT)


def moment_of(now: str | None, settings: Settings) -> datetime:
    """The moment of `--now`, or the clock; raises BadParameter for what is no date."""
    if now is None:
        return datetime.now(settings.zone)
    try:
        return cases.moment(now, settings.zone)
    except ValueError:
        raise click.BadParameter(f"'{now}' is not an ISO date or date-time") from None


def read_json(path: Path) -> Any:
    """The value of a JSON file; raises RequestError saying where it is none."""
    try:
        return fhir_json.decode(path.read_bytes())
    except RequestError as error:
        message = f"{path}: {error.message}"
        raise RequestError(message, code=error.code, hint=error.hint, where=error.where) from None


def print_json(value: Any) -> None:
    """The value as indented JSON, on standard output."""
    click.echo(fhir_json.pretty(value))
