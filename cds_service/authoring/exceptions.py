"""What authors have accepted, each with a reason: outcomes that cannot be seen, equivalent mutants.

They are data: `exceptions/coverage.json` and `exceptions/mutation.json` in the guideline folder,
lists of objects. One that no longer fits is an error, so that none outlives its reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cds_service import fhir_json
from cds_service.data import plan_library
from cds_service.errors import ContentError, Where

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

FOLDER = "exceptions"
COVERAGE, MUTATION = "coverage.json", "mutation.json"
_TEXTS = ("owner", "place", "expression", "what", "reason")


@dataclass(frozen=True, slots=True)
class Accepted:
    """One exception, by the text that it is about: a changed expression needs a new look.

    `owner` is the id of the plan or Library, `place` the action's path or the definition's name,
    `what` the outcome never seen, or the change of the mutant. `nth` tells equal ones apart.
    """

    owner: str
    place: str
    expression: str
    what: str
    reason: str
    nth: int = 1
    where: Where | None = None


def read(directory: Path, name: str) -> list[Accepted]:
    """The exceptions in `exceptions/<name>` of a guideline folder; none when there is no file."""
    return [_accepted(entry, where) for entry, where in entries(directory, name)]


def entries(directory: Path, name: str) -> Iterator[tuple[object, Where]]:
    """What the list in `exceptions/<name>` holds, each with its place; raises ContentError."""
    path, file = directory / FOLDER / name, f"{FOLDER}/{name}"
    if not path.is_file():
        return
    text = plan_library.text_of(path)
    found = fhir_json.decode_content(text, file)
    if not isinstance(found, list):
        raise wrong("the exceptions are a JSON list of objects", Where(file))
    for index, entry in enumerate(found):
        line, column = fhir_json.position(text, (index,)) or (None, None)
        yield entry, Where(file, f"[{index}]", line, column)


def _accepted(entry: object, where: Where) -> Accepted:
    if not isinstance(entry, dict):
        raise wrong("an exception is a JSON object", where)
    for member in _TEXTS:
        if not isinstance(entry.get(member), str) or not entry[member].strip():
            raise wrong(f"an exception needs '{member}', a text", where)
    odd = set(entry) - {*_TEXTS, "nth"}
    if odd:
        raise wrong(f"an exception has no member '{min(odd)}'", where)
    return Accepted(**{name: entry[name] for name in _TEXTS}, nth=entry.get("nth", 1), where=where)


def unused(stated: Iterable[Accepted], used: Iterable[Accepted]) -> Iterator[ContentError]:
    """A problem for each exception that was not needed."""
    needed = set(used)
    for item in stated:
        if item not in needed:
            yield ContentError(
                f"the exception for '{item.what}' of {item.owner} {item.place} is not needed: "
                "it was seen, or there is no such expression any more",
                code="stale-exception",
                hint="take it out, or name the expression as it is now",
                where=item.where,
            )


def wrong(message: str, where: Where) -> ContentError:
    """What is wrong with an entry."""
    return ContentError(message, code="exception", where=where)
