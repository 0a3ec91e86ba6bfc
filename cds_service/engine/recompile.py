"""One changed file compiled against everything else, which stays as it was compiled.

For whoever tries many small changes of one content. What a change cannot touch is not even made
again: it is the same object, by which the engine knows that its outcome stands.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cds_service.engine.content import Content, compile_parts
from cds_service.engine.plan_definition import Activity, Plan
from cds_service.engine.source import Problems
from cds_service.versions import RETIRED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet

    from cds_service.engine.linking import Linker
    from cds_service.engine.plan_definition import Action, ActionKey
    from cds_service.engine.source import Source


class Recompiler:
    """The compiled content of some files, and what is needed to compile one of them again."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources = tuple(sources)
        self.content, self._linker = compile_parts(self._sources)

    def with_changed(self, changed: Source, stale: AbstractSet[ActionKey]) -> Content:
        """The content with this file in place of the one of the same name.

        `stale` are the actions of which an expression means something else now, by itself or by
        way of the definitions that it uses; all others are kept. The file keeps its url, structure
        and value sets, and what names it (`can_adopt`). Raises ContentErrors with what is wrong.
        """
        return compile_parts(self._with(changed), self._without(changed, stale))[0]

    def with_rewritten(self, changed: Source) -> Content:
        """The content with this plan in place of the file of the same name, however it differs.

        Raises ContentErrors with what is wrong, there and in what leads to it.
        """
        old = next((item for item in self._sources if item.file == changed.file), None)
        if old is None or _names(old) != _names(changed):
            sources = (*(item for item in self._sources if item is not old), changed)
            return compile_parts(sources)[0]
        plans = self.content.plans.values()
        keys = {action.key_in_files for plan in plans for action in plan.walk()}
        return self.with_changed(changed, {key for key in keys if key[0] == changed.file})

    def can_adopt(self, old: Source, new: Source) -> bool:
        """Whether whatever names the old file names the new one in its place, and nothing else."""
        if _names(old) == _names(new):
            return True
        alone = len(self.content.versions.of(old.canonical)) == 1
        pinned = any(f"{old.canonical}|" in item.text for item in self._sources)
        statuses = {old.resource.get("status"), new.resource.get("status")}
        named_by = ("resourceType", "id", "url", "contained")
        is_same = all(old.resource.get(key) == new.resource.get(key) for key in named_by)
        return is_same and alone and not pinned and RETIRED not in statuses

    def adopt(self, changed: Source, stale: AbstractSet[ActionKey]) -> Content:
        """As `with_changed`, and later changes are made to this content.

        Definitions of the file that nothing uses are looked at too. What raises ContentErrors
        changes nothing here.
        """
        sources = self._with(changed)
        linker = self._without(changed, stale, checks=True)
        self.content, self._linker = compile_parts(sources, linker)
        self._sources = sources
        return self.content

    def _with(self, changed: Source) -> tuple[Source, ...]:
        return tuple(changed if item.file == changed.file else item for item in self._sources)

    def _without(
        self, changed: Source, stale: AbstractSet[ActionKey], *, checks: bool = False
    ) -> Linker:
        """The linker with nothing in it that was compiled from what is stale."""
        was = next(item for item in self._sources if item.file == changed.file)
        old, sifted = self._linker, _Sifted(stale)
        plans = {key: plan for key, plan in old.plans.items() if sifted.is_kept(plan)}
        return replace(
            old,
            versions=old.versions.replaced(was.resource, changed.resource, changed),
            problems=Problems(),
            plans=plans,
            activities={
                key: activity
                for key, activity in old.activities.items()
                if key not in sifted.activities
            },
            scopes={key: scope for key, scope in old.scopes.items() if was.versioned not in key},
            kept=sifted.actions,
            checks=checks,
            _underway=[],  # two threads may each compile a change
        )


@dataclass(frozen=True, slots=True)
class _Sifted:
    """Plans and actions told apart: those that stand, and those with something stale in them."""

    stale: AbstractSet[ActionKey]
    actions: dict[ActionKey, Action] = field(default_factory=dict)
    activities: set[str] = field(default_factory=set)
    plans: dict[str, bool] = field(default_factory=dict)

    def is_kept(self, plan: Plan) -> bool:
        """Whether nothing in the plan, and in the plans that it leads to, is stale."""
        if plan.versioned not in self.plans:
            found = [self._is_action_kept(action) for action in _actions(plan)]
            self.plans[plan.versioned] = all(found)
        return self.plans[plan.versioned]

    def _is_action_kept(self, action: Action) -> bool:
        found = [self._is_action_kept(child) for child in action.actions]
        is_stale = action.key_in_files in self.stale
        if is_stale and isinstance(action.definition, Activity):
            self.activities.add(action.definition.canonical)
        if isinstance(action.definition, Plan):
            found.append(self.is_kept(action.definition))
        if is_stale or not all(found):
            return False
        self.actions[action.key_in_files] = action
        return True


def _names(source: Source) -> tuple[object, ...]:
    """What other files, and the file itself, may refer to it by."""
    named_by = ("resourceType", "id", "url", "version", "status", "contained")
    return tuple(source.resource.get(key) for key in named_by)


def _actions(plan: Plan) -> Iterator[Action]:
    yield from plan.actions
    if plan.budget is not None:
        yield plan.budget.overflow
