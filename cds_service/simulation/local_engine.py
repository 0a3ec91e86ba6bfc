"""Judges a cohort with the cores of this machine.

Workers are forked after the guidelines are compiled; each reads the records of its patients itself.
"""

from __future__ import annotations

import gc
from multiprocessing import get_context
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from cds_service.errors import CdsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkProcess
    from multiprocessing.sharedctypes import Synchronized

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
    found: list[Judgement] = []
    judged = (
        _alone(judge, cohort, chunks) if workers <= 1 else _forked(judge, cohort, chunks, workers)
    )
    for each in judged:
        found += each
        note(len(each))
    return sorted(found)


def _alone(
    judge: Judge, cohort: Cohort, chunks: Sequence[Sequence[str]]
) -> Iterator[list[Judgement]]:
    for chunk in chunks:
        yield [judge.judge(patient, cohort.record(patient)) for patient in chunk]


def _forked(
    judge: Judge, cohort: Cohort, chunks: Sequence[Sequence[str]], workers: int
) -> Iterator[list[Judgement]]:
    gc.collect()
    gc.freeze()  # what is compiled stays in memory shared with the workers
    context = get_context("fork")
    turn = context.Value("i", 0)
    open_ends: dict[Connection, ForkProcess] = {}
    for _ in range(workers):
        mine, theirs = context.Pipe(duplex=False)
        worker = context.Process(target=_work, args=(judge, cohort, chunks, turn, theirs))
        worker.start()
        theirs.close()
        open_ends[mine] = worker
    try:
        yield from _received(open_ends)
    finally:
        gc.unfreeze()
        for worker in open_ends.values():
            worker.terminate()
            worker.join()


def _work(
    judge: Judge,
    cohort: Cohort,
    chunks: Sequence[Sequence[str]],
    turn: Synchronized[int],
    results: Connection,
) -> None:
    """Judge one chunk after the other, whichever is next, until none is left."""
    try:
        for chunk in _taken(chunks, turn):
            results.send([judge.judge(patient, cohort.record(patient)) for patient in chunk])
    except CdsError as error:
        results.send(error)
    results.close()


def _taken(chunks: Sequence[Sequence[str]], turn: Synchronized[int]) -> Iterator[Sequence[str]]:
    while True:
        with turn.get_lock():
            number = turn.value
            turn.value += 1
        if number >= len(chunks):
            return
        yield chunks[number]


def _received(workers: dict[Connection, ForkProcess]) -> Iterator[list[Judgement]]:
    """What the workers send, until all have ended; an error of one is raised here."""
    while workers:
        ready = wait(list(workers))
        for end in [end for end in workers if end in ready]:
            try:
                sent = end.recv()
            except EOFError:
                worker = workers.pop(end)
                worker.join()
                if worker.exitcode:
                    raise RuntimeError("a worker ended with an error; see above") from None
                continue
            if isinstance(sent, CdsError):
                raise sent
            yield sent
