"""Reads the tenants file: TOML, strictly, with everything wrong told at once and its place.

The entries and what they mean are one table below, `_ENTRIES`; `docs/operations.md` follows it.
"""

from __future__ import annotations

import re
import tomllib
from itertools import combinations
from typing import TYPE_CHECKING, Any

from cds_service.errors import CdsError, Where, counted, did_you_mean
from cds_service.tenants import entries
from cds_service.tenants.entries import Site, Wrong
from cds_service.tenants.tenant import LONGEST_TOKEN_LIFE_S, Tenant
from cds_service.tenants.toml_places import nearest, places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from cds_service.tenants.entries import Known

_TENANT_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?")
_SYNTAX_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


class TenantsError(CdsError):
    """A tenants file that cannot be used; the text holds every problem with its place."""

    default_code = "tenants"


def read(path: Path, known: Known) -> tuple[Tenant, ...]:
    """The tenants of a file, at least one.

    Raises:
        TenantsError: the file cannot be read, or entries are missing, unknown or not allowed.
    """
    text = _text(path)
    document = _document(text, path)
    reading = _Reading(path, places(text), Site(path.parent, known))
    tenants = reading.tenants(document)
    if reading.problems:
        count = len(reading.problems)
        listed = "\n".join(reading.problems)
        raise TenantsError(f"{counted(count, 'problem')} in the tenants\n{listed}")
    return tenants


_ENTRIES: Mapping[str, tuple[str, Callable[[Any, Site], Any]]] = {
    "issuers": ("issuers", entries.issuers),
    "audience": ("audience", entries.audience),
    "more_audiences": ("more_audiences", entries.texts),
    "jwks_urls": ("key_urls", entries.endpoints),
    "jwks_file": ("keys", entries.key_file),
    "jwks": ("keys", entries.key_set),
    "algorithms": ("algorithms", entries.algorithms),
    "token_life_s": ("token_life_s", entries.whole_number(60, LONGEST_TOKEN_LIFE_S)),
    "token_tenants": ("token_tenants", entries.texts),
    "subjects": ("subjects", entries.texts),
    "client_ids": ("client_ids", entries.texts),
    "fhir_servers": ("fhir_servers", entries.endpoints),
    "reads_without_token": ("reads_without_token", entries.yes_or_no),
    "ca_bundle": ("ca_bundle", entries.authorities),
    "profile": ("profile", entries.profile),
    "language": ("language", entries.language),
    "client_profile": ("client_profile", entries.client_profile),
    "services": ("services", entries.services),
    "order_codes": ("order_codes", entries.order_codes),
    "demo": ("is_demo", entries.demo),
}
"""Entry of the file → field of the tenant, and what makes its value."""

_REQUIRED = ("issuers", "audience")
_KEYS = ("jwks_urls", "jwks_file", "jwks")


class _Reading:
    """One pass over a file; collects what is wrong."""

    def __init__(self, path: Path, found: Mapping[Any, Any], site: Site) -> None:
        self.problems: list[str] = []
        self._path = path
        self._places = found
        self._site = site

    def tenants(self, document: Mapping[str, Any]) -> tuple[Tenant, ...]:
        for name in document:
            if name != "tenants":
                self._problem((name,), f"there is no entry '{name}'", "the file holds [tenants.…]")
        tables = document.get("tenants")
        if not isinstance(tables, dict) or not tables:
            self._problem(("tenants",), "there is no tenant", "add a table [tenants.<id>]")
            return ()
        found = [self._tenant(name, table) for name, table in tables.items()]
        tenants = tuple(tenant for tenant in found if tenant is not None)
        self._check_shared_issuers(tenants)
        return tenants

    def _tenant(self, name: str, table: object) -> Tenant | None:
        place = ("tenants", name)
        if not _TENANT_ID.fullmatch(name):
            self._problem(place, "the id of a tenant has small letters, digits and hyphens")
        if not isinstance(table, dict):
            self._problem(place, "a tenant is a table", f"write [tenants.{name}]")
            return None
        before = len(self.problems)
        self._check_presence(place, table)
        site = self._site.with_demo(table.get("demo"))
        fields: dict[str, Any] = {}
        for entry, value in table.items():
            if entry not in _ENTRIES:
                hint = did_you_mean(entry, _ENTRIES) or "the entries are " + ", ".join(_ENTRIES)
                self._problem((*place, entry), f"there is no entry '{entry}'", hint)
                continue
            field, parse = _ENTRIES[entry]
            try:
                fields[field] = parse(value, site)
            except* Wrong as wrong:
                for item in wrong.exceptions:
                    self._wrong((*place, entry), item)
        return Tenant(id=name, **fields) if len(self.problems) == before else None

    def _wrong(self, place: tuple[str, ...], wrong: Exception) -> None:
        hint = wrong.hint if isinstance(wrong, Wrong) else None
        self._problem(place, f"{place[-1]} {wrong}", hint)

    def _check_presence(self, place: tuple[str, ...], table: Mapping[str, Any]) -> None:
        for entry in _REQUIRED:
            if entry not in table:
                self._problem(place, f"{entry} is missing")
        if not any(entry in table for entry in _KEYS):
            self._problem(place, "the tenant has no keys", f"add one of {', '.join(_KEYS)}")
        if "jwks_file" in table and "jwks" in table:
            self._problem((*place, "jwks"), "there is a jwks_file as well", "keep one of the two")

    def _check_shared_issuers(self, tenants: Iterable[Tenant]) -> None:
        """One token must not be able to mean two tenants."""
        for tenant, other in combinations(tenants, 2):
            shared = sorted(set(tenant.issuers) & set(other.issuers))
            claims = set(tenant.token_tenants), set(other.token_tenants)
            if shared and not (all(claims) and claims[0].isdisjoint(claims[1])):
                self._problem(
                    ("tenants", other.id, "issuers"),
                    f"the tenant '{tenant.id}' has the issuer {shared[0]} too",
                    "tell them apart by token_tenants, different in each",
                )

    def _problem(self, place: tuple[str, ...], message: str, hint: str | None = None) -> None:
        line, column = nearest(self._places, place) or (None, None)
        where = Where(str(self._path), ".".join(place), line, column)
        self.problems.append(f"{where}: {message}{f'; {hint}' if hint else ''}")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TenantsError(
            f"the tenants file cannot be read ({type(error).__name__})",
            hint="CDS_TENANTS names a TOML file in UTF-8",
            where=Where(str(path)),
        ) from None


def _document(text: str, path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _SYNTAX_PLACE.search(str(error))
        numbers = [int(number) for number in place.groups() if number] if place else []
        what = _SYNTAX_PLACE.sub("", str(error))
        where = Where(str(path), None, *numbers)
        raise TenantsError(f"this is not usable TOML: {what}", where=where) from None
