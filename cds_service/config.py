"""How this process is set up: `CDS_*` environment variables, read once into frozen settings.

The only reader of the environment. Every setting is one field below, with its variable, its default
and its meaning, and `documentation()` lists them. Everything wrong is told at once, as sentences.
"""

from __future__ import annotations

import os
from collections.abc import Callable  # noqa: TC003  get_type_hints needs it
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints
from urllib.parse import urlsplit, urlunsplit
from zoneinfo import ZoneInfo

from cds_service.errors import CdsError, did_you_mean
from cds_service.hooks.service import DEFAULT_PROFILE, PROFILES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PREFIX = "CDS_"


class ConfigError(CdsError):
    """Settings that cannot be used; the message names each variable and what is allowed."""

    default_code = "config"


class _NotAllowed(ValueError):
    """A value is not allowed; the argument says what is."""


def _path(value: str) -> Path:
    return Path(value).expanduser()


def _one_of(*allowed: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value.lower() not in allowed:
            raise _NotAllowed("one of " + ", ".join(allowed))
        return value.lower()

    return parse


def _yes_or_no(value: str) -> bool:
    if value.lower() not in {"yes", "no", "1", "0"}:
        raise _NotAllowed("yes or no (1 or 0)")
    return value.lower() in {"yes", "1"}


def _whole_number(least: int, most: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not (value.isascii() and value.isdigit() and least <= int(value[:12]) <= most):
            raise _NotAllowed(f"a whole number from {least} to {most}")
        return int(value)

    return parse


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= 60:
        raise _NotAllowed("seconds, more than 0 and at most 60")
    return seconds


def _address(value: str) -> str:
    try:
        return value if value == "localhost" else str(ip_address(value))
    except ValueError:
        raise _NotAllowed("an IP address such as 127.0.0.1 or 0.0.0.0, or localhost") from None


def _is_loopback(host: str) -> bool:
    return host == "localhost" or ip_address(host).is_loopback


def _zone(value: str) -> ZoneInfo:
    try:
        return ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise _NotAllowed("a name of the IANA time zone database, such as Europe/Oslo") from None


def _database(value: str) -> str:
    is_file = value.startswith("sqlite:///") and value.removeprefix("sqlite:///") not in {
        "",
        ":memory:",
    }
    is_server = value.startswith("postgresql+psycopg://") and bool(urlsplit(value).path.strip("/"))
    if not (is_file or is_server):
        raise _NotAllowed(
            "sqlite:///folder/file.sqlite3 or postgresql+psycopg://user:password@host/database"
        )
    return value


def _origins(value: str) -> tuple[str, ...]:
    origins = tuple(value.replace(",", " ").split())
    for origin in origins:
        parts = urlsplit(origin)
        is_origin = parts.scheme in {"http", "https"} and parts.netloc and "*" not in origin
        if not is_origin or origin != f"{parts.scheme}://{parts.netloc.lower()}":
            raise _NotAllowed(
                "origins as browsers send them, such as https://ehr.example.org, with commas "
                "between; without '*' and without a path"
            )
    return origins


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
        raise _NotAllowed("the address that clients use, such as https://cds.example.org")
    return value.rstrip("/")


def _masked_database(value: str) -> str:
    parts = urlsplit(value)
    if parts.password is None:
        return value
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}:***@{host}"))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


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
    show: Callable[[Any], str] = _shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of one process. Made by `load`; the annotations say what each is for."""

    host: Annotated[
        str,
        _Setting(
            "CDS_HOST",
            "127.0.0.1",
            _address,
            "Address to listen on: loopback only, unless `CDS_TENANTS` says who may call.",
        ),
    ]
    port: Annotated[
        int,
        _Setting(
            "CDS_PORT", "8080", _whole_number(0, 65535), "Port to listen on; 0 takes any free one."
        ),
    ]
    workers: Annotated[
        int, _Setting("CDS_WORKERS", "2", _whole_number(1, 64), "Processes that answer calls.")
    ]
    threads: Annotated[
        int,
        _Setting(
            "CDS_THREADS",
            "4",
            _whole_number(1, 256),
            "Calls that one process answers at the same time.",
        ),
    ]
    queue: Annotated[
        int,
        _Setting(
            "CDS_QUEUE",
            "16",
            _whole_number(0, 1000),
            "Calls that wait in one process when all threads are busy; further ones get 503.",
        ),
    ]
    plans: Annotated[
        Path,
        _Setting(
            "CDS_PLANS",
            None,
            _path,
            "Folder of the guideline content.",
            without="plan_definitions beside the package, else in the working directory",
        ),
    ]
    database_url: Annotated[
        str,
        _Setting(
            "CDS_DATABASE_URL",
            "sqlite:///var/cds.sqlite3",
            _database,
            "Where decisions and feedback are kept: a SQLite file or a PostgreSQL server.",
            show=_masked_database,
        ),
    ]
    profile: Annotated[
        str,
        _Setting(
            "CDS_PROFILE",
            DEFAULT_PROFILE,
            _one_of(*PROFILES),
            "Guideline profile of URLs that name none.",
        ),
    ]
    deadline_s: Annotated[
        float,
        _Setting(
            "CDS_DEADLINE_S",
            "2",
            _seconds,
            "Seconds that all FHIR reads of one call may take together.",
        ),
    ]
    tenants: Annotated[
        Path | None,
        _Setting(
            "CDS_TENANTS",
            None,
            _path,
            "File that says which clients may call, with their keys and FHIR servers.",
            without="no caller is verified",
        ),
    ]
    discovery: Annotated[
        str,
        _Setting(
            "CDS_DISCOVERY",
            "open",
            _one_of("open", "protected"),
            "Whether everybody may read the services and guidelines, or the tenants only.",
        ),
    ]
    open_fhir_servers: Annotated[
        bool,
        _Setting(
            "CDS_OPEN_FHIR_SERVERS",
            "no",
            _yes_or_no,
            "Whether a FHIR server is read for a client that sends no access token for it.",
        ),
    ]
    zone: Annotated[
        ZoneInfo,
        _Setting(
            "CDS_TIME_ZONE", "UTC", _zone, "Time zone of the site: it decides which day it is."
        ),
    ]
    cors_origins: Annotated[
        tuple[str, ...],
        _Setting(
            "CDS_CORS_ORIGINS",
            "",
            _origins,
            "Origins of browser clients, with commas between.",
            without="any port of localhost, for development",
        ),
    ]
    max_body_bytes: Annotated[
        int,
        _Setting(
            "CDS_MAX_BODY_BYTES",
            "5000000",
            _whole_number(1000, 100_000_000),
            "Largest request body; a larger one is refused with status 413.",
        ),
    ]
    log_level: Annotated[
        str,
        _Setting(
            "CDS_LOG_LEVEL",
            "info",
            _one_of("debug", "info", "warning", "error"),
            "Least serious event that is logged; every call is an info event.",
        ),
    ]
    public_url: Annotated[
        str | None,
        _Setting(
            "CDS_PUBLIC_URL",
            None,
            _web_address,
            "Address under which clients reach the service, for the start page.",
            without="the address of the request",
        ),
    ]
    workbench: Annotated[
        bool,
        _Setting(
            "CDS_WORKBENCH",
            "no",
            _yes_or_no,
            "Whether the workbench for authors and integrators is served; to this machine only.",
        ),
    ]
    workbench_patients: Annotated[
        Path,
        _Setting(
            "CDS_WORKBENCH_PATIENTS",
            None,
            _path,
            "Folder of the workbench's example patients, one Bundle in each file.",
            without="examples/patients beside the package, else in the working directory",
        ),
    ]

    @property
    def is_loopback(self) -> bool:
        """Whether only this host can call."""
        return _is_loopback(self.host)

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
    }
    for name, about in _settings().items():
        text = given.get(about.variable, about.default)
        try:
            values[name] = values.get(name) if text is None else about.parse(text)
        except _NotAllowed as allowed:
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
