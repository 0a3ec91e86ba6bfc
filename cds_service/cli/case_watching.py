"""The terminal of `cds-service test --watch`: what each save comes to, until Ctrl-C."""

from __future__ import annotations

import gc
from queue import Empty, SimpleQueue
from threading import Event, Thread
from time import perf_counter
from typing import TYPE_CHECKING

import click

from cds_service.authoring import case_diff
from cds_service.authoring.case_watch import CaseWatch
from cds_service.data import watching
from cds_service.errors import ContentErrors, counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from cds_service.authoring.cases import CaseResult

_FIRST_NEWS_S = 0.5


def lines(result: CaseResult, directory: Path) -> Iterator[str]:
    """How a case came out; one that failed with what was expected against what is shown."""
    mark = "pass" if result.is_passed else "FAIL"
    path = result.case.path.resolve().relative_to(directory.resolve())
    yield f"{mark}  {path}  {result.case.name}"
    if not result.is_passed:
        yield from (f"      {line}" for line in case_diff.lines(result))


def follow(
    root: Path, directory: Path, zone: ZoneInfo, wanted: str, *, verbose: bool, stop: Event
) -> None:
    """Run the cases, then those that each save touches, until Ctrl-C or `stop`.

    Content that cannot be loaded to begin with is waited for.
    """
    saves: SimpleQueue[frozenset[Path]] = SimpleQueue()
    thread = Thread(target=_collect, args=(root, stop, saves), name="case-watch", daemon=True)
    thread.start()  # before anything is read, so that no save is missed
    try:
        watch = _begun(root, saves, lambda: CaseWatch(root, directory, zone, wanted))
        gc.freeze()  # what is compiled stays; looking through it again takes longer than a case
        _run(watch, saves, verbose=verbose)
        click.echo(f"watching {directory}: {_state(watch)}; Ctrl-C ends")
        while not stop.is_set():
            _take_in(watch, saves.get())
            _run(watch, saves, verbose=verbose)
    except KeyboardInterrupt:
        click.echo("")
    finally:
        stop.set()
        thread.join()


def _begun(
    root: Path, saves: SimpleQueue[frozenset[Path]], begin: Callable[[], CaseWatch]
) -> CaseWatch:
    """The watch, as soon as the content can be loaded; until then each save is an attempt."""
    while True:
        try:
            return begin()
        except ContentErrors as errors:
            click.echo("\n".join(map(str, errors.problems)))
        click.echo("nothing is in force yet: no case can run before this is mended and saved")
        click.echo(f"\nsaved {_names(saves.get(), root)}")


def _names(paths: frozenset[Path], root: Path) -> str:
    return ", ".join(sorted(str(path.resolve().relative_to(root.resolve())) for path in paths))


def _collect(root: Path, stop: Event, saves: SimpleQueue[frozenset[Path]]) -> None:
    for changed in watching.changes(root, stop):
        saves.put(changed)


def _take_in(watch: CaseWatch, paths: frozenset[Path]) -> None:
    """Tell what was saved, and why it is not in force where it has problems."""
    click.echo(f"\nsaved {_names(paths, watch.root)}")
    watch.saved(paths)
    for problem in watch.problems:
        click.echo(str(problem))
    if watch.problems:
        click.echo("not in force; what was there before goes on answering")
    elif not watch.todo:
        click.echo("no case is touched")


def _run(watch: CaseWatch, saves: SimpleQueue[frozenset[Path]], *, verbose: bool) -> None:
    """Run what is to do; a save in the meantime goes before the rest of it.

    What takes long tells how far it is, ever more seldom.
    """
    begun, run, failed, tell_at = perf_counter(), 0, 0, _FIRST_NEWS_S
    while watch.todo:
        result = watch.run_next()
        run += 1
        failed += not result.is_passed
        if verbose or not result.is_passed:
            click.echo("\n".join(lines(result, watch.directory)))
        if watch.todo and perf_counter() - begun > tell_at:
            click.echo(f"{run} run, {failed or 'none'} of them failed; {len(watch.todo)} to go")
            tell_at *= 2
        try:
            paths = saves.get_nowait()
        except Empty:
            continue
        _take_in(watch, paths)
    if run:
        click.echo(f"{counted(run, 'case')} run in {perf_counter() - begun:.1f} s; {_state(watch)}")


def _state(watch: CaseWatch) -> str:
    return f"{counted(watch.count, 'case')}, {len(watch.failing)} failing"
