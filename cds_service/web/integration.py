"""The integration sheet as a page: served at `/integration`, or written to a file for one tenant.

Who the tenants are is not for everybody, so the open page is the same for all of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flask import Blueprint, Flask, Response, render_template, request, url_for

from cds_service.hooks import integration
from cds_service.web.pages import page

if TYPE_CHECKING:
    from cds_service.config import Settings
    from cds_service.data.plan_library import PlanLibrary
    from cds_service.hooks.integration import Sheet

_STYLESHEET = "page.css"


def blueprint(library: PlanLibrary, settings: Settings) -> Blueprint:
    """The route `/integration`."""
    routes = Blueprint("integration", __name__)

    @routes.get("/integration")
    def sheet() -> Response:
        """What an analyst types in to connect an EHR, without what concerns one tenant only."""
        base = settings.public_url or request.host_url.rstrip("/")
        facts = integration.sheet(library, base)
        stylesheet = url_for("static", filename=_STYLESHEET)
        return page(render_template("integration.html", sheet=facts, stylesheet=stylesheet))

    return routes


def standalone(sheet: Sheet) -> str:
    """The sheet as HTML that needs no server: its style stands in it."""
    app = Flask("cds_service.web")
    style = (Path(app.root_path) / "static" / _STYLESHEET).read_text(encoding="utf-8")
    with app.app_context():
        return render_template("integration.html", sheet=sheet, style=style)
