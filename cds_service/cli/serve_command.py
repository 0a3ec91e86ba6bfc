"""The command that starts the service: `cds-service serve`."""

from __future__ import annotations

import click

from cds_service import config


@click.command()
@click.option("--reload", is_flag=True, help="Put changed guidelines in force as they are saved.")
def serve(*, reload: bool) -> None:
    """Start the service under gunicorn (settings: CDS_* variables)."""
    from cds_service.web.server import serve as start  # noqa: PLC0415 - only this command needs it

    start(config.from_environment(), reload=reload)
