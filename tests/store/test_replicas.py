"""Two services on two ports, on one PostgreSQL: what one has seen the other knows."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import sqlalchemy
from client_keys import Token, claims, key
from contract.clients import serving
from key_server import KeyServer, jwks

pytestmark = pytest.mark.slow

ISSUER = "https://ehr.example.org"
AUDIENCE = "https://cds.example.org"
SERVICE = "/cds-services/low-back-pain-patient-view"
FEEDBACK = {
    "feedback": [
        {
            "card": "4e0a3a1e-3283-4575-ab82-028d55fe2719",
            "outcome": "overridden",
            "overrideReason": {"userComment": "seen before"},
            "outcomeTimestamp": "2024-06-01T10:05:31Z",
        }
    ]
}


@pytest.fixture(scope="module")
def database(postgresql_database):
    return postgresql_database()


@pytest.fixture(scope="module")
def replicas(database, tmp_path_factory):
    """Two running services, each with a process tree, port and folder of its own."""
    with KeyServer() as keys:
        keys.answers["/jwks.json"] = jwks(key().jwk())
        folders = [tmp_path_factory.mktemp(f"replica{number}") for number in range(2)]
        for folder in folders:
            (folder / "tenants.toml").write_text(
                f'[tenants.hospital]\nissuers = ["{ISSUER}"]\naudience = "{AUDIENCE}"\n'
                f'jwks_urls = ["{keys.url()}"]\n'
            )
        running = [
            serving(
                folder,
                WORKERS="1",
                DATABASE_URL=database,
                TENANTS=str(folder / "tenants.toml"),
            )
            for folder in folders
        ]
        with closing(running[0]), closing(running[1]):
            yield [next(each) for each in running]


def signed(path=SERVICE):
    text = Token(key(), claims(AUDIENCE + path, ISSUER)).text()
    return {"Authorization": f"Bearer {text}"}


def stored(database):
    engine = sqlalchemy.create_engine(database)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("select card, outcome, tenant from feedback").all()
    engine.dispose()
    return rows


def test_they_are_two(replicas):
    one, other = replicas
    assert one.url != other.url
    assert all(each.open("GET", "/ready").json["ready"] for each in replicas)


@pytest.mark.requirement("C8", "SEC-35")
def test_a_token_that_one_has_taken_is_refused_by_the_other(replicas, message):
    one, other = replicas
    token = signed()
    assert one.open("POST", SERVICE, json=message(), headers=token).status == 200
    assert other.open("POST", SERVICE, json=message(), headers=token).status == 401


@pytest.mark.requirement("C8")
def test_of_both_at_once_one_takes_the_token(replicas, message):
    token = signed()
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(
            lambda number: replicas[number % 2].insist(
                "POST", SERVICE, json=message(), headers=token
            ),
            range(16),
        )
        statuses = sorted(answer.status for answer in answers)
    assert statuses == [200] + [401] * 15


@pytest.mark.requirement("FB-21")
def test_feedback_to_either_is_taken_and_kept_once(replicas, database):
    path = f"{SERVICE}/feedback"
    for replica in (*replicas, *replicas):
        answer = replica.open(
            "POST",
            path,
            data=json.dumps(FEEDBACK),
            headers={
                **signed(path),
                "Content-Type": "application/json",
            },
        )
        assert answer.status == 200
    assert stored(database) == [(FEEDBACK["feedback"][0]["card"], "overridden", "hospital")]
