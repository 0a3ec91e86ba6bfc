"""Judges a cohort with the cores of this machine.

Workers are forked after the guidelines are compiled; each reads the records of its patients itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cds_service import forking

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from cds_service.simulation.cohort import Cohort
    from cds_service.simulation.evaluation import Judge, Judgement

CHUNK = 8
"""Patients that a worker takes at a time."""


def judge_all(
    judge: Judge, cohort: Cohort, *, workers: int, note: Callable[[int], None]
) -> list[Judgement]:
    """Every patient of the cohort, by pseudonym; `note` is told how many more are done.

    Raises:
        CohortError: a record could not be read any more.
    """
    chunks = [
        cohort.patients[start : start + CHUNK] for start in range(0, len(cohort.patients), CHUNK)
    ]
    workers = min(workers, len(chunks))

    def judged(portions: Iterable[Sequence[str]]) -> Iterator[list[Judgement]]:
        for chunk in portions:
            yield [judge.judge(patient, cohort.record(patient)) for patient in chunk]

    found: list[Judgement] = []
    for each in judged(chunks) if workers <= 1 else forking.spread(judged, chunks, workers=workers):
        found += each
        note(len(each))
    return sorted(found)
