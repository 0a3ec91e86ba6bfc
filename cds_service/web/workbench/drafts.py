"""A plan as it is being written, judged against everything else as it is in force; nothing is kept.

The content in force is compiled once more when the first draft of a revision comes, in a form in
which one file can be replaced in milliseconds. Cases run through the very call that answers EHRs.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING

from cds_service import collecting, fhir_json
from cds_service.authoring import lint
from cds_service.engine import Source
from cds_service.engine.recompile import Recompiler
from cds_service.errors import ContentError, ContentErrors, Where

if TYPE_CHECKING:
    from cds_service.engine import Content
    from cds_service.hooks.service import HookService


@dataclass(frozen=True, slots=True)
class Draft:
    """What became of a text: its problems, and the compiled content where it compiles."""

    problems: tuple[ContentError, ...]
    content: Content | None

    @property
    def is_sound(self) -> bool:
        """Whether the service would start with it and FHIR has no objection."""
        return self.content is not None and not self.problems


class Drafts:
    """Compiles drafts against the library in force."""

    def __init__(self, hooks: HookService) -> None:
        self._hooks = hooks
        self._lock = Lock()
        self._revision = ""
        self._recompiler: Recompiler | None = None

    def read(self, file: str, text: str) -> Draft:
        """The draft of this file, with every problem that stands in the way of its use."""
        try:
            source = _source(file, text)
        except ContentError as error:
            return Draft((error,), None)
        objections = tuple(lint.invalid_fhir(source))
        try:
            content = self._in_force().with_rewritten(source)
        except ContentErrors as errors:
            return Draft((*errors.problems, *objections), None)
        return Draft(objections, content)

    def service(self, draft: Draft) -> HookService:
        """The hook service as it would be with the draft saved; the draft must compile."""
        made = copy(self._hooks)
        if draft.content is not None:
            made.library = replace(made.library, content=draft.content)
        return made

    def _in_force(self) -> Recompiler:
        library = self._hooks.library
        with self._lock:
            if self._recompiler is None or self._revision != library.revision:
                with collecting.paused():
                    self._recompiler = Recompiler(library.content.sources)
                self._revision = library.revision
            return self._recompiler


def _source(file: str, text: str) -> Source:
    resource = fhir_json.decode_content(text, file)
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    if kind != "PlanDefinition":
        raise ContentError(
            f"this file holds a PlanDefinition, and the text is a {kind or 'value without a type'}",
            code="not-fhir",
            where=Where(file, line=1, column=1),
        )
    return Source(file, text, resource)
