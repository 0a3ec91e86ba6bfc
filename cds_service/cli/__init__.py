"""The command line: parse arguments, call one function, print; exit 0, 1 (found something) or 2.

The edge: the clock is read and ids are made here, and nowhere below. A module for each group of
commands; this one puts them together.
"""

from __future__ import annotations

import sys
from typing import Any

import click

from cds_service.cli import answer_commands, store_commands
from cds_service.cli.arguments import FAILED
from cds_service.cli.case_commands import case
from cds_service.cli.conformance_command import conformance
from cds_service.cli.decision_commands import decisions
from cds_service.cli.diff_command import diff
from cds_service.cli.guideline_command import guideline
from cds_service.cli.integration_command import integration
from cds_service.cli.lint_command import lint
from cds_service.cli.new_commands import new
from cds_service.cli.serve_command import serve
from cds_service.cli.simulate_command import simulate
from cds_service.cli.test_command import test
from cds_service.cli.translation_commands import translations
from cds_service.errors import CdsError


class _Group(click.Group):
    """Prints our errors as sentences and exits with 2: the command could not run."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CdsError as error:
            click.echo(f"cds-service: {error}", err=True)
            sys.exit(FAILED)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cds-service")
def main() -> None:
    """Clinical decision support for low back pain: CDS Hooks in, cards out."""


for command in (
    serve,
    answer_commands.call,
    answer_commands.explain,
    answer_commands.apply_plan,
    answer_commands.export_plan,
    answer_commands.evaluate,
    lint,
    test,
    case,
    new,
    diff,
    simulate,
    guideline,
    integration,
    conformance,
    translations,
    store_commands.database,
    decisions,
    store_commands.feedback,
):
    main.add_command(command)
