"""The pages of the reference that are made from the code: commands, settings, the FHIRPath API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cds_service import cli, config, fhirpath

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def write(folder: Path, decisions: Path) -> None:
    """Write all generated pages into `folder`; a page that is the same stays untouched."""
    folder.mkdir(exist_ok=True)
    pages = {
        "commands.md": _commands(),
        "settings.md": _settings(),
        "fhirpath.md": _fhirpath(),
        "decisions.md": _decisions(decisions),
    }
    for name, lines in pages.items():
        text = "\n".join(lines) + "\n"
        page = folder / name
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def _commands() -> Iterator[str]:
    yield "# Commands"
    yield ""
    yield "`cds-service COMMAND --help` says the same."
    yield "Exit 0: well; 1: found something; 2: could not run."
    yield from _command(cli.main, "cds-service")


def _command(command: click.Command, path: str) -> Iterator[str]:
    context = click.Context(command, info_name=path)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            if (below := command.get_command(context, name)) is not None:
                yield from _command(below, f"{path} {name}")
        return
    arguments = " ".join(command.collect_usage_pieces(context))
    yield f"\n## {path}\n"
    yield f"```\n{path} {arguments}\n```\n"
    yield (command.help or "").strip()
    options = [item for item in command.params if isinstance(item, click.Option) and item.help]
    if options:
        yield "\n| option | |\n| --- | --- |"
    for option in options:
        yield f"| `{', '.join((*option.opts, *option.secondary_opts))}` | {option.help} |"


def _settings() -> Iterator[str]:
    yield "# Settings"
    yield ""
    yield "Environment variables. `cds-service serve` prints those in force."
    yield "\n| variable | without it | meaning |\n| --- | --- | --- |"
    for row in config.documentation():
        yield f"| `{row.variable}` | {row.default} | {row.meaning} |"


def _fhirpath() -> Iterator[str]:
    yield "# FHIRPath"
    yield ""
    yield (fhirpath.__doc__ or "").strip()
    yield "\n```{eval-rst}\n.. currentmodule:: cds_service.fhirpath\n"
    for name in sorted(fhirpath.__all__):
        kind = _kind(getattr(fhirpath, name))
        yield f".. auto{kind}:: {name}"
        if kind == "class":
            yield "   :members:"
        yield ""
    yield "```"


def _kind(value: object) -> str:
    if isinstance(value, type):
        return "class"
    return "function" if callable(value) else "data"


def _decisions(folder: Path) -> Iterator[str]:
    yield "# Decisions"
    yield "\n```{toctree}\n:maxdepth: 1\n"
    for page in sorted(folder.glob("*.md")):
        yield f"../decisions/{page.stem}"
    yield "```"
