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

_LONGEST_CALL_S = 30
_TOLD = 5  # of what is wrong; the first is often the cause of the others
RELOAD_PROBLEMS = "RELOAD_PROBLEMS"
"""Key in the application's config: why the changed guidelines are not in force, as sentences."""


class Reloading:
    """A WSGI application that can be replaced while it serves.

    Args:
        make: makes the application from the files as they are now; raises ContentErrors and
            TenantsError.
        tell: shows a line to whoever watches the terminal.
    """

    def __init__(self, make: Callable[[], Flask], tell: Callable[[str], None]) -> None:
        self._make = make
        self._tell = tell
        self.app = make()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer with the application that is in force now."""
        return self.app(environ, start_response)

    def reload(self) -> bool:
        """Put the files in force; False when they have problems and the old ones stay."""
        try:
            app = self._make()
        except ContentErrors as problems:
            return self._keep([str(problem) for problem in problems.problems])
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
        return True

    def _keep(self, problems: Sequence[str]) -> bool:
        sentences = _shortened(list(problems))
        self.app.config[RELOAD_PROBLEMS] = sentences
        self._tell("\n".join(["guidelines changed, not in force:", *sentences]))
        return False

    def follow(self, directory: Path, stop: Event | None = None) -> Thread:
        """Reload whenever a file in `directory` changes, in a thread that ends with the process."""

        def run() -> None:
            for _ in watching.changes(directory, stop):
                self.reload()

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
