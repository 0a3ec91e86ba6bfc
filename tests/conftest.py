"""Fixtures for every test: the shared data, and the real application, in process and as a server.

What needs the whole package is imported late, so that a part can be tested while another is open.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contract.clients import Client, Server

REPOSITORY = Path(__file__).parent.parent
IS_LONG = os.environ.get("LBP_LONG_TESTS") == "1"

# The same examples each time, however long one takes: a run finds what the change in it has broken.
settings.register_profile("repeatable", derandomize=not IS_LONG, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The data that nobody here wrote; it lies beside the repository, where it is there at all."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the shared data is not beside this repository")
    return folder


@pytest.fixture(scope="session")
def shared_client(tmp_path_factory) -> Client:
    from contract.clients import client_with  # noqa: PLC0415

    path = tmp_path_factory.mktemp("app") / "cds.sqlite3"
    return client_with(DATABASE_URL=f"sqlite:///{path}")


@pytest.fixture
def client(shared_client) -> Client:
    """The application with its defaults; its log starts empty."""
    shared_client.log.seek(0)
    shared_client.log.truncate()
    return shared_client


@pytest.fixture(scope="session")
def services(shared_client) -> dict[str, dict[str, Any]]:
    """What discovery lists, by hook."""
    listed = shared_client.get("/cds-services").json["services"]
    return {service["hook"]: service for service in listed}


@pytest.fixture
def message(services):
    """Makes a request of a hook that works as it stands: an adult, nothing else is recorded."""

    def make(hook: str = "patient-view", **members: Any) -> dict[str, Any]:
        context: dict[str, Any] = {"userId": "Practitioner/1", "patientId": "p"}
        if hook == "encounter-start":
            context["encounterId"] = "e"
        if hook.startswith("order-"):
            context["draftOrders"] = {"resourceType": "Bundle", "type": "collection", "entry": []}
        if hook == "order-select":
            context["selections"] = []
        patient = {"resourceType": "Patient", "id": "p", "birthDate": "1980-01-01"}
        prefetch = {
            key: patient if template.startswith("Patient/") else None
            for key, template in services[hook]["prefetch"].items()
        }
        return {
            "hook": hook,
            "hookInstance": "23f1a303-991f-4118-86c5-11d99a39222e",
            "context": context,
            "prefetch": prefetch,
            **members,
        }

    return make


@pytest.fixture
def address(services):
    """The path of the service that answers a hook."""
    return lambda hook="patient-view": f"/cds-services/{services[hook]['id']}"


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Server]:
    """One running server for all tests, with a small limit for bodies."""
    from contract.clients import serving  # noqa: PLC0415

    yield from serving(tmp_path_factory.mktemp("server"), MAX_BODY_BYTES="100000")
