"""What became of the mutants: as text, JSON and a page, against what authors have accepted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cds_service.authoring import exceptions, page
from cds_service.authoring.exceptions import Accepted, unused
from cds_service.authoring.mutation_run import Fate
from cds_service.errors import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cds_service.authoring.mutation_run import Judged, Selection
    from cds_service.data.plan_library import PlanLibrary
    from cds_service.errors import ContentError


@dataclass(frozen=True, slots=True)
class MutationReport:
    """All judged mutants; `accepted` gives the reason for survivors that need no case."""

    judged: tuple[Judged, ...]
    accepted: Mapping[int, str]
    problems: tuple[ContentError, ...]

    @property
    def survivors(self) -> list[Judged]:
        """Those that no case noticed and nobody has accepted."""
        return _survivors(self.judged, self.accepted)

    @property
    def killed(self) -> int:
        """How many some case noticed; those refused at load are not among them."""
        return sum(item.fate is Fate.KILLED for item in self.judged)

    @property
    def refused(self) -> int:
        """How many could not be loaded; they count neither way."""
        return sum(item.fate is Fate.REFUSED for item in self.judged)

    @property
    def percent(self) -> float:
        """Killed, of killed and surviving, in percent."""
        total = self.killed + len(self.survivors)
        return 100.0 * self.killed / total if total else 100.0

    @property
    def by_owner(self) -> Mapping[str, Sequence[Judged]]:
        """The judged mutants by the id of their plan or Library."""
        owners: dict[str, list[Judged]] = {}
        for item in self.judged:
            owners.setdefault(item.mutant.place.owner, []).append(item)
        return owners

    def is_survivor(self, item: Judged) -> bool:
        """Whether no case noticed it and nobody has accepted it."""
        return item.fate is Fate.SURVIVED and id(item) not in self.accepted


def _survivors(judged: Iterable[Judged], accepted: Mapping[int, str]) -> list[Judged]:
    return [item for item in judged if item.fate is Fate.SURVIVED and id(item) not in accepted]


def over(judged: Sequence[Judged], library: PlanLibrary, selection: Selection) -> MutationReport:
    """The report on a library's mutants against the exceptions in its folder."""
    stated = exceptions.read(library.directory, exceptions.MUTATION)
    return report(judged, stated, is_whole=selection.is_whole(library))


def report(
    judged: Sequence[Judged], accepted: Iterable[Accepted], *, is_whole: bool
) -> MutationReport:
    """The report; `is_whole` says that all mutants were judged, so unused exceptions are stale."""
    stated = {_identity(item): item for item in accepted}
    reasons: dict[int, str] = {}
    used, killed = [], []
    for item in judged:
        mutant = item.mutant
        key = (mutant.place.owner, mutant.place.name, mutant.place.text, mutant.change, mutant.nth)
        exception = stated.get(key)
        if exception is not None and item.fate is Fate.SURVIVED:
            reasons[id(item)] = exception.reason
            used.append(exception)
        elif exception is not None:
            killed.append(exception)
    problems = unused(stated.values() if is_whole else killed, used)
    return MutationReport(tuple(judged), reasons, tuple(problems))


def _identity(item: Accepted) -> tuple[str, str, str, str, int]:
    return item.owner, item.place, item.expression, item.what, item.nth


def lines(found: MutationReport) -> Iterator[str]:
    """The survivors by plan, then the sum."""
    for owner, judged in found.by_owner.items():
        left = _survivors(judged, found.accepted)
        if left:
            yield f"{owner}  {len(left)} of {len(judged)} survive"
            for item in left:
                mutant = item.mutant
                nth = f" (number {mutant.nth})" if mutant.nth > 1 else ""
                place = f"{mutant.place.file}:{mutant.line} {mutant.place.label}"
                yield f"  {place}: {mutant.change}{nth}"
                yield f"      {mutant.text}"
    for problem in found.problems:
        yield str(problem)
    yield summary(found)


def summary(found: MutationReport) -> str:
    """The numbers in one line."""
    return (
        f"{counted(len(found.judged), 'mutant')}: {found.killed} killed, "
        f"{len(found.survivors)} survived, {len(found.accepted)} accepted with a reason, "
        f"{found.refused} refused at load: {found.percent:.1f} % killed"
    )


def as_json(found: MutationReport) -> dict[str, Any]:
    """The whole report: every mutant and its fate."""
    return {
        "percent": round(found.percent, 2),
        "mutants": [_as_json(item, found) for item in found.judged],
        "problems": [str(problem) for problem in found.problems],
    }


def _as_json(item: Judged, found: MutationReport) -> dict[str, Any]:
    mutant, place = item.mutant, item.mutant.place
    described = {
        "owner": place.owner,
        "place": place.name,
        "label": place.label,
        "file": place.file,
        "kind": mutant.edit.kind,
        "expression": place.text,
        "what": mutant.change,
        "nth": mutant.nth,
        "fate": str(item.fate),
    }
    if item.case is not None:
        described["case"] = item.case
    if item.fate is Fate.SURVIVED:
        described["line"] = mutant.line
        described["mutant"] = mutant.text
        described["accepted"] = found.accepted.get(id(item))
    return described


def html(found: MutationReport) -> str:
    """One page: per plan how many died, and the survivors with what was changed."""
    parts = [
        page.section(
            f"{owner}: {counted(len(judged), 'change')}, "
            f"{len(_survivors(judged, found.accepted))} unnoticed",
            page.table(
                ["where", "change", "what the guideline would then say", ""],
                (_row(item, found) for item in judged if item.fate is Fate.SURVIVED),
            ),
            is_open=any(found.is_survivor(item) for item in judged),
        )
        for owner, judged in found.by_owner.items()
    ]
    if found.problems:
        parts.insert(0, "".join(f"<p>{page.mark(item, 'bad')}</p>" for item in found.problems))
    return page.page("Changes that the cases notice", summary(found), parts)


def _row(item: Judged, found: MutationReport) -> list[str]:
    mutant = item.mutant
    reason = found.accepted.get(id(item))
    verdict = page.mark(f"accepted: {reason}", "quiet") if reason else page.mark("unnoticed", "bad")
    where = f"{page.path(mutant.place.label)}<br>{page.mark(f'line {mutant.line}', 'quiet')}"
    return [where, page.code(mutant.change), page.code(mutant.text), verdict]
