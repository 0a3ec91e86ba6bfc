"""Which cases can notice a change of an expression, and in which order to ask them.

A case can notice it only if it judged an action that holds the expression or leads to it. Cases
beside the plans come first, taken from each plan in turn.
"""

from __future__ import annotations

from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any

from cds_service.authoring.expressions import names_in, reach, uses
from cds_service.fhirpath.parser import parse
from cds_service.messages import parse as parse_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from cds_service.authoring.cases import CaseResult
    from cds_service.authoring.expressions import ActionKey, Place
    from cds_service.engine import ActionOutcome

PlaceKey = tuple[str, tuple[str | int, ...]]
"""File and steps of an expression."""


def key_of(place: Place) -> PlaceKey:
    """What tells expressions apart, hashable."""
    return place.file, place.element.steps


def cases_worth_running(
    found: Sequence[Place], results: Sequence[CaseResult], directory: Path
) -> dict[PlaceKey, list[int]]:
    """For each expression the numbers of the cases that may notice a change of it."""
    mentioned = uses(found)
    judged: dict[ActionKey, set[int]] = {}
    leads: dict[ActionKey, frozenset[str]] = {}
    for number, result in enumerate(results):
        for item in result.answer.outcome.walk() if result.answer else ():
            key = (str(item.action.where.file), str(item.action.where.path))
            judged.setdefault(key, set()).add(number)
            if key not in leads:
                leads[key] = reach(_names_of(item), mentioned)
    beside = _beside(results, directory)
    return {key_of(place): _ordered(place, judged, leads, beside) for place in found}


def _names_of(outcome: ActionOutcome) -> Iterator[str]:
    """The names in the expressions and texts of an action, without the actions below it."""
    own = {key: value for key, value in outcome.action.json.items() if key != "action"}
    for text in _texts(own, "expression"):
        yield from names_in(parse(text))
    for member in ("title", "description"):
        yield from parse_text(str(own.get(member, ""))).names


def _texts(json: Any, member: str) -> Iterator[str]:
    if isinstance(json, list):
        for item in json:
            yield from _texts(item, member)
    elif isinstance(json, dict):
        for key, value in json.items():
            if key == member and isinstance(value, str):
                yield value
            else:
                yield from _texts(value, member)


def _beside(results: Sequence[CaseResult], directory: Path) -> dict[str, list[int]]:
    """The numbers of the cases in each plan's folder."""
    folders: dict[str, list[int]] = {}
    for number, result in enumerate(results):
        folder = result.case.path.parent.parent.resolve().relative_to(directory.resolve())
        folders.setdefault(str(folder), []).append(number)
    return folders


def _ordered(
    place: Place,
    judged: Mapping[ActionKey, set[int]],
    leads: Mapping[ActionKey, frozenset[str]],
    beside: Mapping[str, list[int]],
) -> list[int]:
    actions = [key for key in judged if _holds(key, place, leads)]
    may = set().union(*(judged[key] for key in actions))
    folders = dict.fromkeys(file.rpartition("/")[0] for file, _ in actions)
    turns = zip_longest(*(beside.get(folder, []) for folder in folders))
    near = [number for number in chain.from_iterable(turns) if number in may]
    return list(dict.fromkeys([*near, *sorted(may)]))


def _holds(key: ActionKey, place: Place, leads: Mapping[ActionKey, frozenset[str]]) -> bool:
    """Whether judging this action evaluates the expression, or something that leads to it."""
    if place.kind != "definition":
        return key == place.action
    is_shared = "/Library-" in f"/{place.file}"
    return place.name in leads[key] and (is_shared or key[0] == place.file)
