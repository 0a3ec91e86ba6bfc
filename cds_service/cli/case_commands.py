"""The commands for cases: `cds-service case new`."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from cds_service import config, fhir_json
from cds_service.authoring import cases
from cds_service.authoring.case_from_request import case_of
from cds_service.cli.arguments import FILE, NOW, PLANS, moment_of, open_library, read_json
from cds_service.errors import (
    CdsError,
    ContentError,
    RequestError,
    UnknownService,
    did_you_mean,
    short,
)
from cds_service.hooks.cards import rules_of
from cds_service.hooks.service import PROFILES, HookService

if TYPE_CHECKING:
    from collections.abc import Callable

    from cds_service.data.plan_library import PlanLibrary
    from cds_service.engine import Service
    from cds_service.hooks.service import Answer

_LONGEST_FILE_NAME = 200
UNNAMED = "Say in one sentence what this case shows"


@click.group()
def case() -> None:
    """Work on cases."""


@case.command()
@click.option("--from", "request_file", type=FILE, required=True, help="A CDS Hooks request.")
@click.option("--plan", "reference", help="Write it into the cases of this plan, such as R05.")
@click.option("--name", default=UNNAMED, help="The sentence that says what the case shows.")
@click.option("--profile", type=click.Choice(PROFILES), help="Guideline profile.")
@NOW
@PLANS
def new(request_file: Path, reference: str | None, name: str, **options: Any) -> None:
    """Make a case of a real request: the patient replaced, the verdict yours to state."""
    settings = config.from_environment()
    library = open_library(settings, options["plans"])
    name = name.strip() or UNNAMED
    path = None if reference is None else _path(library, reference, name)
    request, profile = read_json(request_file), options["profile"]
    service = _service(library, request)
    moment = moment_of(options["now"], settings)
    made = case_of(request, service, now=moment, name=name, profile=profile)
    if path is None:
        click.echo(fhir_json.pretty(made))
    else:
        path.parent.mkdir(exist_ok=True)
        path.write_text(fhir_json.pretty(made) + "\n", encoding="utf-8")
        click.echo(f"written: {path}", err=True)
    hooks = HookService(library, profile=settings.profile)
    trial = cases.Case(Path("case.json"), {**made, "expect": {}})
    proposed = _expectation(lambda: cases.answer_to(trial, hooks, settings.zone))
    click.echo("The service says this now. If the guideline asks for it, state it:", err=True)
    click.echo(fhir_json.pretty({"expect": proposed}), err=True)
    if proposed != _expectation(
        lambda: hooks.call(service.id, request, now=moment, decision_id=uuid4(), profile=profile)
    ):
        click.echo(
            "The request itself is answered otherwise (`cds-service call`): something that counted "
            "was a free text, a name or a time.",
            err=True,
        )


def _expectation(ask: Callable[[], Answer]) -> dict[str, Any]:
    """What the service says, in the form of `expect`."""
    try:
        cards = ask().response["cards"]
    except CdsError as error:
        return {"status": error.status}
    expected = [
        {"rule": rule, "indicator": card["indicator"]} for card in cards for rule in rules_of(card)
    ]
    return {"cards": expected, "only": True}


def _service(library: PlanLibrary, request: Any) -> Service:
    hook = request.get("hook") if isinstance(request, dict) else None
    for service in library.services.values():
        if service.hook == hook:
            return service
    known = sorted({item.hook for item in library.services.values()})
    hint = f"the hooks are: {', '.join(known)}"
    if not isinstance(hook, str):
        raise RequestError("this is no CDS Hooks request: it has no member 'hook'", hint=hint)
    hint = did_you_mean(hook, known) or hint
    raise UnknownService(f"no service answers the hook '{short(hook)}'", hint=hint)


def _path(library: PlanLibrary, reference: str, name: str) -> Path:
    """The file of the new case; raises ContentError where it is there or there is no such plan."""
    folders = {}
    for source in library.content.sources:
        if source.resource.get("resourceType") == "PlanDefinition":
            folder = (library.directory / source.file).parent
            folders[folder.name] = folders[str(source.resource.get("id"))] = folder
    if reference not in folders:
        hint = did_you_mean(reference, folders) or "name its folder, or the id of the plan"
        raise ContentError(f"there is no plan '{reference}'", code="case", hint=hint)
    slug = "" if name == UNNAMED else _slug(name)
    path = folders[reference] / "cases" / f"{slug or 'from-a-request'}.json"
    if path.exists():
        hint = "give the new case a sentence of its own with --name"
        raise ContentError(f"{path} is there already", code="case", hint=hint)
    return path


def _slug(sentence: str) -> str:
    """The sentence as a file name: Latin letters without their accents, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", sentence.lower()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:_LONGEST_FILE_NAME].strip("-")
