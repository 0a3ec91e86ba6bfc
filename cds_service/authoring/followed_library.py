"""The compiled guideline of a folder, brought up to date with each save.

Of a saved plan or Library only what the change touches is compiled again; of anything else the
whole folder. What cannot be used changes nothing: the last good content stays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cds_service import collecting
from cds_service.authoring.expressions import places
from cds_service.authoring.file_change import change_of
from cds_service.authoring.mutation_order import Reading
from cds_service.data import plan_library
from cds_service.engine import compile_what_works
from cds_service.engine.recompile import Recompiler
from cds_service.errors import ContentError, ContentErrors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from cds_service.authoring.file_change import FileChange
    from cds_service.data.plan_library import PlanLibrary
    from cds_service.engine.plan_definition import ActionKey


@dataclass(frozen=True, slots=True)
class Saved:
    """What came into force: the files that say something else, and what that touches.

    Without a `change` everything was compiled again.
    """

    files: tuple[Path, ...]
    change: FileChange | None = None


class FollowedLibrary:
    """The library of a folder as it was last found good; `leave_out` as in `plan_library.load`.

    Raises ContentErrors where the folder cannot be used to begin with.
    """

    def __init__(self, root: Path, *, leave_out: bool = False) -> None:
        self.root = root.resolve()
        self._leave_out = leave_out
        self._behind: set[Path] = set()
        self._recompiler: Recompiler | None = None
        self._reading: Reading | None = None
        self._read: Mapping[ActionKey, frozenset[str]] | None = None
        self.library = self._loaded()

    @property
    def reading(self) -> Reading:
        """Which definitions each expression leads to."""
        if self._reading is None:
            content = self.library.content
            self._reading = Reading.of(content, places(content.sources))
        return self._reading

    @collecting.paused()
    def load(self) -> None:
        """Everything anew from the files; raises ContentErrors and keeps what there was."""
        self.library = self._loaded()
        self._behind = set()

    @collecting.paused()
    def take_in(self, paths: Iterable[Path]) -> Saved | None:
        """Put these files in force, and those that could not be before; None where all say so.

        Raises ContentErrors and keeps what there was.
        """
        every = {path.resolve() for path in paths} | self._behind
        self._behind = {path for path in every if self._is_guideline(path)}
        texts = {item.file: item.text for item in self.library.content.sources}
        changed = tuple(
            path for path in sorted(self._behind) if _text(path) != texts.get(self._name(path))
        )
        change = None
        if changed:
            change = self._adopted(changed[0]) if len(changed) == 1 else None
            if change is None:
                self.library = self._loaded()
        self._behind = set()
        return Saved(changed, change) if changed else None

    def prepare(self) -> list[Path]:
        """Look up what the next save will ask for; the files that say something else by now."""
        self._reads()
        texts = {item.file: item.text for item in self.library.content.sources}
        on_disk = {self._name(path): path for path in plan_library.guideline_files(self.root)}
        every = {name: self.root / name for name in {**texts, **on_disk}}
        return [
            path
            for name, path in every.items()
            if path not in self._behind and _text(path) != texts.get(name)
        ]

    def _is_guideline(self, path: Path) -> bool:
        if not path.is_relative_to(self.root):
            return False
        return not plan_library.NOT_CONTENT & set(path.relative_to(self.root).parts[:-1])

    def _name(self, path: Path) -> str:
        """The file as authors know it."""
        return str(path.relative_to(self.root))

    def _loaded(self) -> PlanLibrary:
        folder = plan_library.read_folder(self.root)
        if folder.problems and not self._leave_out:
            raise ContentErrors(folder.problems)
        try:
            recompiler = None if folder.problems else Recompiler(folder.sources)
        except ContentErrors:
            if not self._leave_out:
                raise
            recompiler = None
        content = (
            compile_what_works(folder.sources, folder.problems)
            if recompiler is None
            else recompiler.content
        )
        self._in_force(recompiler)
        return plan_library.PlanLibrary(self.root, content, folder.revision)

    def _in_force(self, recompiler: Recompiler | None) -> None:
        self._recompiler = recompiler
        self._reading = self._read = None

    def _reads(self) -> Mapping[ActionKey, frozenset[str]]:
        """The definitions that each action leads to."""
        if self._read is None:
            self._read = self.reading.by_action(self.library.content)
        return self._read

    def _adopted(self, path: Path) -> FileChange | None:
        """Compile this file alone; None where everything must be compiled again."""
        sources = {item.file: item for item in self.library.content.sources}
        old = sources.get(self._name(path))
        if self._recompiler is None or old is None or not path.is_file():
            return None
        try:
            new = plan_library.read_source(self.root, path)
        except ContentError as problem:
            raise ContentErrors([problem]) from problem
        if not self._recompiler.can_adopt(old, new):
            return None
        change = change_of(old, new, self._reads())
        if change is None:
            return None
        content = self._recompiler.adopt(new, change.stale)
        self._in_force(self._recompiler)
        revision = plan_library.revision_of(content.sources)
        self.library = replace(self.library, content=content, revision=revision)
        return change


def _text(path: Path) -> str | None:
    return plan_library.text_of(path) if path.is_file() else None
