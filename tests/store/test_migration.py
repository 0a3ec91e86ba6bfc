"""The schema: made, brought up to date with its data, and left alone where it is newer."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy
from alembic import command

from cds_service.store import Store, migration, tables
from cds_service.store.database import Database

BEFORE_MIGRATIONS = """
create table decision (decision_id text not null primary key, at {instant} not null,
  service text not null, hook text not null, profile text not null, plan_revision text not null,
  hook_instance text not null, verdicts json not null, milliseconds float not null);
create index ix_decision_at on decision (at);
create table decision_card (card text not null primary key,
  decision_id text not null references decision (decision_id), service text not null,
  rules json not null, suggestions json not null);
create index ix_decision_card_decision_id on decision_card (decision_id);
create table feedback (event text not null primary key, received {instant} not null,
  service text not null, card text not null, unknown_card boolean not null, outcome text not null,
  at {instant} not null, suggestions json not null,
  reason_system text, reason_code text, reason_display text);
create index ix_feedback_received on feedback (received);
create table feedback_comment (event text not null primary key references feedback (event),
  comment text not null);
insert into decision values ('d1', '2024-06-01 12:00:00', 's', 'h', 'core', 'r', 'i', '{{}}', 1.5);
insert into decision_card values ('c1', 'd1', 's', '["lbpR16"]', '[]');
insert into feedback values
  ('e1', '2024-06-01 12:00:00', 's', 'c1', false, 'overridden', '2024-06-01 12:00:00', '[]',
   null, 'OR-SPEC', null);
insert into feedback_comment values ('e1', 'agreed by phone');
"""
"""The database of version 0.1.0 with one decision, its card, and feedback on it."""


AT_0005 = """
insert into decision values ('d1', '2024-06-01 12:00:00', 's', 'h', 'core', 'r', 'i', '{}', 1.5,
  'hospital', 'p', 'u', null, null);
insert into decision_card (card, decision_id, service, rules, suggestions) values
  ('c1', 'd1', 's', '[]', '[]');
insert into feedback
  (event, received, service, card, unknown_card, outcome, at, suggestions, tenant) values
  ('e1', '2024-06-01', 's', 'c1', false, 'overridden', '2024-06-01', '[]', 'hospital'),
  ('e2', '2024-06-01', 's', 'c1', true, 'overridden', '2024-06-01', '[]', 'another'),
  ('e3', '2024-06-01', 's', 'never sent', true, 'overridden', '2024-06-01', '[]', 'hospital')
"""
"""Feedback on a card, the same of another tenant, and on a card that nobody was sent."""


@pytest.fixture
def old_database(database_url, tmp_path) -> str:
    (tmp_path / "var").mkdir()
    engine = sqlalchemy.create_engine(database_url)
    instant = "timestamp with time zone" if engine.dialect.name == "postgresql" else "datetime"
    with engine.begin() as connection:
        for statement in BEFORE_MIGRATIONS.format(instant=instant).split(";\n"):
            connection.execute(sqlalchemy.text(statement.strip()))
    engine.dispose()
    return database_url


def schema(url):
    """Tables with their columns, keys and indexes, as the database tells them."""
    engine = sqlalchemy.create_engine(url)
    tells = sqlalchemy.inspect(engine)
    told = {
        table: (
            {
                column["name"]: (str(column["type"]), column["nullable"])
                for column in tells.get_columns(table)
            },
            sorted(tells.get_pk_constraint(table)["constrained_columns"]),
            sorted(tuple(index["column_names"]) for index in tells.get_indexes(table)),
            sorted(tuple(key["constrained_columns"]) for key in tells.get_foreign_keys(table)),
        )
        for table in tells.get_table_names()
        if table != "alembic_version"
    }
    engine.dispose()
    return told


def version(url):
    database = Database(url)
    with database.engine.connect() as connection:
        found = migration.current(connection)
    database.close()
    return found


def test_the_migrations_make_what_the_code_expects(database_url, postgresql_database, tmp_path):
    Store(database_url).prepare()
    is_file = database_url.startswith("sqlite")
    direct = f"sqlite:///{tmp_path}/direct.sqlite3" if is_file else postgresql_database()
    engine = sqlalchemy.create_engine(direct)
    tables.metadata.create_all(engine)
    engine.dispose()
    assert schema(database_url) == schema(direct)


def test_a_database_without_migrations_is_brought_up_to_date(old_database, tmp_path, rows_of):
    Store(old_database).prepare()
    assert version(old_database) == migration.head()
    assert rows_of("select decision_id, milliseconds from decision") == [("d1", 1.5)]
    assert rows_of("select card, outcome, reason_code from feedback") == [
        ("c1", "overridden", "OR-SPEC")
    ]
    assert rows_of("select comment from feedback_comment") == [("agreed by phone",)]


def test_feedback_from_before_0006_is_told_whom_it_was_about(database_url, rows_of):
    database = Database(database_url)
    database._make_file()
    with database.engine.begin() as connection:
        command.upgrade(migration._config(connection), "0005")
        for statement in AT_0005.split(";\n"):
            connection.exec_driver_sql(statement.strip())
    database.close()
    Store(database_url).prepare()
    assert rows_of("select event, patient_key, user_key from feedback order by event") == [
        ("e1", "p", "u"),
        ("e2", None, None),
        ("e3", None, None),
    ]


def test_an_upgraded_database_has_the_schema_of_a_new_one(
    old_database, postgresql_database, tmp_path
):
    Store(old_database).prepare()
    is_file = old_database.startswith("sqlite")
    new = f"sqlite:///{tmp_path}/new.sqlite3" if is_file else postgresql_database()
    Store(new).prepare()
    assert {name: told[0].keys() for name, told in schema(old_database).items()} == {
        name: told[0].keys() for name, told in schema(new).items()
    }


PREPARE = "import sys; from cds_service.store import Store; Store(sys.argv[1]).prepare()"


@pytest.mark.slow
def test_processes_that_start_at_once_upgrade_once(old_database, rows_of):
    command = [sys.executable, "-c", PREPARE, old_database]
    starts = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(6)]
    told = [start.communicate(timeout=60)[1] for start in starts]
    assert [start.returncode for start in starts] == [0] * 6, told
    assert rows_of("select version_num from alembic_version") == [(migration.head(),)]


def test_stores_that_open_at_once_make_one_schema(open_store):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda store: store.prepare(), [open_store() for _ in range(8)]))


def test_a_newer_database_is_used_as_it_is(either_store, open_store, database_url):
    either_store.prepare()
    with either_store.database.writing(1000) as connection:
        connection.exec_driver_sql("update alembic_version set version_num = '9999'")
    older = open_store()
    older.prepare()
    assert version(database_url) == "9999"
    assert older.problem() is None


def test_an_upgrade_that_does_not_end_changes_nothing(old_database, rows_of):
    database = Database(old_database)
    with database.engine.connect() as connection:
        transaction = connection.begin()
        migration.upgrade(connection)
        transaction.rollback()
    database.close()
    assert version(old_database) == migration.BASELINE
    assert rows_of("select count(*) from decision") == [(1,)]
