"""The same services with the observer woven in, for explanations: the production path once more."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

from cds_service import collecting
from cds_service.engine import compile_content

if TYPE_CHECKING:
    from cds_service.hooks.service import HookService


class Traced:
    """Compiles the content in force a second time when an explanation is first asked for."""

    def __init__(self, hooks: HookService) -> None:
        self._hooks = hooks
        self._lock = Lock()
        self._made: HookService | None = None

    def service(self) -> HookService:
        """The hook service over the very sources that answer calls now."""
        library = self._hooks.library
        with self._lock:
            if self._made is None or self._made.library.revision != library.revision:
                made = copy(self._hooks)
                with collecting.paused():
                    content = compile_content(library.content.sources, traced=True)
                made.library = replace(library, content=content)
                self._made = made
            return self._made
