"""The CDS Hooks routes: discovery, service call and feedback, each also below a profile.

    GET  /cds-services                    POST /cds-services/<id>      …/<id>/feedback
    GET  /<profile>/cds-services          and so on

Here the clock is read and ids are made; what a call means is decided in `hooks`.
Sources: CDS Hooks 2.0.1, Discovery, Calling a CDS Service, Feedback; rows DISC, REQ-12…14, FB-16.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flask import Blueprint, Response, current_app, g, request

from cds_service.hooks import authorization
from cds_service.web import auth
from cds_service.web.json_bodies import json_answer, json_body
from cds_service.web.logs import elapsed_ms, note

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

    from cds_service.hooks.service import HookService
    from cds_service.store import CardRecord, Store

DISCOVERY_MAX_AGE_S = 300


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What answers the routes: the hook service, where decisions go, and the site's time zone.

    `moment` counts instead of the clock's (the workbench's calls on another day): calls are judged
    on it, and feedback is received then, so that an override quiets the next call of that day.
    """

    hooks: HookService
    store: Store
    zone: ZoneInfo
    moment: datetime | None = None

    def discovery(self, profile: str | None = None) -> Response:
        """The services; cacheable, because nothing in it depends on the request (DISC-21)."""
        return kept_for_a_while(json_answer(self.hooks.discovery(profile, tenant=auth.tenant())))

    def call(self, service_id: str, profile: str | None = None) -> Response:
        """The cards for one hook call. A decision that cannot be recorded does not fail it."""
        self._check(service_id, profile)
        body, tenant = json_body(), auth.tenant()
        if tenant is not None and authorization.is_for_another(body, tenant.client_ids):
            note(access_for="another client")
        answer = self.hooks.call(
            service_id,
            body,
            now=self.moment or datetime.now(self.zone),
            decision_id=g.decision_id,
            profile=profile,
            accept_language=request.headers.get("Accept-Language"),
            tenant=tenant,
        )
        decision = replace(answer.decision, milliseconds=elapsed_ms())
        note(
            profile=decision.profile,
            plan_revision=decision.plan_revision,
            hook_instance=decision.hook_instance,
            cards=len(answer.response["cards"]),
            rules=_rules(card for card in decision.cards if card.is_shown),
            quiet=_rules(card for card in decision.cards if card.quieted is not None),
            shadow=_rules(card for card in decision.cards if card.is_shadow),
            fetched=list(answer.data.fetched),
            unknown=list(answer.data.unavailable),
            recalled=answer.is_recalled,
            verdicts=dict(decision.verdicts),
            recorded=self.store.record(decision),
        )
        response = json_answer(answer.response)
        response.cache_control.no_store = True
        return response

    def feedback(self, service_id: str, profile: str | None = None) -> Response:
        """Nothing, after what users did is durable (FB-16, FB-17)."""
        self._check(service_id, profile)
        caller = auth.tenant()
        items = self.hooks.feedback(
            service_id,
            json_body(),
            received=self.moment or datetime.now(UTC),
            tenant=caller.id if caller else "",
        )
        note(items=items)
        response = Response(status=200)
        del response.headers["Content-Type"]
        return response

    def _check(self, service_id: str, profile: str | None) -> None:
        """Refuse an address that is not ours before looking at the message."""
        note(service=self.hooks.library.service(service_id).id)
        self.hooks.chosen(profile)


def kept_for_a_while(response: Response) -> Response:
    """What is the same until the guidelines change, for one caller where callers are known."""
    if current_app.extensions["tenants"]:
        response.vary.add("Authorization")
    if auth.tenant() is not None:
        response.cache_control.private = True
    response.cache_control.max_age = DISCOVERY_MAX_AGE_S
    response.add_etag()
    response.make_conditional(request)
    return response


def _rules(cards: Iterable[CardRecord]) -> list[str]:
    """The rules of these cards, card by card."""
    return [rule for card in cards for rule in card.rules]


def blueprint(endpoints: Endpoints) -> Blueprint:
    """The routes, plain and below a profile."""
    routes = Blueprint("cds-hooks", __name__)
    for start in ("", "/<profile>"):
        services = f"{start}/cds-services"
        service = f"{services}/<service_id>"
        routes.add_url_rule(services, view_func=endpoints.discovery, methods=["GET"])
        routes.add_url_rule(service, view_func=endpoints.call, methods=["POST"])
        routes.add_url_rule(f"{service}/feedback", view_func=endpoints.feedback, methods=["POST"])
    return routes
