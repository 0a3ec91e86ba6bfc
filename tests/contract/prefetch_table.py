"""What a call must come to, read from the decision table of the requirements (section 4.3).

An oracle written from the words of the table alone. It knows nothing of the code: it maps what the
client sent, whether the FHIR server may be asked, and what that server would give, to what is
known of a key and to the status of the answer.
"""

from __future__ import annotations

MEANING = {
    "data": "whole",
    "an empty Bundle": "empty",
    "null": "empty",
    "absent": "not satisfied",
    "an OperationOutcome": "failed",
    "a warning outcome in a Bundle": "empty",
    "an error outcome in a Bundle": "failed",
    "the wrong type": "not satisfied",
    "page 1 of 2": "first page",
    "another patient's data": "refused",
}
"""Column "Meaning": rows PF-6, PF-7, PF-8, PF-9, PF-12, PF-13; REQ-21."""

GIVES = {
    "gives the data": "whole",
    "gives nothing found": "empty",
    "gives another patient's data": "refused",
    "leads in a circle": "first page",
    "has a second page that fails": "first page",
}
"""What asking comes to; every other server, and every server that may not be asked, gives none."""

MAY_ASK = {
    "a token": True,
    "no token": False,
    "an expired token": False,
    "no token, open servers allowed": True,
}
"""Rows AUTHZ-12, AUTHZ-16, AUTHZ-17."""


def knowledge(value: str, server: str, token: str) -> str:
    """`whole`, `part`, `empty`, `unknown` or `refused`."""
    meaning = MEANING[value]
    if meaning in {"whole", "empty", "refused"}:
        return meaning
    if meaning == "failed":
        return "unknown"
    given = GIVES.get(server, "nothing") if MAY_ASK[token] else "nothing"
    if meaning == "not satisfied":
        return {"nothing": "unknown", "first page": "part"}.get(given, given)
    return {"nothing": "part", "first page": "part", "empty": "whole"}.get(given, given)


def status(known: str, *, is_required: bool) -> int:
    """412 for another patient's data, and for required data that could not be had as a whole."""
    if known == "refused" or (is_required and known in {"unknown", "part"}):
        return 412
    return 200


def is_asked(value: str, server: str, token: str) -> bool:
    """Whether a request may reach the FHIR server: never for what the client settled."""
    is_settled = MEANING[value] not in {"not satisfied", "first page"}
    return MAY_ASK[token] and not is_settled and server != "is not named"
