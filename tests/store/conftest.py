"""A database for each test: a SQLite file, and a database of a PostgreSQL server of this run."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy

from cds_service.store import Store


def _program(name):
    """A program of PostgreSQL: Debian's packages keep them out of the search path."""
    beside = sorted(str(folder) for folder in Path("/usr/lib/postgresql").glob("*/bin"))
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(reversed(beside)))


@pytest.fixture(scope="session")
def postgresql_server():
    """A PostgreSQL server of this test run, where the programs for one are there."""
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    if not (initdb and pg_ctl):
        pytest.skip("initdb and pg_ctl are not installed")
    who: dict = {}
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if os.geteuid() == 0:  # the server refuses to run as root
            who = {"user": "postgres", "group": "postgres", "extra_groups": []}
            shutil.chown(folder, "postgres", "postgres")

        def run(*command):
            quiet = subprocess.DEVNULL  # a pipe would stay open as long as the server runs
            subprocess.run(command, check=True, cwd=folder, stdout=quiet, stderr=quiet, **who)

        data = folder / "data"
        options = f"-c listen_addresses='' -k {folder}"
        run(initdb, "-A", "trust", "-U", "cds", "-D", data)
        run(pg_ctl, "-D", data, "-o", options, "-l", folder / "log", "-w", "start")
        yield f"postgresql+psycopg://cds@/{{}}?host={folder}"
        run(pg_ctl, "-D", data, "-m", "immediate", "stop")


@pytest.fixture(scope="session")
def postgresql_database(postgresql_server):
    """Makes an empty database and gives its URL."""
    names = (f"cds{number}" for number in count())
    server = sqlalchemy.create_engine(
        postgresql_server.format("postgres"), isolation_level="AUTOCOMMIT"
    )

    def make() -> str:
        name = next(names)
        with server.connect() as connection:
            connection.exec_driver_sql(f"create database {name}")
        return postgresql_server.format(name)

    yield make
    server.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path) -> str:
    """The URL of an empty database, of both kinds one after the other."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/var/cds.sqlite3"
    return request.getfixturevalue("postgresql_database")()


@pytest.fixture
def open_store(database_url):
    """Opens a store on the test's database, as another process or replica would."""
    opened = []

    def opening() -> Store:
        opened.append(Store(database_url))
        return opened[-1]

    yield opening
    for store in opened:
        store.close()


@pytest.fixture
def either_store(open_store) -> Store:
    """A store on an empty database, of both kinds one after the other."""
    return open_store()


@pytest.fixture
def rows_of(database_url):
    """Reads from the test's database, past the store."""
    engine = sqlalchemy.create_engine(database_url)

    def read(query: str) -> list[tuple]:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sqlalchemy.text(query))]

    yield read
    engine.dispose()
