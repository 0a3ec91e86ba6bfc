"""Results for readers: text for a terminal, JSON for machines, one HTML page to hand on."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from cds_service.authoring import page
from cds_service.conformance.checking import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cds_service.conformance.checking import Result

_TONE = {Status.PASSED: "good", Status.FAILED: "bad", Status.NOT_SEEN: "quiet"}
_MARK = {Status.PASSED: "ok  ", Status.FAILED: "FAIL", Status.NOT_SEEN: "-   "}


def text(results: Sequence[Result], base: str) -> str:
    """One line for each check, with the problems below those that failed, and a last line."""
    lines = []
    for result in results:
        ids = " ".join(result.check.ids)
        lines.append(
            f"{_MARK[result.status]} {result.check.level:6} {result.check.promise} [{ids}]"
        )
        if result.status is not Status.PASSED:
            lines += [f"       {said}" for said in result.said]
    return "\n".join([*lines, "", f"{base}: {verdict(results)}"])


def verdict(results: Iterable[Result]) -> str:
    """Whether the service conforms, in one sentence with the counts."""
    found = list(results)
    counts = Counter(result.status for result in found)
    broken = sum(result.breaks for result in found)
    said = ", ".join(f"{counts[status]} {status}" for status in Status)
    return f"{said}; " + (f"{broken} SHALL broken" if broken else "no SHALL broken")


def as_json(results: Sequence[Result], base: str) -> dict[str, Any]:
    """The whole report; `requirements` has each id with the worst status of its checks."""
    order = [Status.FAILED, Status.PASSED, Status.NOT_SEEN]
    requirements: dict[str, Status] = {}
    for result in results:
        for name in result.check.ids:
            held = requirements.get(name, result.status)
            requirements[name] = min(held, result.status, key=order.index)
    return {
        "service": base,
        "specification": "CDS Hooks 2.0.1",
        "conforms": not any(result.breaks for result in results),
        "requirements": {name: str(status) for name, status in sorted(requirements.items())},
        "checks": [
            {
                "requirements": list(result.check.ids),
                "level": str(result.check.level),
                "promise": result.check.promise,
                "status": str(result.status),
                **({"said": list(result.said)} if result.said else {}),
            }
            for result in results
        ],
    }


def html(results: Sequence[Result], base: str) -> str:
    """One page that needs nothing from elsewhere."""
    table = page.table(("Result", "Level", "Promise", "Requirements"), map(_row, results))
    lead = f"CDS Hooks 2.0.1: {verdict(results)}."
    return page.page(f"Conformance of {base}", lead, [table])


def _row(result: Result) -> tuple[str, str, str, str]:
    said = "".join(f"<li>{page.text(item)}</li>" for item in result.said)
    return (
        page.mark(result.status, _TONE[result.status]),
        page.text(result.check.level),
        page.text(result.check.promise) + (f"<ul>{said}</ul>" if said else ""),
        page.text(", ".join(result.check.ids)),
    )
