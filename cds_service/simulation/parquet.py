"""The calls of a simulation as a Parquet file. The only user of pyarrow, which is an extra."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from cds_service.errors import CohortError
from cds_service.simulation.result import rows

if TYPE_CHECKING:
    from pathlib import Path

    from cds_service.simulation.result import Result

CHUNK = 50_000
"""Rows that are in memory at a time."""


def write(result: Result, path: Path) -> None:
    """Write the rows of `result.rows`, texts as strings and counts as 32-bit integers.

    Raises:
        CohortError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        from pyarrow import parquet  # noqa: PLC0415 - an extra
    except ImportError:
        raise CohortError(
            "a Parquet file needs pyarrow, which is not installed",
            hint="pip install 'cds-service[parquet]', or use --format csv",
        ) from None
    texts = ("at", "hook", "rule", "indicator", "change", "problem")
    schema = pa.schema(
        [
            ("patient", pa.string()),
            ("visit", pa.int32()),
            ("orders", pa.int32()),
            *((name, pa.string()) for name in texts),
        ]
    )
    with parquet.ParquetWriter(path, schema) as writer:
        chunk = []
        for row in rows(result.judged):
            chunk.append(asdict(row))
            if len(chunk) == CHUNK:
                writer.write_table(pa.Table.from_pylist(chunk, schema))
                chunk = []
        writer.write_table(pa.Table.from_pylist(chunk, schema))
