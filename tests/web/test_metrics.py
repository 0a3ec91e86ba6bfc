"""`/metrics`: what Prometheus reads, the same sums whichever process is asked."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest
from contract import wire
from contract.clients import serving
from prometheus_client.parser import text_string_to_metric_families

AMPLE_ROOM = 32_000_000  # bytes: browsers of other tests use it too


def samples(answer):
    """Every sample by its name and labels."""
    families = text_string_to_metric_families(answer.body.decode())
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.fixture
def counted(client):
    """Makes requests and gives by how much each sample has risen since."""
    before = samples(client.get("/metrics"))

    def risen():
        now = samples(client.get("/metrics"))
        return {name: value - before.get(name, 0) for name, value in now.items()}

    return risen


@pytest.mark.requirement("H1", "H3")
@pytest.mark.parametrize("path", ["/metrics/", "/Metrics", "/nl/metrics", "/metrics%2f"])
def test_no_other_path_has_the_counts(client, path):
    assert client.get(path).status == 404


@pytest.mark.requirement("H1", "H3")
@pytest.mark.parametrize(
    "target", ["//metrics", "/%6detrics", "/./metrics", "http://x/metrics", "/metrics%3f"]
)
def test_no_other_spelling_of_the_path_has_the_counts(server, target):
    reply = wire.send(server, wire.request(target, method="GET", head=b"", body=b""))
    assert reply.status == 404


def test_calls_are_counted_by_route_and_status(counted, client, address, message):
    client.post(address(), message())
    client.post(address(), {"hook": "patient-view"})

    risen = counted()

    assert risen["cds_requests_total", "200", "call"] == 1
    assert risen["cds_requests_total", "400", "call"] == 1
    assert risen["cds_request_seconds_count", "call"] == 2


def test_data_that_a_call_did_not_get_is_counted_by_key(counted, client, address, message):
    body = message()
    del body["prefetch"]["patient"]
    client.post(address(), body)

    assert counted()["cds_prefetch_unavailable_total", "patient"] == 1


def test_no_label_is_chosen_by_a_client(client, address, message):
    client.get("/canary-path")
    client.post("/cds-services/canary-service", message())
    client.post("/canary-profile/cds-services/x", message())

    assert b"canary" not in client.get("/metrics").body


@pytest.mark.slow
def test_every_process_tells_the_sums_of_all(tmp_path, address, message):
    with closing(serving(tmp_path, WORKERS="2")) as servers:
        server = next(servers)
        for _ in range(20):
            server.open("POST", address(), json=message())
        told = {
            samples(server.open("GET", "/metrics"))["cds_requests_total", "200", "call"]
            for _ in range(8)
        }

        assert told == {20}


@pytest.mark.slow
@pytest.mark.requirement("B3")
def test_the_counts_lie_in_memory_where_no_disk_can_be_full(tmp_path):
    memory = Path("/dev/shm")
    if not memory.is_dir() or shutil.disk_usage(memory).free < AMPLE_ROOM:
        pytest.skip("this system has no folder in memory, or little room there")
    with closing(serving(tmp_path)) as servers:
        server = next(servers)
        folder = f"cds-metrics-{server.process.pid}-*"
        assert len(list(memory.glob(folder))) == 1
        assert list(tmp_path.glob("cds-metrics-*")) == []
    assert list(memory.glob(folder)) == []
