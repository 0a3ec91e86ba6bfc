"""What a request's `fhirAuthorization` says about itself. Pure; the token is not looked at."""

from __future__ import annotations

from collections.abc import Collection, Mapping


def is_for_another(body: object, client_ids: Collection[str]) -> bool:
    """Whether the access token was issued to another client than us (AUTHZ-6, AUTHZ-15).

    `body` is a request as it came. Where a site names no ids of ours, or the request no `subject`,
    there is nothing to compare. A stranger's token is a sign of a mix-up at the client, no danger
    to us: it is used at the client's own server only.
    """
    authorization = body.get("fhirAuthorization") if isinstance(body, Mapping) else None
    subject = authorization.get("subject") if isinstance(authorization, Mapping) else None
    return bool(client_ids) and isinstance(subject, str) and subject not in client_ids
