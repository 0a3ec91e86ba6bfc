"""The command line: parse arguments, call one function, print; exit 0, 1 (found something) or 2.

The edge: the clock is read and ids are made here, and nowhere below. A module for each group of
commands; this one puts them together, and loads the module of the command that is asked for.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from cds_service.errors import CdsError

if TYPE_CHECKING:
    from collections.abc import Mapping

FAILED = 2
"""Exit code: the command could not run."""

_COMMANDS: Mapping[str, str] = {
    "serve": "serve_command.serve",
    "call": "answer_commands.call",
    "explain": "answer_commands.explain",
    "apply": "answer_commands.apply_plan",
    "export": "answer_commands.export_plan",
    "fhirpath": "answer_commands.evaluate",
    "lint": "lint_command.lint",
    "test": "test_command.test",
    "case": "case_commands.case",
    "new": "new_commands.new",
    "diff": "diff_command.diff",
    "simulate": "simulate_command.simulate",
    "guideline": "guideline_command.guideline",
    "integration": "integration_command.integration",
    "conformance": "conformance_command.conformance",
    "translations": "translation_commands.translations",
    "database": "store_commands.database",
    "decisions": "decision_commands.decisions",
    "feedback": "store_commands.feedback",
}
"""Each command: its module here, and what it is called there."""


class _Group(click.Group):
    """Loads a command when it is asked for, so that `serve` starts without the authors' tools.

    Prints our errors as sentences and exits with 2: the command could not run.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(".")
        command: click.Command = getattr(import_module(f"{__name__}.{module}"), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CdsError as error:
            click.echo(f"cds-service: {error}", err=True)
            sys.exit(FAILED)
        except OSError as error:
            if error.filename is None:
                raise
            click.echo(f"cds-service: {error.filename}: {error.strerror}", err=True)
            sys.exit(FAILED)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cds-service")
def main() -> None:
    """Clinical decision support for low back pain: CDS Hooks in, cards out."""
