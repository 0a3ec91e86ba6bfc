"""One database, SQLite or PostgreSQL: its connections, its transactions, and whether it works.

A SQLite commit is on the disk when it returns (write-ahead log, `synchronous=FULL`), unless the
transaction says that it need not be. The file is readable by its owner only.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, make_url
from sqlalchemy.exc import SQLAlchemyError

from cds_service import fhir_json
from cds_service.errors import StoreUnavailable
from cds_service.store import migration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Connection, Engine, PoolProxiedConnection

CONNECT_PATIENCE_S = 2
_BEGIN = "cds_begin"  # the execution option that says how SQLite begins a transaction
_DURABLE = "FULL"
_SETTLED = "cds_settled"  # of a SQLite connection: what `_settle` last told it
_LONGEST_WAIT_S = 5
_DEPTH = fhir_json.MAX_DEPTH + 8  # a kept request, and what was read for it, stand deeper here


class Database:
    """The connections to one database. Safe for threads and for processes.

    Making one opens nothing. `prepare` makes file and tables; every transaction does so first, so
    that a database which is late or away for a while does not stop the service.
    """

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.engine = _engine(self.url)
        self._preparing = threading.Lock()
        self._prepared = False
        self._file: tuple[int, int] | None = None  # which file the connections are to

    def prepare(self, patience_ms: int = _LONGEST_WAIT_S * 1000) -> None:
        """Make what is missing: folder, file, and tables as this version wants them.

        Waits so long for others that prepare it here or, in a file, write to it.

        Harmless when repeated. Leaves no connection open: a process may fork afterwards, and none
        is shared. A SQLite file that was moved or deleted is made anew: connections to the old one
        still take writes, which nobody would ever read.

        Raises:
            StoreUnavailable: the database cannot be opened or written.
        """
        if self._is_ready:
            return
        if not self._preparing.acquire(timeout=patience_ms / 1000):
            raise StoreUnavailable("the database is being prepared by another call")
        try:
            if not self._is_ready:
                self._make_ready(patience_ms)
        except (SQLAlchemyError, OSError) as error:
            raise StoreUnavailable(
                f"the database {self.url.render_as_string()} cannot be opened or written",
                hint="CDS_DATABASE_URL names it; look at its folder, its rights and the disk",
            ) from error
        finally:
            self._preparing.release()

    @property
    def _is_ready(self) -> bool:
        return self._prepared and self._file == self._file_in_place()

    def _make_ready(self, patience_ms: int) -> None:
        is_file = self.url.get_backend_name() == "sqlite"
        self.close()
        self._make_file()
        # What a server is told as its patience would also cut off a migration.
        with self._transaction(patience_ms if is_file else None, "IMMEDIATE") as connection:
            migration.upgrade(connection)
        self.close()
        self._file = self._file_in_place()
        self._prepared = True

    @property
    def is_file_at_hand(self) -> bool:
        """Whether it is a file that was used before: only for its locks one may have to wait."""
        return self._prepared and self.url.get_backend_name() == "sqlite"

    def close(self) -> None:
        """Close the idle connections; new ones are opened when they are needed."""
        self.engine.dispose()

    @contextmanager
    def writing(self, patience_ms: int, *, is_durable: bool = True) -> Iterator[Connection]:
        """A transaction that writes, waiting so long for others that do; commits at its end.

        What is not durable is kept when a process is killed, and may be lost with the power.

        Raises:
            StoreUnavailable: nothing of it was written, or into a file that is no longer in place.
        """
        try:
            self.prepare(patience_ms)
            with self._transaction(patience_ms, "IMMEDIATE", is_durable=is_durable) as connection:
                yield connection
        except SQLAlchemyError as error:
            self._prepared = False  # it may be another file by now
            raise StoreUnavailable("the database does not take writes now") from error
        if self._file != self._file_in_place():
            raise StoreUnavailable("the database file was moved or deleted while it was written")

    def forget_deleted(self, patience_ms: int) -> None:
        """Empty the write-ahead log of a SQLite file, which still holds what was deleted since.

        When others read or write all that time, the next time does it.

        Raises:
            StoreUnavailable: the file cannot be written.
        """
        if self.url.get_backend_name() != "sqlite":
            return
        try:
            connection = self.engine.raw_connection()
            try:
                _settle(connection, patience_ms, _DURABLE)
                connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
            finally:
                connection.close()  # back to the others that are idle
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise StoreUnavailable("the database does not take writes now") from error

    @contextmanager
    def reading(self, patience_ms: int) -> Iterator[Connection]:
        """A transaction that only reads.

        Raises:
            StoreUnavailable: it could not be read.
        """
        try:
            self.prepare(patience_ms)
            with self._transaction(patience_ms, "DEFERRED") as connection:
                yield connection
        except SQLAlchemyError as error:
            self._prepared = False
            raise StoreUnavailable("the database cannot be read now") from error

    def finds(self, query: str, values: tuple[str, ...], patience_ms: int) -> bool:
        """Whether a query of a SQLite file has a row: one statement, past SQLAlchemy's layers.

        Raises:
            StoreUnavailable: it could not be read.
        """
        try:
            connection = self.engine.raw_connection()
            try:
                _settle(connection, patience_ms, _DURABLE)
                cursor = connection.cursor()
                found = cursor.execute(query, values).fetchone()
                cursor.close()
            finally:
                connection.close()  # back to the others that are idle
        except (SQLAlchemyError, sqlite3.Error) as error:
            self._prepared = False
            raise StoreUnavailable("the database cannot be read now") from error
        return found is not None

    def version(self) -> str | None:
        """The version of the schema as it stands, changing nothing; None without a database.

        Raises:
            StoreUnavailable: it cannot be read.
        """
        if self.url.get_backend_name() == "sqlite" and not Path(self.url.database or "").is_file():
            return None
        try:
            with self._transaction(None, "DEFERRED") as connection:
                return migration.current(connection)
        except SQLAlchemyError as error:
            raise StoreUnavailable("the database cannot be read now") from error

    def problem(self, patience_ms: int) -> str | None:
        """Why nothing can be written now, as a sentence, or None when writing works."""
        try:
            with self.writing(patience_ms, is_durable=False) as connection:
                migration.touch(connection)
        except StoreUnavailable:
            return "the database does not take writes; feedback is refused until it does"
        return None

    @contextmanager
    def _transaction(
        self, patience_ms: int | None, begin: str, *, is_durable: bool = True
    ) -> Iterator[Connection]:
        with self.engine.connect().execution_options(**{_BEGIN: begin}) as connection:
            if connection.dialect.name == "sqlite":
                wait = _LONGEST_WAIT_S * 1000 if patience_ms is None else patience_ms
                _settle(connection.connection, wait, _DURABLE if is_durable else "NORMAL")
            with connection.begin():
                if connection.dialect.name == "postgresql":
                    if patience_ms is not None:
                        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {patience_ms}")
                    if not is_durable:
                        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
                yield connection

    def _file_in_place(self) -> tuple[int, int] | None:
        """Device and inode of the SQLite file at its path; None where there is none."""
        if self.url.get_backend_name() != "sqlite":
            return None
        try:
            found = os.stat(self.url.database or "")  # noqa: PTH116  on every write: a Path costs more
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _make_file(self) -> None:
        """The SQLite file and its folder, readable by the owner only; nothing for others."""
        if self.url.get_backend_name() != "sqlite" or not self.url.database:
            return
        path = Path(self.url.database)
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _engine(url: URL) -> Engine:
    options = {"max_overflow": -1, "json_serializer": _to_json, "json_deserializer": _from_json}
    if url.get_backend_name() != "sqlite":
        return create_engine(
            url,
            pool_pre_ping=True,
            connect_args={"connect_timeout": CONNECT_PATIENCE_S},
            **options,
        )
    engine = create_engine(url, connect_args={"timeout": _LONGEST_WAIT_S}, **options)
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    return engine


def _to_json(value: Any) -> str:
    return fhir_json.encode(value).decode()


def _from_json(text: str | bytes) -> Any:
    """What was written; numbers with their digits (a kept request is held to them)."""
    body = text.encode() if isinstance(text, str) else text
    return fhir_json.decode(body, max_depth=_DEPTH)


def _set_up(connection: Any, _record: object) -> None:
    """Readers do not wait for the writer (WAL); Python begins no transactions of its own.

    What is deleted is overwritten: comments and kept requests are patient data.
    """
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA secure_delete = ON")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _settle(connection: PoolProxiedConnection, wait_ms: int, synchronous: str) -> None:
    """How long this connection waits for others, and how sure it is of the disk, from now on."""
    wanted = (wait_ms, synchronous)
    if connection.info.get(_SETTLED) == wanted:
        return
    settings = connection.cursor()
    settings.execute(f"PRAGMA busy_timeout = {wait_ms}")
    settings.execute(f"PRAGMA synchronous = {synchronous}")
    settings.close()
    connection.info[_SETTLED] = wanted


def _begin(connection: Connection) -> None:
    """Begin as a writer where one is wanted: SQLite cannot make a reader one while another is."""
    how = connection.get_execution_options().get(_BEGIN, "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {how}")
