"""The schema of the database: which version it has, and how it gets the one of this package.

Migrations lie in `migrations/versions` and only ever add, so that the version before can go on with
what this one wrote. Owner of Alembic, which is imported when there is something to do.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Column, MetaData, Table, Text, inspect, select

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection

BASELINE = "0001"
"""The schema of the databases that were made before there were migrations."""

_FOLDER = Path(__file__).parent / "migrations"
_LOCK = 0x6C6270  # any number that is ours
_version = Table("alembic_version", MetaData(), Column("version_num", Text, primary_key=True))


def head() -> str:
    """The newest schema that this package knows."""
    return max(known())


def known() -> frozenset[str]:
    """The schemas that this package has a migration to, by their number."""
    names = (path.name for path in (_FOLDER / "versions").glob("v[0-9]*.py"))
    return frozenset(name[1:5] for name in names)


def current(connection: Connection) -> str | None:
    """The schema of this database; None when it has none of ours."""
    tables = inspect(connection)
    if tables.has_table(_version.name):
        return connection.execute(select(_version.c.version_num)).scalar()
    return BASELINE if tables.has_table("decision") else None


def upgrade(connection: Connection) -> None:
    """Bring the database to `head` inside the transaction of this connection.

    One process does it, others wait for it. A schema that is newer than this package is left as it
    is.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    at = current(connection)
    if at == head() or (at is not None and at not in known()):
        return
    from alembic import command  # noqa: PLC0415 - most starts have nothing to do

    config = _config(connection)
    if at == BASELINE and not inspect(connection).has_table(_version.name):
        command.stamp(config, BASELINE)
    command.upgrade(config, "head")


def touch(connection: Connection) -> None:
    """Write what stands there already: fails when nothing can be written, on a full disk too."""
    connection.execute(_version.update().values(version_num=_version.c.version_num))


def _config(connection: Connection) -> Config:
    from alembic.config import Config  # noqa: PLC0415 - see upgrade

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
