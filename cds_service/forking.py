"""Work on several cores by forked processes, which share what is compiled before they begin."""

from __future__ import annotations

import gc
from multiprocessing import get_context
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, TypeVar

from cds_service.errors import CdsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkProcess
    from multiprocessing.sharedctypes import Synchronized

Portion = TypeVar("Portion")
Result = TypeVar("Result")


def spread(
    work: Callable[[Iterator[Portion]], Iterator[Result]],
    portions: Sequence[Portion],
    *,
    workers: int,
) -> Iterator[Result]:
    """What `work` makes of the portions, as it is made; each process takes whichever is next.

    A CdsError of a process is raised here. No process outlives this.

    Raises:
        RuntimeError: a process ended with another error, which it has shown.
    """
    gc.collect()
    gc.freeze()  # what is compiled stays in memory shared with the processes
    context = get_context("fork")
    turn = context.Value("i", 0)
    open_ends: dict[Connection, ForkProcess] = {}
    try:
        for _ in range(workers):
            mine, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(work, portions, turn, theirs))
            process.start()
            theirs.close()
            open_ends[mine] = process
        yield from _received(open_ends)
    finally:
        gc.unfreeze()
        for process in open_ends.values():
            process.terminate()
            process.join()


def _work(
    work: Callable[[Iterator[Any]], Iterator[Any]],
    portions: Sequence[Any],
    turn: Synchronized[int],
    results: Connection,
) -> None:
    try:
        for result in work(_taken(portions, turn)):
            results.send(result)
    except CdsError as error:
        results.send(error)
    results.close()


def _taken(portions: Sequence[Any], turn: Synchronized[int]) -> Iterator[Any]:
    """Those portions that no other process has taken."""
    while True:
        with turn.get_lock():
            number = turn.value
            turn.value += 1
        if number >= len(portions):
            return
        yield portions[number]


def _received(processes: dict[Connection, ForkProcess]) -> Iterator[Any]:
    """What the processes send, until all have ended."""
    while processes:
        ready = wait(list(processes))
        for end in [end for end in processes if end in ready]:
            try:
                sent = end.recv()
            except EOFError:
                process = processes.pop(end)
                process.join()
                if process.exitcode:
                    raise RuntimeError("a worker ended with an error; see above") from None
                continue
            if isinstance(sent, CdsError):
                raise sent
            yield sent
