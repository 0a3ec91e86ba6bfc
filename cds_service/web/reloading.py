"""Serves the newest guidelines that work: a changed folder becomes a new application, whole.

Requests under way finish in the application that began them, so that no answer mixes two
revisions. A folder with problems replaces nothing; the last good one goes on and `/ready` tells.
Only where the one in force leaves something out already, another such one may replace it.
"""

from __future__ import annotations

from threading import Thread, Timer
from typing import TYPE_CHECKING

from cds_service.data import watching
from cds_service.errors import ContentErrors
from cds_service.tenants import TenantsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from threading import Event
    from wsgiref.types import StartResponse, WSGIEnvironment

    from flask import Flask

    from cds_service.authoring.followed_library import FollowedLibrary

_LONGEST_CALL_S = 30
_QUIET_MS = 500
_TOLD = 5  # of what is wrong; the first is often the cause of the others
RELOAD_PROBLEMS = "RELOAD_PROBLEMS"
"""Key in the application's config: why the changed guidelines are not in force, as sentences."""


class Reloading:
    """A WSGI application that can be replaced while it serves.

    Args:
        make: makes the application from the files, or from the library that `followed` holds;
            raises ContentErrors and TenantsError.
        tell: shows a line to whoever watches the terminal.
        followed: the library that each save brings up to date, where saves are followed.
    """

    def __init__(
        self,
        make: Callable[[], Flask],
        tell: Callable[[str], None],
        followed: FollowedLibrary | None = None,
    ) -> None:
        self._make = make
        self._tell = tell
        self._followed = followed
        self.app = make()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer with the application that is in force now."""
        return self.app(environ, start_response)

    def reload(self) -> bool:
        """Put the files in force, all anew; False when they have problems and the old ones stay."""
        try:
            if self._followed is not None:
                self._followed.load()
            return self._swap()
        except ContentErrors as problems:
            return self._keep([str(problem) for problem in problems.problems])

    def take_in(self, paths: Iterable[Path]) -> bool:
        """Put the saved files in force; only what they touch is compiled again.

        False when they have problems and what was there before stays.
        """
        if self._followed is None:
            return self.reload()
        try:
            if self._followed.take_in(paths) is None and RELOAD_PROBLEMS not in self.app.config:
                return True  # the same text again
            return self._swap()
        except ContentErrors as problems:
            return self._keep([str(problem) for problem in problems.problems])

    def _swap(self) -> bool:
        """Answer with a new application from now on; raises ContentErrors."""
        try:
            app = self._make()
        except TenantsError as problem:  # `/ready` names no tenant
            self.app.config[RELOAD_PROBLEMS] = [
                "the tenants file has problems; the start shows them"
            ]
            self._tell(f"tenants changed, not in force: {problem}")
            return False
        left_out = app.extensions["left_out"]
        if left_out and not self.app.extensions["left_out"]:
            app.extensions["store"].close()
            return self._keep(left_out)
        old, self.app = self.app, app
        _close_later(old)
        self._tell("guidelines changed, in force now")
        known = app.extensions["tenants"]
        if known != old.extensions["tenants"]:
            lines = [tenant.effective() for tenant in known]
            self._tell("\n  ".join(["tenants changed, in force now:", *lines]))
        return True

    def _keep(self, problems: Sequence[str]) -> bool:
        sentences = _shortened(list(problems))
        self.app.config[RELOAD_PROBLEMS] = sentences
        self._tell("\n".join(["guidelines changed, not in force:", *sentences]))
        return False

    def follow(self, stop: Event | None = None) -> Thread | None:
        """Take in whatever is saved, in a thread that ends with the process.

        None where saves are not followed.
        """
        followed = self._followed
        if followed is None:
            return None

        def run() -> None:
            is_prepared = False
            for changed in watching.changes(followed.root, stop, idle_ms=_QUIET_MS):
                if changed:
                    self.take_in(changed)
                elif is_prepared:
                    continue
                missed = followed.prepare()  # saved before this process began to watch
                if missed:
                    self.take_in(missed)
                is_prepared = True

        thread = Thread(target=run, name="guideline-reload", daemon=True)
        thread.start()
        return thread


def _close_later(app: Flask) -> None:
    """Close its store when the requests that it began are over."""
    timer = Timer(_LONGEST_CALL_S, app.extensions["store"].close)
    timer.daemon = True
    timer.start()


def _shortened(sentences: list[str]) -> list[str]:
    more = len(sentences) - _TOLD
    return [*sentences[:_TOLD], *([f"and {more} more: see cds-service lint"] if more > 0 else [])]
