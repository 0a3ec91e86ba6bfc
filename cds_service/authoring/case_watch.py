"""Cases that run again when a file is saved: the saved one, or those that a saved plan can touch.

One plan or Library is compiled again by itself; other changes reload everything. What has problems
replaces nothing: the last good content goes on answering, and the file is tried again with the
next save. No disk is watched here, and nothing is printed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cds_service.authoring import cases as case_running
from cds_service.authoring.expressions import places
from cds_service.authoring.file_change import change_of
from cds_service.authoring.mutation_order import Footprint, Reading
from cds_service.authoring.problem_places import placed_in_case
from cds_service.data import plan_library
from cds_service.engine.recompile import Recompiler
from cds_service.errors import ContentError, ContentErrors
from cds_service.hooks.service import HookService

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from cds_service.authoring.cases import Case, CaseResult


class CaseWatch:
    """The cases below `directory`, as the content in `root` answers them now.

    `wanted` chooses cases as `test -k` does. `failing` holds the cases that failed when they last
    ran; `todo` those that a save touched and that did not run yet, the likeliest first.
    """

    def __init__(self, root: Path, directory: Path, zone: ZoneInfo, wanted: str = "") -> None:
        self.root, self.directory = root.resolve(), directory.resolve()
        self.failing: set[Path] = set()
        self.todo: list[Path] = []
        self.problems: list[ContentError] = []
        self._zone, self._wanted = zone, wanted.lower()
        self._cases: dict[Path, Case] = {}
        self._footprints: dict[Path, Footprint] = {}
        self._behind: set[Path] = set()
        self._load()
        for path in case_running.case_files(self.directory):
            self._read(path)
        self.todo = list(self._cases)

    @property
    def count(self) -> int:
        """How many cases are watched."""
        return len(self._cases)

    def run_next(self) -> CaseResult:
        """Run the first case of `todo`."""
        case = self._cases[self.todo.pop(0)]
        result = case_running.run(case, self._service, self._zone)
        self.failing.discard(case.path)
        self._footprints.pop(case.path, None)
        if not result.is_passed:
            self.failing.add(case.path)
        if result.answer is not None:
            self._footprints[case.path] = self._reading.footprint(result.answer.outcome)
        return result

    def saved(self, paths: Iterable[Path]) -> None:
        """Take in what these files say now, and put what they touch first in `todo`.

        `problems` then holds why files are not in force, each with its place.
        """
        self.problems = []
        every = {path.resolve() for path in paths} | self._behind
        inside = sorted(path for path in every if path.is_relative_to(self.root))
        guidelines = [path for path in inside if self._is_guideline(path)]
        touched: list[Path] = []
        self._behind = set()
        try:
            touched = self._take_in(guidelines)
        except (ContentError, ContentErrors) as error:
            self._behind.update(guidelines)
            every_problem = error.problems if isinstance(error, ContentErrors) else [error]
            self.problems += every_problem
        read = [path for path in inside if self._read(path)]
        first = dict.fromkeys([*read, *touched, *self.todo])
        self.todo = [path for path in first if path in self._cases]

    def _is_guideline(self, path: Path) -> bool:
        return not plan_library.NOT_CONTENT & set(path.relative_to(self.root).parts[:-1])

    # -- guidelines ---------------------------------------------------------------------------

    def _load(self) -> None:
        """Everything anew from the files."""
        self._library = plan_library.load(self.root)
        self._recompiler = Recompiler(self._library.content.sources)
        self._in_force()

    def _in_force(self) -> None:
        """Make the compiled content the one that answers."""
        content = self._recompiler.content
        self._service = HookService(replace(self._library, content=content))
        self._reading = Reading.of(content, places(content.sources))
        self._reads = self._reading.by_action(content)

    def _take_in(self, paths: Iterable[Path]) -> list[Path]:
        """Put the saved files in force; the cases that they touch, those beside them first.

        Raises ContentError or ContentErrors.
        """
        texts = {item.file: item.text for item in self._recompiler.content.sources}
        changed = [path for path in paths if _text(path) != texts.get(self._name(path))]
        if not changed:
            return []
        touched = self._adopted(changed[0]) if len(changed) == 1 else None
        if touched is None:
            self._load()
            touched = list(self._cases)
        folders = {path.parent for path in changed}
        return sorted(touched, key=lambda path: path.parent.parent not in folders)

    def _adopted(self, path: Path) -> list[Path] | None:
        """Compile this file alone; the cases that may notice, and those without an answer.

        None where everything must be compiled again.
        """
        sources = {item.file: item for item in self._recompiler.content.sources}
        old = sources.get(self._name(path))
        if old is None or not path.is_file():
            return None
        new = plan_library.read_source(self.root, path)
        change = change_of(old, new, self._reads)
        if change is None:
            return None
        self._recompiler.adopt(new, change.stale)
        self._in_force()
        footprints = self._footprints
        return [
            path
            for path in self._cases
            if path not in footprints or change.may_show_in(footprints[path])
        ]

    def _name(self, path: Path) -> str:
        """The file as authors know it."""
        return str(path.relative_to(self.root))

    # -- cases --------------------------------------------------------------------------------

    def _read(self, path: Path) -> bool:
        """Take in a case file; False when it is none of ours, gone, or has a problem."""
        if path.parent.name != "cases" or not path.is_relative_to(self.directory):
            return False
        if not path.is_file():
            self._cases.pop(path, None)
            self.failing.discard(path)
            return False
        try:
            case = case_running.read(path)
        except ContentError as error:
            text = path.read_text("utf-8")
            self.problems.append(placed_in_case(error, self._name(path), text))
            return False
        if self._wanted not in f"{case.name} {path.name}".lower():
            return False
        self._cases[path] = case
        return True


def _text(path: Path) -> str | None:
    return path.read_text("utf-8") if path.is_file() else None
