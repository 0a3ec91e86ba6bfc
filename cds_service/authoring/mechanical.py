"""Mechanical faults of guideline files: each has one mend, and the mend changes no meaning.

Files are written as `fhir_json.pretty` writes them, members in the author's order; so a mended
file differs from the one before in nothing but its mends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cds_service import fhir_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cds_service.engine import Content, Source
    from cds_service.errors import ContentError

WARNINGS = frozenset({"stray-space", "repeated-entry", "missing-display", "file-format"})
"""The codes of what `lint --fix` mends."""

_TEXTS = frozenset(
    {
        "title", "description", "display", "purpose", "usage", "copyright", "citation", "label",
        "text", "definition", "value", "valueString", "valueMarkdown", "publisher", "reason",
    }
)  # fmt: skip

Step = str | int
Displays = dict[tuple[str, str], str | None]
"""What a code is called by its system and code; None where two files call it differently."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One mechanical fault: where, what is wrong, and the member or entry as it should be.

    `mended` None takes the entry out of its list.
    """

    code: str
    steps: tuple[Step, ...]
    message: str
    mended: Any = None


def findings(content: Content) -> Iterator[ContentError]:
    """Every mechanical fault, at its place."""
    displays = displays_in(content.sources)
    for source in content.sources:
        for fault in faults(source, displays):
            yield source.root.problem(
                fault.message, *fault.steps, code=fault.code, hint="`lint --fix` mends it"
            )


def mended(source: Source, displays: Displays, codes: Iterable[str] = WARNINGS) -> str:
    """The text of a file without its mechanical faults of these codes."""
    wanted = [fault for fault in faults(source, displays) if fault.code in set(codes)]
    if not wanted:
        return source.text
    resource = fhir_json.decode_content(source.text, source.file)
    for fault in reversed(wanted):  # from behind, so that no index moves
        if fault.steps:
            _mend(resource, fault)
    return written(resource)


def written(resource: Any) -> str:
    """The text of a guideline file: two spaces, and a line break at the end."""
    return fhir_json.pretty(resource) + "\n"


def _mend(resource: Any, fault: Fault) -> None:
    holder = resource
    for step in fault.steps[:-1]:
        holder = holder[step]
    if fault.mended is None:
        del holder[fault.steps[-1]]
    else:
        holder[fault.steps[-1]] = fault.mended


# -- finding --------------------------------------------------------------------------------


def faults(source: Source, displays: Displays) -> Iterator[Fault]:
    """The mechanical faults of one file, in its order."""
    if source.text != written(source.resource):
        yield Fault(
            "file-format",
            (),
            "the file is not written in the usual form (two spaces, one line end)",
        )
    yield from _below(source.resource, (), "", displays)


def _below(value: Any, steps: tuple[Step, ...], system: str, displays: Displays) -> Iterator[Fault]:
    """The faults of a JSON value; `system` is that of a concept's include or CodeSystem."""
    if isinstance(value, dict):
        yield from _object(value, steps, system, displays)
    elif isinstance(value, list):
        yield from _list(value, steps, system, displays)
    elif isinstance(value, str) and _member(steps) in _TEXTS and value != value.strip():
        yield Fault("stray-space", steps, "the text begins or ends with a space", value.strip())


def _object(
    value: Mapping[str, Any], steps: tuple[Step, ...], system: str, displays: Displays
) -> Iterator[Fault]:
    system = str(value.get("system", system))
    display = displays.get((system, str(value.get("code"))))
    if display and _is_coding(value, steps) and not {"display", display} & {*value, value["code"]}:
        message = f"the code {value['code']} has no display here; elsewhere it is '{display}'"
        yield Fault("missing-display", steps, message, _displayed(value, display))
        return
    for member, item in value.items():
        yield from _below(item, (*steps, member), system, displays)


def _list(
    value: Sequence[Any], steps: tuple[Step, ...], system: str, displays: Displays
) -> Iterator[Fault]:
    seen: list[Any] = []
    for index, item in enumerate(value):
        if isinstance(item, dict | str) and item in seen:
            yield Fault(
                "repeated-entry", (*steps, index), "the same entry stands in this list before"
            )
        else:
            seen.append(item)
            yield from _below(item, (*steps, index), system, displays)


def _member(steps: tuple[Step, ...]) -> Step:
    """The name of the member that a value is in, lists of texts included."""
    return next((step for step in reversed(steps) if isinstance(step, str)), "")


def _is_coding(value: Mapping[str, Any], steps: tuple[Step, ...]) -> bool:
    return isinstance(value.get("code"), str) and _member(steps) in {"coding", "concept"}


def _displayed(value: Mapping[str, Any], display: str) -> dict[str, Any]:
    """The coding with its display right behind its code."""
    mended: dict[str, Any] = {}
    for member, item in value.items():
        mended[member] = item
        if member == "code":
            mended["display"] = display
    return mended


def displays_in(sources: Iterable[Source]) -> Displays:
    """What each code of another's system is called, wherever a file says it.

    A system of the guideline itself says it once, in its CodeSystem.
    """
    found: Displays = {}
    for source in sources:
        for pair, display in _displays(source.resource, ""):
            found[pair] = display if found.get(pair, display) == display else None
    own = {
        item.canonical
        for item in sources
        if item.resource.get("resourceType") == "CodeSystem"
        and item.resource.get("content") == "complete"
    }
    return {pair: display for pair, display in found.items() if pair[0] not in own}


def _displays(value: Any, system: str) -> Iterator[tuple[tuple[str, str], str]]:
    if isinstance(value, list):
        for item in value:
            yield from _displays(item, system)
    elif isinstance(value, dict):
        system = str(value.get("system", system))
        code, display = value.get("code"), value.get("display")
        if system and isinstance(code, str) and isinstance(display, str) and display.strip():
            yield (system, code), display.strip()
        for item in value.values():
            yield from _displays(item, system)
