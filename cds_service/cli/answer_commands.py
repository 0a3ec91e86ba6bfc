"""Commands that evaluate: `call`, `explain`, `apply`, `fhirpath`; and `export` of a plan."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from cds_service import config, fhirpath
from cds_service.authoring import case_request, cases, explanation_page
from cds_service.cli.arguments import (
    FILE,
    NEW_FILE,
    NOW,
    PLANS,
    moment_of,
    open_library,
    print_json,
    read_json,
)
from cds_service.cli.colour import print_coloured
from cds_service.data import fhir_client
from cds_service.engine import apply, explanation, request_group
from cds_service.engine import export as plain_plan
from cds_service.errors import did_you_mean, short
from cds_service.hooks.chart import Asked, situation
from cds_service.hooks.service import PROFILES, HookService
from cds_service.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from cds_service.data.plan_library import PlanLibrary
    from cds_service.engine import Outcome
    from cds_service.hooks.service import Answer


def _call_options(command: Any) -> Any:
    """The arguments that `call` and `explain` share."""
    for option in reversed(
        (
            click.argument("service_id"),
            click.argument("request_file", metavar="REQUEST.json", type=FILE),
            NOW,
            click.option("--profile", type=click.Choice(PROFILES), help="Guideline profile."),
            click.option("--language", help="As in Accept-Language: en, de, nl, nb."),
            click.option("--quieting", is_flag=True, help="With overrides from CDS_DATABASE_URL."),
            PLANS,
        )
    ):
        command = option(command)
    return command


@click.command()
@_call_options
def call(
    service_id: str, request_file: Path, *, plans: Path | None, quieting: bool, **options: Any
) -> None:
    """Answer a hook request from a file; no server needed.

    SERVICE_ID is that of a service, or `url|version` of a strategy, in force or not.
    """
    library, service_id = _chosen(plans, service_id, request_file, traced=False)
    hooks = _hooks(library, quieting=quieting)
    answer = _answer(hooks, service_id, request_file, **options)
    print_json(answer.response)


@click.command()
@_call_options
@click.option("--only", default="", metavar="TEXT", help="Only actions such as lbpR16.")
@click.option("--full", is_flag=True, help="Open every sub-expression.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
@click.option("--html", type=NEW_FILE, metavar="FILE", help="Write the tree as a page.")
def explain(  # noqa: PLR0913 - the options of the command
    service_id: str,
    request_file: Path,
    *,
    only: str,
    full: bool,
    as_json: bool,
    html: Path | None,
    plans: Path | None,
    quieting: bool,
    **options: Any,
) -> None:
    """Say for each action of the plan why it did or did not fire.

    SERVICE_ID is that of a service, or `url|version` of a strategy, in force or not.
    """
    library, service_id = _chosen(plans, service_id, request_file, traced=True)
    hooks = _hooks(library, quieting=quieting)
    answer = _answer(hooks, service_id, request_file, **options)
    outcome, language = answer.outcome, answer.language
    _check_only(only, outcome)
    if html is not None:
        keys = library.service(service_id).prefetch
        page = explanation_page.html(outcome, language=language, keys=keys, only=only)
        html.write_text(page, encoding="utf-8")
    elif as_json:
        print_json(explanation.as_json(outcome, only))
    else:
        levels = sys.maxsize if full else explanation.LEVELS
        text = explanation.as_text(outcome, only=only, levels=levels, language=language)
        print_coloured(text)


def _check_only(only: str, outcome: Outcome) -> None:
    """Raises BadParameter where no action was judged that has the text in its path."""
    if any(explanation.leads_to(item, only) for item in outcome.actions):
        return
    plans = [plan.id for plan in outcome.plan.reached_plans()]
    if any(only.lower() in plan.lower() for plan in plans):
        hint = "something above it was not met: leave --only out to see what"
    else:
        names = {name for item in outcome.walk() for name in item.path.split("/")} | {*plans}
        hint = did_you_mean(only, names) or "leave --only out to see all"
    message = f"no action with '{short(only)}' in its path was judged; {hint}"
    raise click.BadParameter(message, param_hint="--only")


@click.command(name="apply")
@click.argument("plan_reference", metavar="PLAN")
@click.option("--subject", required=True, help="Patient/id.")
@click.option("--data", "bundle_file", required=True, type=FILE, help="Bundle with the chart.")
@NOW
@PLANS
def apply_plan(
    plan_reference: str, subject: str, bundle_file: Path, now: str | None, plans: Path | None
) -> None:
    """Apply a plan (id, url or url|version) to a chart and print the $apply Bundle."""
    settings = config.from_environment()
    library = open_library(settings, plans)
    plan = library.plan(plan_reference)
    decision_id = uuid4()
    outcome = apply(
        plan,
        situation(
            library,
            Asked(subject, read_json(bundle_file)),
            profile=settings.profile,
            now=moment_of(now, settings),
            decision_id=decision_id,
        ),
    )
    print_json(request_group.bundle(outcome, decision_id))


@click.command(name="fhirpath")
@click.argument("expression")
@click.argument("resource_file", metavar="RESOURCE.json", type=FILE)
@NOW
def evaluate(expression: str, resource_file: Path, now: str | None) -> None:
    """Evaluate a FHIRPath expression on a resource; one result per line."""
    program = fhirpath.compile(expression)
    moment = moment_of(now, config.from_environment())
    found = program(read_json(resource_file), now=moment)
    for value in found:
        if isinstance(value, (dict, list, str, bool)):
            print_json(value)
        else:
            click.echo(str(value))
    if isinstance(found, fhirpath.Incomplete):
        click.echo(
            "Not all of the answer is known: what it depends on is not all in this file.", err=True
        )


@click.command(name="export")
@click.argument("plan_reference", metavar="PLAN")
@click.option("--inline-value-sets", is_flag=True, help="Codes instead of memberOf, where listed.")
@click.option("--self-contained", is_flag=True, help="Each condition defines its own variables.")
@PLANS
def export_plan(
    plan_reference: str, *, inline_value_sets: bool, self_contained: bool, plans: Path | None
) -> None:
    """Print a plan (id, url or url|version) as plain FHIRPath, without our definitions."""
    library = open_library(config.from_environment(), plans)
    exported = plain_plan.export(
        library.plan(plan_reference),
        library.content,
        inline_value_sets=inline_value_sets,
        self_contained=self_contained,
    )
    print_json(exported)


def _hooks(library: PlanLibrary, *, quieting: bool) -> HookService:
    """The services as the settings have them."""
    settings = config.from_environment()
    store = Store(settings.database_url, pseudonym_key=settings.pseudonym_key) if quieting else None
    if store is not None:
        click.get_current_context().call_on_close(store.close)
        store.prepare()  # a call that finds it away goes on as if nothing were quiet
    return HookService(
        library,
        reader=fhir_client.FhirReader(),
        deadline_s=settings.deadline_s,
        profile=settings.profile,
        store=store,
    )


def _chosen(
    plans: Path | None, service_id: str, request_file: Path, *, traced: bool
) -> tuple[PlanLibrary, str]:
    """The guidelines and the id of the service; a canonical puts what it names in force there."""
    library = open_library(config.from_environment(), plans, traced=traced)
    if service_id in library.services or "/" not in service_id:
        return library, service_id
    request = read_json(request_file)
    hook = request.get("hook") if isinstance(request, dict) else None
    library = library.with_strategy(service_id, hook)
    return library, next(iter(library.services))


def _answer(
    hooks: HookService,
    service_id: str,
    request_file: Path,
    *,
    now: str | None,
    profile: str | None,
    language: str | None,
) -> Answer:
    """The answer to a request, or to the request that a case describes, as the case has it."""
    asked = read_json(request_file)
    if isinstance(asked, dict) and "expect" in asked:
        case = cases.read(request_file)
        hooks = cases.service_for(case, hooks)
        chosen = hooks.library.service(service_id)
        case_request.check_keys(case.json, chosen, str(request_file))
        asked = case_request.request_of(case.json, chosen)
        now, language = now or case.now, language or case.language
        profile = profile or case.json.get("profile")
    return hooks.call(
        service_id,
        asked,
        now=moment_of(now, config.from_environment()),
        decision_id=uuid4(),
        profile=profile,
        accept_language=language,
    )
