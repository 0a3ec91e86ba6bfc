"""The command that holds any CDS service against CDS Hooks: `cds-service conformance`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from cds_service import conformance as kit
from cds_service import fhir_json
from cds_service.cli.arguments import FILE, FOUND, GIVEN, NEW_FILE
from cds_service.conformance import report
from cds_service.conformance.signing import read_signer

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.argument("url")
@click.option("--request", "requests", multiple=True, type=GIVEN, help="Hook call, or a folder.")
@click.option("--header", "headers", multiple=True, metavar="NAME:VALUE", help="Sent always.")
@click.option("--key", type=FILE, help="Private JWK that signs a token for each request.")
@click.option("--issuer", help="The `iss` of those tokens.")
@click.option("--jku", help="The `jku` of those tokens; none when left out.")
@click.option("--origin", default=kit.LOCAL_PAGE, help="Page that a browser would call for.")
@click.option("--ca", type=FILE, help="PEM file of the authority behind the service's TLS.")
@click.option("--format", "form", type=click.Choice(["text", "json", "html"]), default="text")
@click.option("--output", type=NEW_FILE, help="File to write; standard output when left out.")
def conformance(  # noqa: PLR0913, PLR0917  one parameter for each option
    url: str,
    requests: tuple[Path, ...],
    headers: tuple[str, ...],
    key: Path | None,
    issuer: str | None,
    jku: str | None,
    origin: str,
    ca: Path | None,
    form: str,
    output: Path | None,
) -> None:
    """Hold the CDS service at URL (the address before /cds-services) against CDS Hooks 2.0.1."""
    if (key is None) != (issuer is None):
        raise click.UsageError("--key and --issuer go together: a token needs both")
    base = url.rstrip("/").removesuffix("/cds-services")
    signer = read_signer(key, issuer, jku) if key and issuer else None
    client = kit.Client(base, dict(_header(item) for item in headers), signer, origin, ca)
    calls = [fhir_json.decode(path.read_bytes()) for path in _files(requests)]
    results = kit.check_all(kit.observe(client, [call for call in calls if "hook" in call]))
    written = _written(results, base, form)
    if output is None:
        click.echo(written)
    else:
        output.write_text(written + "\n", encoding="utf-8")
        click.echo(f"{output}: {report.verdict(results)}")
    sys.exit(FOUND if any(result.breaks for result in results) else 0)


def _written(results: tuple[kit.Result, ...], base: str, form: str) -> str:
    if form == "json":
        return fhir_json.encode(report.as_json(results, base)).decode()
    return report.html(results, base) if form == "html" else report.text(results, base)


def _files(given: tuple[Path, ...]) -> list[Path]:
    return [
        file
        for path in given
        for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])
    ]


def _header(given: str) -> tuple[str, Any]:
    name, sign, value = given.partition(":")
    if not sign or not name.strip():
        raise click.BadParameter(f"'{given}' is not NAME:VALUE", param_hint="--header")
    return name.strip(), value.strip()
