"""The Flask application: wires settings, guideline library, store and routes, nothing else."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flask import Flask
from flask_cors import CORS

from cds_service import tenants
from cds_service.data import plan_library
from cds_service.data.fhir_client import FhirReader
from cds_service.data.outbound import AllowList
from cds_service.errors import StoreUnavailable
from cds_service.hooks.languages import LANGUAGES
from cds_service.hooks.service import PROFILES, HookService
from cds_service.spans import UNTRACED
from cds_service.store import Retention, Store
from cds_service.web import (
    auth,
    cds_hooks,
    errors,
    fhir,
    integration,
    logs,
    metrics,
    openapi,
    pages,
    telemetry,
)
from cds_service.web.admission import Admission, Places

if TYPE_CHECKING:
    from typing import TextIO

    from flask import Response
    from structlog.typing import FilteringBoundLogger

    from cds_service.config import Settings
    from cds_service.data.plan_library import PlanLibrary
    from cds_service.spans import Tracer
    from cds_service.tenants import Tenant
    from cds_service.web.telemetry import OpenTelemetry

_ANY_LOCALHOST = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?\Z")
_PREFLIGHT_MAX_AGE_S = 600
_LONGEST_WAIT_S = 1.0  # with the answer half of what a FHIR read may take: worth waiting for
LENT_PLACES = 32
"""Calls of one process that may wait for FHIR servers beside those that are worked on."""


def create_app(
    settings: Settings,
    *,
    log: TextIO | None = None,
    traces: OpenTelemetry | None = None,
    library: PlanLibrary | None = None,
) -> Flask:
    """The service as a WSGI application; events go to `log`, standard error by default.

    Spans go to `traces`, where a site has them. A `library` is that of the settings' folder, loaded
    before.

    A database that does not answer now stops nothing: calls are answered, feedback is refused with
    503 and `/ready` says so, until it does. Holds no open connection, so that it may be forked.

    Raises:
        ContentErrors: the guideline content has problems and is to be refused then, or none of it
            can be used; all problems are listed.
        TenantsError: the tenants file has problems; all are listed.
    """
    logger = logs.make_logger(settings.log_level, log)
    library = library or plan_library.load(settings.plans, leave_out=settings.leaves_out)
    counts = metrics.Metrics()
    tracer = traces or UNTRACED

    store = _store(settings, counts, logger, tracer)
    known = trusted(settings, library)
    places = Places(settings.threads, lent=LENT_PLACES)
    hooks = HookService(
        library,
        reader=_reader(places, tracer=tracer, allow_open_servers=settings.open_fhir_servers),
        deadline_s=settings.deadline_s,
        store=store,
        profile=settings.profile,
        readers={tenant.id: _reader_for(tenant, places, tracer) for tenant in known},
        keeps_requests=settings.keep_requests,
        tracer=tracer,
    )
    app = Flask(__name__)
    app.extensions["store"] = store
    app.extensions["left_out"] = tuple(str(problem) for problem in library.content.problems)
    app.extensions["tenants"] = known
    app.config["MAX_BODY_BYTES"] = settings.max_body_bytes
    # One byte more is read: a body in chunks would else be cut at the limit, not refused.
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes + 1
    app.url_map.strict_slashes = False  # served with and without, never redirected (DISC-24)
    app.url_map.merge_slashes = False
    logs.attach(app, logger)
    if traces is not None:
        telemetry.attach(app, traces)
    errors.register(app)
    if known:
        protects = settings.discovery == "protected"
        gate = auth.Gate(known, store.seen_tokens, protects_discovery=protects)
        app.before_request(gate.check)
    app.after_request(_protect)
    _let_pages_call(app, settings)
    app.register_blueprint(cds_hooks.blueprint(cds_hooks.Endpoints(hooks, store, settings.zone)))
    app.register_blueprint(fhir.blueprint(library, settings))
    app.register_blueprint(pages.blueprint(hooks, store, settings))
    app.register_blueprint(integration.blueprint(library, settings))
    app.register_blueprint(openapi.blueprint(hooks, settings))
    if settings.workbench:
        from cds_service.web import workbench  # noqa: PLC0415  brings the tools of authors along

        workbench.attach(app, hooks, store, settings)
    app.register_blueprint(metrics.blueprint(counts))
    admission = Admission(
        app.wsgi_app,
        places=places,
        queue=settings.queue,
        wait_s=_LONGEST_WAIT_S,
        refused=counts.refused,
    )
    app.wsgi_app = admission  # type: ignore[method-assign]
    app.extensions["admission"] = admission
    return app


def trusted(settings: Settings, library: PlanLibrary) -> tuple[Tenant, ...]:
    """The tenants of the site; none where no caller is verified."""
    if settings.tenants is None:
        return ()
    names = tenants.Known(PROFILES, LANGUAGES, tuple(library.services), settings.is_loopback)
    return tenants.read(settings.tenants, names)


def _store(
    settings: Settings, counts: metrics.Metrics, logger: FilteringBoundLogger, tracer: Tracer
) -> Store:
    """The site's store, with the newest schema if the database answers."""

    def lost(decisions: int) -> None:
        counts.unrecorded(decisions)
        logger.error("decisions lost", count=decisions)

    store = Store(
        settings.database_url,
        on_lost=lost,
        pseudonym_key=settings.pseudonym_key,
        keep=_retention(settings),
        tracer=tracer,
    )
    try:
        store.prepare()
    except StoreUnavailable as problem:
        logger.warning("no store yet", problem=problem.message)
    return store


def _retention(settings: Settings) -> Retention | None:
    """How long the store keeps things; None where it deletes nothing by itself."""
    if settings.retention_days is None:
        return None
    return Retention(settings.retention_days, lambda: datetime.now(UTC))


def _reader_for(tenant: Tenant, places: Places, tracer: Tracer) -> FhirReader:
    """A reader of the FHIR servers of one tenant, and of no other."""
    return _reader(
        places,
        AllowList(tenant.fhir_servers),
        tracer=tracer,
        ca_bundle=tenant.ca_bundle,
        allow_open_servers=tenant.reads_without_token,
    )


def _reader(places: Places, guard: AllowList | None = None, **options: Any) -> FhirReader:
    """A reader that tells the log when it does not read the server of a call, or reads in vain.

    A call that waits for its server lends its place to another one.
    """
    return FhirReader(
        guard,
        on_refusal=lambda why: logs.note(fhir_server_refused=why),
        on_failure=lambda why: logs.note(fhir_server_failed=why),
        while_waiting=places.lent,
        **options,
    )


def _let_pages_call(app: Flask, settings: Settings) -> None:
    """Answer preflights, and say which pages may read what is answered (CORS-4)."""
    CORS(
        app,
        origins=_origins(settings),
        methods=["GET", "POST", "OPTIONS"],
        allow_headers=[
            "Accept",
            "Accept-Language",
            "Authorization",
            "Content-Type",
            "If-None-Match",
            "Prefer",
        ],
        max_age=_PREFLIGHT_MAX_AGE_S,
        always_send=False,
        vary_header=False,
    )


def _origins(settings: Settings) -> list[str | re.Pattern[str]]:
    """The pages that may call (CORS-4): those that the site names.

    A site that names none, and verifies no caller, is one that is tried on this machine: any page
    of localhost. Where patients are, a page is let in by name only (J1).
    """
    if settings.cors_origins or settings.tenants is not None:
        return list(settings.cors_origins)
    return [_ANY_LOCALHOST]


def _protect(response: Response) -> Response:
    """Headers that every answer carries; CORS depends on Origin also where it sends nothing."""
    response.vary.add("Origin")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault(
        "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"
    )
    return response
