"""Edit: a plan's JSON with what lint says, its cases and their cards as the text stands.

The page sends its text; nothing of it is kept. Only `save` writes, and only where the settings
allow it, over the very file that the page was given, and when the text compiles.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, g, render_template
from werkzeug.exceptions import Conflict, Forbidden, UnprocessableEntity

from cds_service.authoring import lint
from cds_service.errors import RequestError
from cds_service.web.json_bodies import json_answer, json_body
from cds_service.web.workbench import card_view, completion, guidelines, saving
from cds_service.web.workbench.drafts import Drafts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from cds_service.authoring.cases import CaseResult
    from cds_service.errors import ContentError
    from cds_service.web.workbench.bench import Bench
    from cds_service.web.workbench.drafts import Draft
    from cds_service.web.workbench.guidelines import Listed

_AROUND = 2
"""Unchanged lines shown around a change."""


def routes(bench: Bench) -> Blueprint:
    """The page of one plan, and what its script asks for."""
    pages = Blueprint("edit", __name__, url_prefix="/edit")
    editor = _Editor(bench, Drafts(bench.hooks))

    @pages.get("/<plan_id>")
    def page(plan_id: str) -> str:
        """The plan's file as it is on disk, in an editor."""
        listed, path = editor.find(plan_id)
        saved = saving.read(path)
        return bench.page(
            "edit.html",
            here="guidelines",
            plan=listed.plan,
            file=str(listed.file),
            saved=saved,
            can_save=bench.settings.workbench_edit,
        )

    @pages.get("/<plan_id>/names")
    def names(plan_id: str) -> Response:
        """What the editor can complete."""
        listed, _ = editor.find(plan_id)
        return json_answer(completion.names_for(listed.plan, bench.hooks.library))

    @pages.post("/<plan_id>/check")
    def check(plan_id: str) -> Response:
        """What stands in the way of the text: JSON, FHIR, FHIRPath and references."""
        listed, _ = editor.find(plan_id)
        draft = editor.drafts.read(str(listed.file), _text(json_body(), "text"))
        found = _findings(draft.problems, listed, "problem")
        return json_answer({"findings": found, "compiles": draft.content is not None})

    @pages.post("/<plan_id>/trial")
    def trial(plan_id: str) -> Response:
        """The warnings on a text that compiles, its cases, and the cards of the chosen one."""
        listed, _ = editor.find(plan_id)
        body = json_body()
        draft = editor.drafts.read(str(listed.file), _text(body, "text"))
        return json_answer(editor.tried(draft, listed, _text(body, "case")))

    @pages.post("/<plan_id>/changes")
    def changes(plan_id: str) -> Response:
        """The text against the file on disk, as HTML."""
        _, path = editor.find(plan_id)
        return json_answer(
            {"changes": _changes(saving.read(path).text, _text(json_body(), "text"))}
        )

    @pages.post("/<plan_id>/save")
    def save(plan_id: str) -> Response:
        """Write the text into the folder of the guidelines, over the file that was read."""
        listed, path = editor.find(plan_id)
        body = json_body()
        return json_answer(
            {"etag": editor.save(listed, path, _text(body, "text"), _text(body, "etag"))}
        )

    return pages


@dataclass(frozen=True, slots=True)
class _Editor:
    bench: Bench
    drafts: Drafts

    def find(self, plan_id: str) -> tuple[Listed, Path]:
        """The plan and its file on disk; raises UnknownService."""
        listed = guidelines.find(plan_id, self.bench.hooks.library)
        return listed, self.bench.hooks.library.directory / listed.file

    def tried(self, draft: Draft, listed: Listed, chosen: str) -> dict[str, Any]:
        """What cases and lint say of the draft; raises RequestError where it does not compile."""
        if draft.content is None:
            raise RequestError("the text does not compile, so no case can be run with it")
        service = self.drafts.service(draft)
        directory = service.library.directory
        warnings = lint.warnings_in(draft.content, str(listed.file), directory)
        results, broken = guidelines.run_cases(listed, service, self.bench.settings.zone)
        shown = _chosen(results, chosen)
        return {
            "findings": _findings(warnings, listed, "warning"),
            "failed": sum(not result.is_passed for result in results) + len(broken),
            "cases": render_template(
                "workbench/edit_cases.html", t=g.words, results=results, broken=broken, shown=shown
            ),
            "preview": render_template(
                "workbench/edit_preview.html", t=g.words, shown=shown, cards=_cards(shown)
            ),
        }

    def save(self, listed: Listed, path: Path, text: str, over: str) -> str:
        """The tag of the written file; raises Forbidden, UnprocessableEntity and Conflict."""
        if not self.bench.settings.workbench_edit:
            raise Forbidden("nothing is written: start the service with CDS_WORKBENCH_EDIT=yes")
        draft = self.drafts.read(str(listed.file), text)
        if not draft.is_sound:
            raise UnprocessableEntity(
                "nothing was written, because the text has problems: "
                + "; ".join(problem.message for problem in draft.problems)
            )
        try:
            return saving.write(path, text, over=over).etag
        except saving.Changed:
            raise Conflict(
                "nothing was written, because the file has changed on disk since this page read "
                "it: load the page again, and make the changes there"
            ) from None
        except OSError as error:
            raise Conflict(f"nothing was written: {error.strerror} ({listed.file})") from error


def _chosen(results: list[CaseResult], name: str) -> CaseResult | None:
    """The case with this file name; else the first that fails, else the first."""
    named = (result for result in results if result.case.path.name == name)
    failed = (result for result in results if not result.is_passed)
    return next(named, None) or next(failed, None) or next(iter(results), None)


def _cards(result: CaseResult | None) -> list[card_view.CardView]:
    if result is None or result.answer is None:
        return []
    return card_view.views(result.answer.response["cards"])


def _findings(
    found: Iterable[ContentError], listed: Listed, severity: str
) -> list[Mapping[str, Any]]:
    """The findings for the page; one that stands in another file names it and has no line here."""
    told: list[Mapping[str, Any]] = []
    for item in found:
        where = item.where
        is_here = where is None or where.file in {None, str(listed.file)}
        told.append(
            {
                "severity": severity if item.code not in lint.WARNINGS else "warning",
                "message": item.message,
                "hint": item.hint,
                "code": item.code,
                "file": None if is_here or where is None else where.file,
                "path": where.path if where else None,
                "line": where.line if where and is_here else None,
                "column": where.column if where and is_here else None,
            }
        )
    return told


def _changes(saved: str, text: str) -> str:
    lines = difflib.unified_diff(saved.splitlines(), text.splitlines(), lineterm="", n=_AROUND)
    return render_template("workbench/edit_changes.html", t=g.words, lines=list(lines)[2:])


def _text(body: object, member: str) -> str:
    text = body.get(member) if isinstance(body, dict) else None
    if not isinstance(text, str):
        raise RequestError(f"'{member}' must be a text")
    return text
