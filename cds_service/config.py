"""How this process is set up: `CDS_*` environment variables, read once into frozen settings.

The only reader of the environment. Every setting is one field below, with its variable, its default
and its meaning, and `documentation()` lists them. Everything wrong is told at once, as sentences.
"""

from __future__ import annotations

import os
from collections.abc import Callable  # noqa: TC003  get_type_hints needs it
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints
from zoneinfo import ZoneInfo  # noqa: TC003  get_type_hints needs it

from cds_service import setting_values
from cds_service.errors import CdsError, did_you_mean
from cds_service.hooks.service import DEFAULT_PROFILE, PROFILES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PREFIX = "CDS_"
_COLLECTOR = "OTEL_EXPORTER_OTLP_ENDPOINT"  # OpenTelemetry reads it itself


class ConfigError(CdsError):
    """Settings that cannot be used; the message names each variable and what is allowed."""

    default_code = "config"


def _beside(name: str) -> Path:
    """The folder beside the package, as in the repository; else the one where we were started."""
    beside = Path(__file__).resolve().parent.parent / name
    return beside if beside.is_dir() else Path(name)


@dataclass(frozen=True, slots=True)
class _Setting:
    """What there is to know about one setting.

    Attributes:
        default: written as in the environment.
        without: what it means to have no value, where the default alone does not say.
        show: how a value is printed.
    """

    variable: str
    default: str | None
    parse: Callable[[str], Any]
    meaning: str
    without: str | None = None
    show: Callable[[Any], str] = setting_values.shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of one process. Made by `load`; the annotations say what each is for."""

    host: Annotated[
        str,
        _Setting(
            "CDS_HOST",
            "127.0.0.1",
            setting_values.address,
            "Address to listen on: loopback only, unless `CDS_TENANTS` says who may call.",
        ),
    ]
    port: Annotated[
        int,
        _Setting(
            "CDS_PORT",
            "8080",
            setting_values.whole_number(0, 65535),
            "Port to listen on; 0 takes any free one.",
        ),
    ]
    workers: Annotated[
        int,
        _Setting(
            "CDS_WORKERS", "2", setting_values.whole_number(1, 64), "Processes that answer calls."
        ),
    ]
    threads: Annotated[
        int,
        _Setting(
            "CDS_THREADS",
            "2",
            setting_values.whole_number(1, 256),
            "Calls that one process answers at the same time.",
        ),
    ]
    queue: Annotated[
        int,
        _Setting(
            "CDS_QUEUE",
            "32",
            setting_values.whole_number(0, 1000),
            "Calls that wait in one process when all threads are busy; further ones get 503.",
        ),
    ]
    plans: Annotated[
        Path,
        _Setting(
            "CDS_PLANS",
            None,
            setting_values.path,
            "Folder of the guideline content.",
            without="plan_definitions beside the package, else in the working directory",
        ),
    ]
    broken_guidelines: Annotated[
        str,
        _Setting(
            "CDS_BROKEN_GUIDELINES",
            "leave-out",
            setting_values.one_of("leave-out", "refuse"),
            "Whether a start leaves out the guidelines that have problems, or is refused.",
        ),
    ]
    database_url: Annotated[
        str,
        _Setting(
            "CDS_DATABASE_URL",
            "sqlite:///var/cds.sqlite3",
            setting_values.database,
            "Where decisions and feedback are kept: a SQLite file or a PostgreSQL server.",
            show=setting_values.masked_database,
        ),
    ]
    pseudonym_key: Annotated[
        bytes | None,
        _Setting(
            "CDS_PSEUDONYM_KEY",
            None,
            setting_values.secret,
            "Secret with which patients and users are hashed in the store; 32 bytes or more.",
            without="a random one, kept in the database",
            show=setting_values.masked,
        ),
    ]
    retention_days: Annotated[
        int | None,
        _Setting(
            "CDS_RETENTION_DAYS",
            None,
            setting_values.whole_number(1, 36_500),
            "Days after which decisions and feedback are deleted, by themselves, once a day.",
            without="kept until somebody deletes them",
        ),
    ]
    keep_requests: Annotated[
        bool,
        _Setting(
            "CDS_KEEP_REQUESTS",
            "no",
            setting_values.yes_or_no,
            "Whether requests, which are patient data, are kept with their decisions.",
        ),
    ]
    profile: Annotated[
        str,
        _Setting(
            "CDS_PROFILE",
            DEFAULT_PROFILE,
            setting_values.one_of(*PROFILES),
            "Guideline profile of URLs that name none.",
        ),
    ]
    deadline_s: Annotated[
        float,
        _Setting(
            "CDS_DEADLINE_S",
            "2",
            setting_values.seconds,
            "Seconds that all FHIR reads of one call may take together.",
        ),
    ]
    tenants: Annotated[
        Path | None,
        _Setting(
            "CDS_TENANTS",
            None,
            setting_values.path,
            "File that says which clients may call, with their keys and FHIR servers.",
            without="no caller is verified",
        ),
    ]
    discovery: Annotated[
        str,
        _Setting(
            "CDS_DISCOVERY",
            "open",
            setting_values.one_of("open", "protected"),
            "Whether everybody may read the services and guidelines, or the tenants only.",
        ),
    ]
    open_fhir_servers: Annotated[
        bool,
        _Setting(
            "CDS_OPEN_FHIR_SERVERS",
            "no",
            setting_values.yes_or_no,
            "Whether a FHIR server is read for a client that sends no access token for it.",
        ),
    ]
    zone: Annotated[
        ZoneInfo,
        _Setting(
            "CDS_TIME_ZONE",
            "UTC",
            setting_values.zone,
            "Time zone of the site: it decides which day it is.",
        ),
    ]
    cors_origins: Annotated[
        tuple[str, ...],
        _Setting(
            "CDS_CORS_ORIGINS",
            "",
            setting_values.origins,
            "Origins of browser clients, with commas between.",
            without="any port of localhost while no caller is verified; none with `CDS_TENANTS`",
        ),
    ]
    max_body_bytes: Annotated[
        int,
        _Setting(
            "CDS_MAX_BODY_BYTES",
            "5000000",
            setting_values.whole_number(1000, 100_000_000),
            "Largest request body; a larger one is refused with status 413.",
        ),
    ]
    log_level: Annotated[
        str,
        _Setting(
            "CDS_LOG_LEVEL",
            "info",
            setting_values.one_of("debug", "info", "warning", "error"),
            "Least serious event that is logged; every call is an info event.",
        ),
    ]
    public_url: Annotated[
        str | None,
        _Setting(
            "CDS_PUBLIC_URL",
            None,
            setting_values.web_address,
            "Address under which clients reach the service, for the start page.",
            without="the address of the request",
        ),
    ]
    telemetry: Annotated[
        bool | None,
        _Setting(
            "CDS_TELEMETRY",
            None,
            setting_values.yes_or_no,
            "Whether traces are sent to an OpenTelemetry collector; needs the extra `telemetry`.",
            without="yes where `OTEL_EXPORTER_OTLP_ENDPOINT` is set and the extra is installed",
        ),
    ]
    workbench: Annotated[
        bool,
        _Setting(
            "CDS_WORKBENCH",
            "no",
            setting_values.yes_or_no,
            "Whether the workbench for authors and integrators is served; to this machine only.",
        ),
    ]
    workbench_edit: Annotated[
        bool,
        _Setting(
            "CDS_WORKBENCH_EDIT",
            "no",
            setting_values.yes_or_no,
            "Whether the workbench may write an edited plan into the folder of the guidelines.",
        ),
    ]
    workbench_patients: Annotated[
        Path,
        _Setting(
            "CDS_WORKBENCH_PATIENTS",
            None,
            setting_values.path,
            "Folder of the workbench's example patients, one Bundle in each file.",
            without="examples/patients beside the package, else in the working directory",
        ),
    ]
    workbench_fhir: Annotated[
        str | None,
        _Setting(
            "CDS_WORKBENCH_FHIR",
            None,
            setting_values.fhir_base,
            "FHIR server whose patients the workbench offers first.",
            without="its example patients",
        ),
    ]

    @property
    def is_loopback(self) -> bool:
        """Whether only this host can call."""
        return setting_values.is_loopback(self.host)

    @property
    def leaves_out(self) -> bool:
        """Whether guidelines that have problems are left out, and the others are in force."""
        return self.broken_guidelines == "leave-out"

    def effective(self) -> str:
        """One `NAME=value` line per setting, as in force, with passwords masked."""
        values = {name: getattr(self, name) for name in _settings()}
        return "\n".join(
            f"{about.variable}={about.show(values[name])}"
            for name, about in _settings().items()
            if values[name] is not None
        )


@dataclass(frozen=True, slots=True)
class Documented:
    """One setting as the documentation shows it."""

    variable: str
    default: str
    meaning: str


def documentation() -> Iterator[Documented]:
    """Every setting in the order of the fields; the docs' table is checked against this."""
    for about in _settings().values():
        yield Documented(about.variable, about.without or about.default or "", about.meaning)


def from_environment() -> Settings:
    """The settings of this process's environment; raises as `load` does."""
    return load(os.environ)


def load(environ: Mapping[str, str]) -> Settings:
    """Settings from `CDS_*` variables; a blank variable counts as not set.

    Raises:
        ConfigError: unknown `CDS_*` names and values that are not allowed, all of them at once.
    """
    given = {
        name: value.strip()
        for name, value in environ.items()
        if name.startswith(_PREFIX) and value.strip()
    }
    known = [about.variable for about in _settings().values()]
    problems = [_unknown(name, known) for name in given if name not in known]
    values: dict[str, Any] = {
        "plans": _beside("plan_definitions"),
        "workbench_patients": _beside("examples/patients"),
        "telemetry": None if environ.get(_COLLECTOR, "").strip() else False,
    }
    for name, about in _settings().items():
        text = given.get(about.variable, about.default)
        try:
            values[name] = values.get(name) if text is None else about.parse(text)
        except setting_values.NotAllowed as allowed:
            problems.append(f"{about.variable} must be {allowed}")
    problems += () if problems else _trust_problems(Settings(**values))
    if problems:
        raise ConfigError("; ".join(problems))
    return Settings(**values)


def _trust_problems(settings: Settings) -> Iterator[str]:
    """Settings that are right by themselves and together let somebody in."""
    if settings.tenants is None and not settings.is_loopback:
        yield (
            "CDS_HOST must be a loopback address (127.0.0.1, ::1 or localhost), because callers "
            "are not verified; name the clients in a file and set CDS_TENANTS"
        )
    if settings.tenants is None and settings.discovery == "protected":
        yield "CDS_DISCOVERY=protected needs CDS_TENANTS, which says who may read it"
    if settings.keep_requests and settings.retention_days is None:
        yield "CDS_KEEP_REQUESTS needs CDS_RETENTION_DAYS: after them patient data is deleted"
    if settings.tenants is not None and settings.workbench:
        yield "CDS_WORKBENCH must be no with CDS_TENANTS: its pages do not verify their callers"
    if settings.tenants is not None and settings.open_fhir_servers:
        yield "CDS_OPEN_FHIR_SERVERS must be no with CDS_TENANTS: a tenant says it for its servers"


def _settings() -> dict[str, _Setting]:
    """What stands beside each field of `Settings`, by field name."""
    hints = get_type_hints(Settings, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items()}


def _unknown(name: str, known: list[str]) -> str:
    hint = did_you_mean(name, known) or "the settings are " + ", ".join(known)
    return f"there is no setting {name}: {hint}"
