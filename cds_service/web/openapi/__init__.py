"""`/openapi.json`: our HTTP surface as an OpenAPI 3.1 document, made from what the service checks.

Request bodies come from the schemas of `hooks.schemas`, paths from the loaded services and the
tables of the FHIR face; `answers.json` holds what is answered, and the tests hold every answer
against it. The workbench is left out: its pages are for people.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, current_app

from cds_service.web import auth
from cds_service.web.cds_hooks import kept_for_a_while
from cds_service.web.json_bodies import json_answer
from cds_service.web.openapi.document import Surface, document

if TYPE_CHECKING:
    from cds_service.config import Settings
    from cds_service.hooks.service import HookService

__all__ = ["Surface", "blueprint", "document"]


def blueprint(hooks: HookService, settings: Settings) -> Blueprint:
    """The route; a tenant sees the services that it may call."""
    routes = Blueprint("openapi", __name__)

    @routes.get("/openapi.json")
    def openapi() -> Response:
        """The document; cacheable as discovery is, because it lists the same."""
        caller = auth.tenant()
        surface = Surface(
            services=tuple(
                service
                for service in hooks.library.services.values()
                if caller is None or caller.may_call(service.id)
            ),
            resources={
                str(source.resource["resourceType"]): source.canonical
                for source in hooks.library.content.sources
            },
            profiles=hooks.profiles,
            public_url=settings.public_url,
            verifies_callers=bool(current_app.extensions["tenants"]),
            protects_discovery=settings.discovery == "protected",
        )
        return kept_for_a_while(json_answer(document(surface)))

    return routes
