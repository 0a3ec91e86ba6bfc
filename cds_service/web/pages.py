"""What people and orchestrators open: the start page, `/health` and `/ready` (DISC-22, DISC-23)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, current_app, render_template, request

from cds_service import fhir_json
from cds_service.hooks.example_request import example_request
from cds_service.web.json_bodies import json_answer
from cds_service.web.reloading import RELOAD_PROBLEMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cds_service.config import Settings
    from cds_service.hooks.service import HookService
    from cds_service.store import Store

_CONTENT_SECURITY = (
    "default-src 'none'; style-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def blueprint(hooks: HookService, store: Store, settings: Settings) -> Blueprint:
    """The routes; clients reach us at `public_url`, else at the address of each request."""
    routes = Blueprint("pages", __name__)

    @routes.get("/", endpoint="page")
    def start() -> Response:
        """What runs here and how to call it, in plain words; no script."""
        base = settings.public_url or request.host_url.rstrip("/")
        services = [
            service | {"example": _example(service["hook"], service["prefetch"])}
            for service in hooks.overview()
        ]
        html = render_template(
            "index.html",
            base=base,
            services=services,
            profiles=hooks.profiles,
            profile=hooks.profile,
            workbench=settings.workbench,
        )
        return page(html)

    @routes.get("/health")
    def health() -> Response:
        """That the process answers; says nothing else (H3)."""
        return _state({"status": "up"})

    @routes.get("/ready")
    def ready() -> Response:
        """Whether calls and feedback can be answered now, and what is in the way.

        Content that was left out or cannot be evaluated is named and does not make the service
        unready: the other actions are judged.
        """
        library, store_problem = hooks.library, store.problem()
        content, services = library.content, list(library.services)
        is_ready = bool(services) and store_problem is None
        left_out = [item.id for item in content.left_out]
        problems = [
            *(str(item) for item in (*content.problems, *content.unsupported)),
            *([store_problem] if store_problem else []),
            *current_app.config.get(RELOAD_PROBLEMS, ()),
        ]
        state = {
            "ready": is_ready,
            "plans": len(content.plans),
            "services": services,
            "revision": library.revision,
            **({"left_out": left_out} if left_out else {}),
            "store": "away" if store_problem else "ready",
            "callers": "verified" if settings.tenants else "not verified",
            "discovery": settings.discovery,
            **({"problems": problems} if problems else {}),
        }
        return _state(state, status=200 if is_ready else 503)

    return routes


def page(html: str) -> Response:
    """HTML as an answer that loads nothing but our own styles."""
    response = Response(html, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = _CONTENT_SECURITY
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _state(state: dict[str, Any], *, status: int = 200) -> Response:
    response = json_answer(state, status=status)
    response.cache_control.no_store = True
    return response


def _example(hook: str, templates: Mapping[str, str]) -> str:
    return fhir_json.encode(example_request(hook, templates)).decode()
