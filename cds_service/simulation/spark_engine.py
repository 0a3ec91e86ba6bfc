"""Judges a cohort on Apache Spark: reading, grouping by patient and judging are spread by Spark.

The only user of PySpark, which is an extra. The records and the judge are those of the local
engine, so the results are the same. `cds_service` has to be installed where Spark's workers run;
the guidelines are sent to them as text and compiled there.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from cds_service import fhir_json
from cds_service.data import plan_library
from cds_service.engine import Source
from cds_service.errors import CohortError
from cds_service.hooks.service import HookService
from cds_service.simulation import cohort, documents
from cds_service.simulation.evaluation import Judge, Judgement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cds_service.simulation.evaluation import Scope

_BROKEN = ""
"""The key under which files with a document that is none are told; no patient has it."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker needs to judge: names and texts of the guideline files, and what is judged."""

    newer: tuple[tuple[str, str], ...]
    older: tuple[tuple[str, str], ...]
    scope: Scope

    @classmethod
    def of(cls, judge: Judge) -> Task:
        """The task that a judge does."""
        older = _texts(judge.older) if judge.older else ()
        return cls(_texts(judge.service), older, judge.scope)


def _texts(service: HookService) -> tuple[tuple[str, str], ...]:
    return tuple((source.file, source.text) for source in service.library.content.sources)


@lru_cache(maxsize=1)
def _judge(task: Task) -> Judge:
    """The judge of a task, compiled once in each process of a worker."""
    older = _service(task.older) if task.older else None
    return Judge(_service(task.newer), task.scope, older)


def _service(texts: Sequence[tuple[str, str]]) -> HookService:
    sources = [Source(file, text, fhir_json.decode_content(text, file)) for file, text in texts]
    return HookService(plan_library.of_sources(Path(), sources))


def judge_all(
    judge: Judge, files: Sequence[Path], *, workers: int | None
) -> tuple[list[Judgement], int]:
    """Every patient of these files, by pseudonym; and how many have no Patient resource.

    `workers` is the number of threads of a local Spark; without it Spark runs as it is configured.

    Raises:
        CohortError: PySpark or Java is missing, or a document is none.
    """
    spark = _session(workers)
    try:
        found = _judged(spark, judge, files)
    finally:
        spark.stop()
    broken = sorted({item for item in found if isinstance(item, str)})
    if broken:
        raise _named(broken[0])
    judged = sorted(item for item in found if isinstance(item, Judgement))
    return judged, sum(item is None for item in found)


def _judged(spark: Any, judge: Judge, files: Sequence[Path]) -> list[Judgement | str | None]:
    context = spark.sparkContext
    task, kinds = context.broadcast(Task.of(judge)), judge.kinds
    pairs = context.emptyRDD()
    lines = [path.resolve().as_uri() for path in files if documents.is_ndjson(path)]
    if lines:
        table = spark.read.text(lines, lineSep="\n").selectExpr(
            "input_file_name() AS file", "CAST(value AS BINARY) AS body"
        )
        pairs = pairs.union(table.rdd.flatMap(lambda row: _owned(bytes(row.body), row.file, kinds)))
    wholes = [path.resolve().as_uri() for path in files if not documents.is_ndjson(path)]
    if wholes:
        pairs = pairs.union(
            context.binaryFiles(",".join(wholes)).flatMap(
                lambda pair: _owned(bytes(pair[1]), pair[0], kinds)
            )
        )
    found: list[Judgement | str | None] = (
        pairs.groupByKey(context.defaultParallelism)
        .mapPartitions(lambda records: _judge_records(task.value, records))
        .collect()
    )
    return found


def _owned(body: bytes, file: str, kinds: frozenset[str]) -> Iterator[tuple[str, bytes]]:
    """The resources of a document by patient; under `_BROKEN` the file of one that is none."""
    if not body.strip():
        return
    try:
        document = documents.decoded(body, file, 1)
    except CohortError:
        yield _BROKEN, file.encode()
        return
    for owner, resource in documents.owned(document):
        if owner is not None and resource["resourceType"] in kinds:
            yield owner, fhir_json.encode(resource)


def _judge_records(
    task: Task, records: Iterable[tuple[str, Iterable[bytes]]]
) -> Iterator[Judgement | str | None]:
    """A judgement for each patient, None for one without a Patient resource, or a broken file."""
    for owner, bodies in records:
        if owner == _BROKEN:
            yield from (file.decode() for file in bodies)
            continue
        record = cohort.settled(fhir_json.decode(body) for body in bodies)
        is_known = any(item["resourceType"] == "Patient" for item in record)
        yield _judge(task).judge(owner, record) if is_known else None


def _named(uri: str) -> CohortError:
    """The problem of a broken file with its line, found by reading it once more."""
    try:
        for _ in documents.of_file(Path(unquote(urlsplit(uri).path))):
            pass
    except CohortError as error:
        return error
    return CohortError(f"{uri} holds something that is no FHIR resource")


def _session(workers: int | None) -> Any:
    try:
        from pyspark.errors import PySparkException  # noqa: PLC0415 - an extra
        from pyspark.sql import SparkSession  # noqa: PLC0415 - an extra
    except ImportError:
        raise CohortError(
            "--engine spark needs PySpark, which is not installed",
            hint="pip install 'cds-service[spark]', or use --engine local",
        ) from None
    builder = SparkSession.builder.appName("cds-service simulate")
    if workers is not None:
        builder = builder.master(f"local[{workers}]")
    try:
        session = builder.config("spark.ui.showConsoleProgress", "false").getOrCreate()
    except PySparkException as error:
        raise CohortError(
            f"Spark did not start: {error}",
            hint="Spark needs Java 17 or newer; install it, or use --engine local",
        ) from None
    context = session.sparkContext
    context.setLogLevel("ERROR")
    if str(context.master).startswith("local"):
        context.pythonExec = sys.executable
    return session
