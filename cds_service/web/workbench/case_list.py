"""The cases of all plans in one list: chosen by words, rule, hook, profile and result.

A form that asks by GET, so that a choice has an address and needs no script. Cases run when the
page is asked for, so only the first ones of a wide choice do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Blueprint, request

from cds_service.authoring import cases
from cds_service.authoring.case_content import named_rules, rules_in
from cds_service.errors import ContentError
from cds_service.hooks.service import PROFILES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cds_service.authoring.cases import Case, CaseResult
    from cds_service.data.plan_library import PlanLibrary
    from cds_service.web.workbench.bench import Bench

RUN_AT_MOST = 200
"""Cases that one page runs: a second or two."""

RESULTS = ("pass", "fail")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the reader chose; empty is any."""

    words: str
    rule: str
    hook: str
    profile: str
    result: str

    @classmethod
    def of(cls, chosen: Mapping[str, str]) -> Wanted:
        """The choice of these parameters of the address."""
        names = ("words", "rule", "hook", "profile", "result")
        return cls(*(chosen.get(name, "").strip() for name in names))

    def fits(self, case: Case, profile: str) -> bool:
        """Whether a case is among them, before it runs; `profile` counts where it names none."""
        json = case.json
        hook = json.get("hook") or json.get("request", {}).get("hook")
        return (
            self.words.lower() in f"{case.name} {case.path.name}".lower()
            and self.rule in ("", *(rule for _, rule in named_rules(json)))
            and self.hook in ("", hook)
            and self.profile in ("", json.get("profile", profile))
        )

    def is_result(self, result: CaseResult) -> bool:
        """Whether it came out as wanted."""
        return self.result in ("", RESULTS[0] if result.is_passed else RESULTS[1])


def routes(bench: Bench) -> Blueprint:
    """The list of cases."""
    pages = Blueprint("case_list", __name__)

    @pages.get("/cases")
    def page() -> str:
        """The cases that fit what is chosen, run now; none before something is."""
        hooks, zone = bench.hooks, bench.settings.zone
        library, wanted = hooks.library, Wanted.of(request.args)
        every, broken = _read(library.directory)
        fitting = [case for case in every if request.args and wanted.fits(case, hooks.profile)]
        results = [cases.run(case, hooks, zone) for case in fitting[:RUN_AT_MOST]]
        return bench.page(
            "case_list.html",
            here="guidelines",
            wanted=wanted,
            found=[result for result in results if wanted.is_result(result)],
            run=len(results),
            fitting=len(fitting),
            broken=broken,
            rules=sorted(rules_in(library.content)),
            hooks=sorted({service.hook for service in library.services.values()}),
            profiles=PROFILES,
            plans=_plans(library),
        )

    return pages


def _read(directory: Path) -> tuple[list[Case], list[ContentError]]:
    """Every case below the folder, and what is wrong with the files that are none."""
    found, broken = [], []
    for path in cases.case_files(directory):
        try:
            found.append(cases.read(path))
        except ContentError as problem:
            broken.append(problem)
    return found, broken


def _plans(library: PlanLibrary) -> dict[Path, str]:
    """The id of a plan by the folder of its cases, where each case has a page."""
    files = {source.versioned: source.file for source in library.content.sources}
    return {
        (library.directory / files[plan.versioned]).parent / "cases": plan.id
        for plan in library.content.plans.values()
    }
