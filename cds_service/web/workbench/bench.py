"""What every page of the workbench shares: the services, the settings, and who is reading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from flask import current_app, g, render_template, request

from cds_service.hooks import languages
from cds_service.web.reloading import RELOAD_PROBLEMS
from cds_service.web.workbench import words
from cds_service.web.workbench.words import Words

if TYPE_CHECKING:
    from flask import Response

    from cds_service.config import Settings
    from cds_service.hooks.service import HookService
    from cds_service.store import Store
    from cds_service.web.workbench.patients import Patients
    from cds_service.web.workbench.traced import Traced

PAGES = (
    ("try", "workbench.try_it.page"),
    ("guidelines", "workbench.guidelines.plans"),
    ("feedback", "workbench.feedback.page"),
)
"""The pages in the order of the menu, by the key of their name."""

THEMES = ("auto", "light", "dark")
_REMEMBERED_S = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Bench:
    """The parts that the pages are made from; one for the process."""

    hooks: HookService
    traced: Traced
    store: Store
    settings: Settings
    patients: Patients

    def page(self, template: str, **facts: object) -> str:
        """A whole page in the reader's language and theme."""
        return render_template(
            f"workbench/{template}",
            t=g.words,
            theme=g.theme,
            languages=words.NAMES,
            pages=PAGES,
            address=lambda **more: f"?{urlencode({**request.args.to_dict(), **more})}",
            not_in_force=current_app.config.get(RELOAD_PROBLEMS, ()),
            **facts,
        )


def recognise() -> None:
    """Find the reader's language and theme: the address, else the cookie, else the browser."""
    asked = request.args.get("ui") or request.cookies.get("workbench-language")
    language = asked if words.is_known(asked) else None
    g.words = Words(language or languages.negotiate(request.headers.get("Accept-Language")))
    theme = request.args.get("theme") or request.cookies.get("workbench-theme", THEMES[0])
    g.theme = theme if theme in THEMES else THEMES[0]


def remember(response: Response) -> Response:
    """Keep what the address chose for the next pages."""
    for name, chosen, value in (
        ("workbench-language", request.args.get("ui"), g.words.language),
        ("workbench-theme", request.args.get("theme"), g.theme),
    ):
        if chosen == value:
            response.set_cookie(
                name, value, max_age=_REMEMBERED_S, path="/workbench", samesite="Strict",
                httponly=True,
            )  # fmt: skip
    return response
