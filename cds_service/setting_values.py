"""What the text of a setting may be, what is made of it, and how it is printed."""

from __future__ import annotations

from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Callable


LEAST_SECRET_BYTES = 32
_POSTGRESQL = ("postgresql+psycopg", "postgresql")


class NotAllowed(ValueError):
    """A value is not allowed; the argument says what is."""


def path(value: str) -> Path:
    """A path, `~` for the home folder."""
    return Path(value).expanduser()


def one_of(*allowed: str) -> Callable[[str], str]:
    """Reads one of these words, in any case."""

    def parse(value: str) -> str:
        if value.lower() not in allowed:
            raise NotAllowed("one of " + ", ".join(allowed))
        return value.lower()

    return parse


def yes_or_no(value: str) -> bool:
    """Whether it says yes."""
    if value.lower() not in {"yes", "no", "1", "0"}:
        raise NotAllowed("yes or no (1 or 0)")
    return value.lower() in {"yes", "1"}


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Reads a whole number within these bounds."""

    def parse(value: str) -> int:
        if not (value.isascii() and value.isdigit() and least <= int(value[:12]) <= most):
            raise NotAllowed(f"a whole number from {least} to {most}")
        return int(value)

    return parse


def seconds(value: str) -> float:
    """Seconds, with fractions; more than 0 and at most 60."""
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 < number <= 60:
        raise NotAllowed("seconds, more than 0 and at most 60")
    return number


def address(value: str) -> str:
    """An IP address, or localhost."""
    try:
        return value if value == "localhost" else str(ip_address(value))
    except ValueError:
        raise NotAllowed("an IP address such as 127.0.0.1 or 0.0.0.0, or localhost") from None


def is_loopback(host: str) -> bool:
    """Whether only this host reaches the address, which `address` gave."""
    return host == "localhost" or ip_address(host).is_loopback


def zone(value: str) -> ZoneInfo:
    """A time zone by its IANA name."""
    try:
        return ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise NotAllowed("a name of the IANA time zone database, such as Europe/Oslo") from None


def database(value: str) -> str:
    """The URL of a database that the store can use, with the driver that it uses.

    `postgresql://…`, as the programs of PostgreSQL write it, is the same as `postgresql+psycopg://…`.
    """
    is_file = value.startswith("sqlite:///") and value.removeprefix("sqlite:///") not in {
        "",
        ":memory:",
    }
    scheme, _, rest = value.partition("://")
    is_server = scheme in _POSTGRESQL and bool(urlsplit(value).path.strip("/"))
    if not (is_file or is_server):
        raise NotAllowed(
            "sqlite:///folder/file.sqlite3 or postgresql://user:password@host/database"
        )
    if is_server and find_spec("psycopg") is None:
        raise NotAllowed(
            "a SQLite file, or else the driver for PostgreSQL be installed: "
            "pip install 'cds-service[postgresql]'"
        )
    return value if is_file else f"{_POSTGRESQL[0]}://{rest}"


def origins(value: str) -> tuple[str, ...]:
    """Origins of browsers, as they send them."""
    listed = tuple(value.replace(",", " ").split())
    for origin in listed:
        parts = urlsplit(origin)
        is_origin = parts.scheme in {"http", "https"} and parts.netloc and "*" not in origin
        if not is_origin or origin != f"{parts.scheme}://{parts.netloc.lower()}":
            raise NotAllowed(
                "origins as browsers send them, such as https://ehr.example.org, with commas "
                "between; without '*' and without a path"
            )
    return listed


def web_address(value: str) -> str:
    """An http or https URL, without a slash at the end."""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
        raise NotAllowed("the address that clients use, such as https://cds.example.org")
    return value.rstrip("/")


def fhir_base(value: str) -> str:
    """The base URL of a FHIR server, without a slash at the end."""
    try:
        return web_address(value)
    except NotAllowed:
        raise NotAllowed(
            "the base URL of a FHIR server, such as http://127.0.0.1:8081/fhir"
        ) from None


def secret(value: str) -> bytes:
    """A secret, as it is written."""
    if len(value.encode()) < LEAST_SECRET_BYTES:
        raise NotAllowed(f"a secret of at least {LEAST_SECRET_BYTES} bytes")
    return value.encode()


def masked(value: object) -> str:  # noqa: ARG001 - none of it is printed
    """What is printed for a secret."""
    return "***"


def masked_database(value: str) -> str:
    """The URL of a database without its password."""
    parts = urlsplit(value)
    if parts.password is None:
        return value
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}:***@{host}"))


def shown(value: Any) -> str:
    """A value as `serve` prints it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, tuple) else str(value)
