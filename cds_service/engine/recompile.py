"""One changed file compiled against everything else, which stays as it was compiled.

For whoever tries many small changes of one content. The answer is that of `compile_content` over
the same files; only the time differs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cds_service.engine.content import Content, compile_parts
from cds_service.engine.plan_definition import Plan
from cds_service.engine.source import Problems

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cds_service.engine.linking import Linker
    from cds_service.engine.plan_definition import Action
    from cds_service.engine.source import Source


class Recompiler:
    """The compiled content of some files, and what is needed to compile one of them again."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources = tuple(sources)
        self.content, self._linker = compile_parts(self._sources)

    def with_changed(self, changed: Source) -> Content:
        """The content with this file in place of the one of the same name.

        The file keeps its url and its value sets. Raises ContentErrors with what is wrong.
        """
        sources = tuple(changed if item.file == changed.file else item for item in self._sources)
        linker = self._without(changed)
        content, _ = compile_parts(sources, linker)
        return content

    def _without(self, changed: Source) -> Linker:
        """The linker without what was compiled from this file or by way of it."""
        url, old = changed.canonical, self._linker
        is_library = changed.resource.get("resourceType") == "Library"
        stale = {key for key, plan in old.plans.items() if _depends(plan, url)}
        return replace(
            old,
            by_canonical={**old.by_canonical, url: changed},
            problems=Problems(),
            plans={key: plan for key, plan in old.plans.items() if key not in stale},
            activities={
                key: activity
                for key, activity in old.activities.items()
                if not is_library and key.split("#", 1)[0] != url
            },
            scopes={key: scope for key, scope in old.scopes.items() if url not in key},
        )


def _depends(plan: Plan, url: str) -> bool:
    """Whether the plan is written in, uses the Library of, or leads to the file with this url."""
    if plan.canonical.split("#", 1)[0] == url:
        return True
    libraries: Any = plan.json.get("library", ())
    if url in {str(canonical).split("|", 1)[0] for canonical in libraries}:
        return True
    return any(_leads_to(action, url) for action in plan.actions)


def _leads_to(action: Action, url: str) -> bool:
    definition = action.definition
    if isinstance(definition, Plan) and _depends(definition, url):
        return True
    return any(_leads_to(child, url) for child in action.actions)
