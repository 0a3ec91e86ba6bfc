"""The workbench: pages for guideline authors and integrators, on this machine only.

Off unless `CDS_WORKBENCH` says yes. Its pages show what production does and evaluate nothing of
their own: every card and every verdict comes from `HookService.call`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, request

from cds_service.web.workbench import (
    access,
    bench,
    case_list,
    edit,
    feedback,
    guidelines,
    problems,
    try_it,
)
from cds_service.web.workbench.bench import Bench
from cds_service.web.workbench.patients import Patients
from cds_service.web.workbench.traced import Traced

if TYPE_CHECKING:
    from flask import Flask

    from cds_service.config import Settings
    from cds_service.hooks.service import HookService
    from cds_service.store import Store

PREFIX = "/workbench"


def attach(app: Flask, hooks: HookService, store: Store, settings: Settings) -> None:
    """Add the workbench to the application, where the settings want it."""
    shared = Bench(
        hooks=hooks,
        traced=Traced(hooks),
        store=store,
        settings=settings,
        patients=Patients(settings.workbench_patients),
    )
    pages = Blueprint("workbench", __name__)
    pages.before_request(bench.recognise)
    pages.before_request(access.refuse_strangers)
    pages.before_request(_only_our_pages_post)
    pages.after_request(bench.remember)
    pages.after_request(access.protect)
    problems.register(pages, shared)
    pages.register_blueprint(try_it.routes(shared))
    pages.register_blueprint(guidelines.routes(shared))
    pages.register_blueprint(case_list.routes(shared))
    pages.register_blueprint(edit.routes(shared))
    pages.register_blueprint(feedback.routes(shared))
    app.register_blueprint(pages, url_prefix=PREFIX)
    another_day = try_it.on_another_day(shared)
    another_day.before_request(access.refuse_strangers)
    app.register_blueprint(another_day, url_prefix=f"{PREFIX}/at")


def _only_our_pages_post() -> Response | None:
    if request.method != "GET":
        access.refuse_other_sites()
    return None
