"""Cases that run again when a file is saved: the saved one, or those that a saved plan can touch.

Those that failed come first, then those beside what was saved or uses it: the answer that an
author waits for is among the first, however many others a shared definition touches.

One plan or Library is compiled again by itself; other changes reload everything. What has problems
replaces nothing: the last good content goes on answering, and the file is tried again with the
next save (`followed_library`). No disk is watched here, and nothing is printed.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from cds_service.authoring import case_rerun
from cds_service.authoring import cases as case_running
from cds_service.authoring.followed_library import FollowedLibrary
from cds_service.authoring.problem_places import placed_in_case
from cds_service.data import plan_library
from cds_service.errors import ContentError, ContentErrors
from cds_service.hooks.service import HookService

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from cds_service.authoring.case_rerun import Ran
    from cds_service.authoring.cases import Case, CaseResult
    from cds_service.authoring.mutation_order import Footprint


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
        self._followed = FollowedLibrary(root)
        self._service = HookService(self._followed.library)
        self._cases: dict[Path, Case] = {}
        self._footprints: dict[Path, Footprint] = {}
        self._ran: dict[Path, Ran] = {}
        self._texts = 0
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
        before = self._ran.get(case.path)
        ran = case_rerun.run(case, self._service, self._zone, self._texts, before)
        self._ran[case.path] = ran
        self.failing.discard(case.path)
        self._footprints.pop(case.path, None)
        if not ran.result.is_passed:
            self.failing.add(case.path)
        if ran.outcome is not None:
            self._footprints[case.path] = self._followed.reading.footprint(ran.outcome)
        return ran.result

    def saved(self, paths: Iterable[Path]) -> None:
        """Take in what these files say now, and put what they touch first in `todo`.

        `problems` then holds why files are not in force, each with its place.
        """
        self.problems = []
        files = sorted(path.resolve() for path in paths)
        touched: list[Path] = []
        try:
            touched = self._take_in(files)
        except ContentErrors as errors:
            self.problems += errors.problems
        read = [path for path in files if self._read(path)]
        first = dict.fromkeys([*read, *touched, *self.todo])
        self.todo = [path for path in first if path in self._cases]

    # -- guidelines ---------------------------------------------------------------------------

    def _take_in(self, paths: Iterable[Path]) -> list[Path]:
        """Put the saved files in force; the cases that they touch, the likeliest first.

        Raises ContentErrors.
        """
        saved = self._followed.take_in(paths)
        if saved is None:
            return []
        self._service = HookService(self._followed.library)
        if saved.change is None or saved.change.names is None:
            self._texts += 1
        footprints, change = self._footprints, saved.change
        touched = [
            path
            for path in self._cases
            if change is None or path not in footprints or change.may_show_in(footprints[path])
        ]
        beside = {path.parent for path in saved.files}
        using = {(self.root / str(file)).parent for file, _ in change.touched} if change else set()
        turns = self._turns(touched, using)
        return sorted(
            touched,
            key=lambda path: (
                path not in self.failing,
                path.parent.parent not in beside,
                turns.get(path, len(touched)),
            ),
        )

    @staticmethod
    def _turns(cases: Iterable[Path], folders: AbstractSet[Path]) -> dict[Path, int]:
        """Which in its folder each case is, for the cases beside the plans in these folders."""
        numbers = {folder: count() for folder in folders}
        return {
            path: next(numbers[path.parent.parent])
            for path in cases
            if path.parent.parent in numbers
        }

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
            self._ran.pop(path, None)
            self.failing.discard(path)
            return False
        try:
            case = case_running.read(path)
        except ContentError as error:
            text = plan_library.text_of(path)
            self.problems.append(placed_in_case(error, self._name(path), text))
            return False
        if self._wanted not in f"{case.name} {path.name}".lower():
            return False
        self._cases[path] = case
        return True
