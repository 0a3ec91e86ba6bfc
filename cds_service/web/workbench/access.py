"""Who may use the workbench: browsers on this machine, and for changes only its own pages.

The service knows no users, so the pages answer loopback addresses under a loopback name only; the
name is checked as well, because a page elsewhere can point its own name at this machine (DNS
rebinding). A request that evaluates something must come from one of our own pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import request
from werkzeug.exceptions import Forbidden

from cds_service import setting_values

if TYPE_CHECKING:
    from flask import Response

CONTENT_SECURITY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def refuse_strangers() -> None:
    """Refuse a request that does not come from this machine; raises Forbidden."""
    host = urlsplit(f"//{request.host}").hostname
    if not is_loopback(request.remote_addr) or not is_loopback(host):
        raise Forbidden(
            "the workbench answers this machine only: open it under http://127.0.0.1 or "
            "http://localhost; behind a proxy that serves others, leave CDS_WORKBENCH off"
        )


def refuse_other_sites() -> None:
    """Refuse a request that another site's page sent; raises Forbidden.

    Browsers say in `Origin` or `Sec-Fetch-Site` whose page sends; what says neither is no browser.
    """
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site")
    if (origin is not None and urlsplit(origin).netloc != request.host) or (
        site not in {None, "same-origin", "none"}
    ):
        raise Forbidden("this address answers the workbench's own pages only")


def is_loopback(host: str | None) -> bool:
    """Whether a name or address means this machine."""
    try:
        return host is not None and setting_values.is_loopback(host)
    except ValueError:
        return False


def protect(response: Response) -> Response:
    """The headers of every workbench answer: nothing from elsewhere, nothing kept, no referrer."""
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.cache_control.no_store = True
    return response
