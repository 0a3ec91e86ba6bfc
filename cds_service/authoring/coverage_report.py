"""Coverage as text for a terminal, as JSON for programs, as a page for clinicians."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cds_service.authoring import page
from cds_service.authoring.coverage import OUTCOMES, percent_of
from cds_service.errors import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cds_service.authoring.coverage import Coverage, Covered


def lines(coverage: Coverage) -> Iterator[str]:
    """What was never seen, by plan, then the sum."""
    for plan, conditions in coverage.by_plan.items():
        if any(item.missing for item in conditions):
            yield f"{plan}  {percent_of(conditions):.1f} %"
            for item in conditions:
                if item.missing:
                    yield f"  {_place(item)}: never {', never '.join(item.missing)}"
                    yield f"      {item.place.text}"
    for problem in coverage.problems:
        yield str(problem)
    yield summary(coverage)


def summary(coverage: Coverage) -> str:
    """The numbers in one line."""
    wanted = sum(len(item.wanted) for item in coverage.conditions)
    missing = sum(len(item.missing) for item in coverage.conditions)
    excepted = sum(len(item.excepted) for item in coverage.conditions)
    asked = f"{counted(len(coverage.conditions), 'condition')}, {counted(wanted, 'outcome')}"
    return (
        f"{asked}: {wanted - missing - excepted} seen, "
        f"{excepted} excepted with a reason, {missing} never seen: {coverage.percent:.1f} %"
    )


def _place(item: Covered) -> str:
    where = item.place.where
    words = f" ({item.place.description})" if item.place.description else ""
    return f"{where.file}:{where.line} {item.place.label}{words}"


def as_json(coverage: Coverage) -> dict[str, Any]:
    """The whole report: every condition with what was seen, missing and excepted."""
    return {
        "percent": round(coverage.percent, 2),
        "conditions": [
            {
                "plan": item.place.owner,
                "action": item.place.name,
                "condition": item.place.number,
                "file": item.place.file,
                "line": item.place.where.line,
                "expression": item.place.text,
                "description": item.place.description,
                "seen": {outcome: item.counts.get(outcome, 0) for outcome in item.wanted},
                "missing": list(item.missing),
                "excepted": dict(item.excepted),
            }
            for item in coverage.conditions
        ],
        "problems": [str(problem) for problem in coverage.problems],
    }


def html(coverage: Coverage) -> str:
    """One page: per plan each condition, and how many cases have shown it true, false, unknown."""
    parts = [
        page.section(
            f"{plan}: {percent_of(conditions):.0f} %",
            page.table(
                ["where", "condition", *OUTCOMES],
                ([_where(item), _words(item), *_cells(item)] for item in conditions),
            ),
            is_open=any(item.missing for item in conditions),
        )
        for plan, conditions in coverage.by_plan.items()
    ]
    if coverage.problems:
        problems = "".join(f"<p>{page.mark(item, 'bad')}</p>" for item in coverage.problems)
        parts.insert(0, problems)
    return page.page("What the cases have shown", summary(coverage), parts)


def _where(item: Covered) -> str:
    return f"{page.path(item.place.label)}<br>{page.mark(f'line {item.place.where.line}', 'quiet')}"


def _words(item: Covered) -> str:
    words = page.text(item.place.description) + "<br>" if item.place.description else ""
    return words + page.code(item.place.text)


def _cells(item: Covered) -> Iterator[str]:
    for outcome in OUTCOMES:
        count = item.counts.get(outcome, 0)
        if outcome not in item.wanted:
            yield page.mark("cannot be", "quiet")
        elif outcome in item.excepted:
            yield page.mark(f"excepted: {item.excepted[outcome]}", "quiet")
        elif count:
            yield page.mark(counted(count, "time"), "good")
        else:
            yield page.mark("never", "bad")
