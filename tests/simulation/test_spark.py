"""The same cohort on a local Spark and on the cores of this machine: the same rows."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import date
from importlib.util import find_spec

import pytest
from shared_data import REPOSITORY, folder
from simulation.cohorts import (
    LOW_BACK_PAIN,
    SADDLE_NUMBNESS,
    bundle,
    condition,
    early_mri,
    encounter,
    patient,
    write_ndjson,
)  # fmt: skip
from simulation.runs import KEY, simulated

from cds_service.errors import CohortError
from cds_service.simulation import report, spark_engine
from cds_service.simulation.visits import Period

pytestmark = pytest.mark.slow
needs_spark = pytest.mark.skipif(
    find_spec("pyspark") is None or shutil.which("java") is None,
    reason="PySpark or Java is not installed",
)


def on_spark(place, key, *options):
    """The command as an author runs it: Spark's own process and warnings stay outside of pytest."""
    command = [sys.executable, "-m", "cds_service", "simulate", "plan_definitions"]
    chosen = ["--cohort", place, "--pseudonym-key", key, "--engine", "spark", "--format", "csv"]
    return subprocess.run(
        [*command, *map(str, chosen), "--workers", "2", *options],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.fixture
def key(tmp_path):
    file = tmp_path / "key"
    file.write_bytes(KEY)
    return file


@needs_spark
def test_spark_gives_the_rows_of_bulk_data_and_bundles(tmp_path, key):
    """Somebody of both kinds of files, an order, and somebody without a Patient resource."""
    ben = condition("ben", "lbp", LOW_BACK_PAIN, recordedDate="2024-05-18")
    cohort = write_ndjson(tmp_path / "export", [*early_mri("anna"), ben])
    chris = [patient("chris"), condition("chris", "lbp", LOW_BACK_PAIN, onsetDateTime="2024-05-30")]
    numb = condition("chris", "numb", SADDLE_NUMBNESS, recordedDate="2024-06-01")
    visit = encounter("chris", "visit", "2024-06-02T09:00:00Z")
    (cohort / "chris.json").write_text(json.dumps(bundle(*chris, numb, visit)))

    done = on_spark(cohort, key)

    assert done.returncode == 0, done.stderr
    assert {"lbpR01", "lbpR16"} <= set(done.stdout.replace("\n", ",").split(","))
    assert done.stdout == report.TEXTS["csv"](simulated(cohort))


@needs_spark
def test_spark_gives_the_rows_of_published_records(key):
    patients, first = folder("patients"), date(2018, 1, 1)

    done = on_spark(patients, key, "--from", str(first))

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") > 100
    assert done.stdout == report.TEXTS["csv"](simulated(patients, period=Period(first)))


@needs_spark
def test_on_spark_a_broken_line_is_named_with_its_file_and_line(tmp_path, key):
    file = write_ndjson(tmp_path / "export", [patient("anna")]) / "Patient.ndjson"
    file.write_text(file.read_text() + '{"resourceType": \n')

    done = on_spark(file, key)

    assert done.returncode == 2
    assert f"{file}:2:" in done.stderr


def test_without_pyspark_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark.errors", None)
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)

    with pytest.raises(CohortError, match=r"cds-service\[spark\]"):
        spark_engine._session(None)
