"""The command for those who connect an EHR: `cds-service integration`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cds_service import config
from cds_service.cli.arguments import NEW_FILE, PLANS, open_library
from cds_service.errors import did_you_mean
from cds_service.hooks import integration as sheets

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.argument("tenant", required=False)
@click.option("--output", type=NEW_FILE, required=True, help="The HTML file to write.")
@PLANS
def integration(tenant: str | None, output: Path, plans: Path | None) -> None:
    """Write the integration sheet as one HTML file, for TENANT of the tenants file or for all."""
    from cds_service.web import trusted  # noqa: PLC0415 - flask is slow to load
    from cds_service.web.integration import standalone  # noqa: PLC0415

    settings = config.from_environment()
    library = open_library(settings, plans)
    tenants = {item.id: item for item in trusted(settings, library)}
    if tenant is not None and tenant not in tenants:
        known = ", ".join(tenants) or "none, as CDS_TENANTS names no file"
        hint = did_you_mean(tenant, tenants) or f"the tenants are: {known}"
        raise click.BadParameter(f"there is no tenant '{tenant}'; {hint}")
    chosen = tenants[tenant] if tenant else None
    base = (
        chosen.audience
        if chosen
        else settings.public_url or f"http://{settings.host}:{settings.port}"
    )
    output.write_text(standalone(sheets.sheet(library, base, chosen)), encoding="utf-8")
    click.echo(f"{output}: open it in a browser; print it from there")
