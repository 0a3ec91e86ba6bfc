"""Tells when a guideline file has changed. The only user of `watchfiles`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from watchfiles import DefaultFilter, watch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from threading import Event

_SETTLED_MS = 60  # an editor that saves several files at once, or one in several steps
_LOOK_EVERY_MS = 20
_LOOK_AT_STOP_EVERY_MS = 5000


def changes(
    directory: Path, stop: Event | None = None, *, idle_ms: int = 0
) -> Iterator[frozenset[Path]]:
    """The JSON files that changed below `directory`, each time some did, until `stop` is set.

    What is saved within 60 ms comes at once; ready-made filters pass over editors' own files. With
    `idle_ms` an empty set comes whenever nothing changed for so long: it watches by then.
    """
    for changed in watch(
        directory,
        watch_filter=_GuidelineFiles(),
        debounce=_SETTLED_MS,
        step=_LOOK_EVERY_MS,
        stop_event=stop,
        rust_timeout=idle_ms or _LOOK_AT_STOP_EVERY_MS,
        yield_on_timeout=bool(idle_ms),
        raise_interrupt=False,
    ):
        files = frozenset(file for _, path in changed for file in _files(Path(path)))
        if files or not changed:
            yield files


def _files(path: Path) -> Iterable[Path]:
    """The file, or the files of a folder: those of a new one may come before it is watched."""
    return path.rglob("*.json") if path.is_dir() else (path,)


class _GuidelineFiles(DefaultFilter):
    def __call__(self, change: object, path: str) -> bool:
        return (path.endswith(".json") or Path(path).is_dir()) and super().__call__(change, path)  # type: ignore[arg-type]
