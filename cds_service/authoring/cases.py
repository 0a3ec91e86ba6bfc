"""Runs author-written cases through the very `HookService.call` that answers EHRs.

The format of a case is in `docs/architecture.md`, Cases. A case file with a mistake in it fails
with a sentence that says what and where; it never passes silently.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, UUID, uuid5

from cds_service import fhir_json
from cds_service.authoring import case_content, case_request
from cds_service.data import plan_library
from cds_service.errors import CdsError, ContentError, Where, counted, did_you_mean
from cds_service.hooks import decision_record
from cds_service.hooks.cards import rules_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from zoneinfo import ZoneInfo

    from cds_service.engine import Outcome, Service
    from cds_service.hooks.service import Answer, HookService, Question

MEMBERS = frozenset(
    {
        "name", "now", "hook", "service", "profile", "language", "data", "draftOrders",
        "selections", "userId", "unavailable", "incomplete", "request", case_content.FORCED,
        "expect",
    }
)  # fmt: skip
EXPECTATIONS = frozenset({"status", "cards", "absent", "only", "shadow"})
_NO_DECISION = UUID(int=0)
CARD_EXPECTATIONS = frozenset(
    {"rule", "indicator", "summary", "detail", "suggestions", "actions", "lacks", "count"}
)


@dataclass(frozen=True, slots=True)
class Case:
    """One case file: where it is and what it says."""

    path: Path
    json: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The case's sentence."""
        return str(self.json.get("name", self.path.stem))

    @property
    def now(self) -> str:
        """The date or date-time at which it is judged."""
        return str(self.json.get("now", "2024-06-01"))

    @property
    def language(self) -> str:
        """The language that its user reads."""
        return str(self.json.get("language", "en"))


@dataclass(frozen=True, slots=True)
class CaseResult:
    """A case and what was not as expected; no failures means it passed.

    `shadow` are the rules that apply and are not shown because the guideline only tries them.
    """

    case: Case
    failures: tuple[str, ...]
    answer: Answer | None = field(default=None, compare=False)
    shadow: tuple[str, ...] = ()

    @property
    def is_passed(self) -> bool:
        """Whether everything was as expected."""
        return not self.failures


def case_files(directory: Path) -> Iterator[Path]:
    """The case files below a folder: every JSON file in a folder named `cases`."""
    return (path for path in sorted(directory.rglob("*.json")) if path.parent.name == "cases")


def read(path: Path) -> Case:
    """The case in this file; raises ContentError naming what is wrong with it."""
    json = fhir_json.decode_content(plan_library.text_of(path), str(path))
    if not isinstance(json, dict):
        raise ContentError("a case is a JSON object", code="case", where=Where(str(path)))
    _refuse_unknown(json, MEMBERS, path)
    forced = json.get(case_content.FORCED, [])
    if not isinstance(forced, list) or not all(isinstance(item, str) for item in forced):
        raise ContentError(
            f"{case_content.FORCED} is a list of canonicals, each url|version",
            code="case",
            where=Where(str(path), case_content.FORCED),
        )
    expect = json.get("expect")
    if not isinstance(expect, dict):
        raise ContentError(
            "a case says what it expects", code="case", where=Where(str(path), "expect")
        )
    _refuse_unknown(expect, EXPECTATIONS, path)
    for card in expect.get("cards", ()):
        _refuse_unknown(card, CARD_EXPECTATIONS, path)
        if "rule" not in card:
            raise ContentError(
                "an expected card names its rule",
                code="case",
                where=Where(str(path), "expect.cards"),
            )
    return Case(path, json)


def _refuse_unknown(json: Mapping[str, Any], known: frozenset[str], path: Path) -> None:
    for member in json:
        if member not in known:
            raise ContentError(
                f"a case has no member '{member}'",
                code="case",
                hint=did_you_mean(member, known) or f"known: {', '.join(sorted(known))}",
                where=Where(str(path), member),
            )


def run(case: Case, service: HookService, zone: ZoneInfo) -> CaseResult:
    """Call the service as the case says, and compare."""
    try:
        answer = answer_to(case, service, zone)
    except ContentError as mistake:
        return CaseResult(case, (str(mistake),))
    except CdsError as error:
        return refused(case, error)
    return answered(case, answer)


def refused(case: Case, error: CdsError) -> CaseResult:
    """What comes of a case whose request got this error."""
    wanted = case.json["expect"].get("status", 200)
    if wanted == error.status:
        return CaseResult(case, ())
    return CaseResult(case, (f"expected status {wanted}, got {error.status}: {error}",))


def answered(case: Case, answer: Answer) -> CaseResult:
    """What comes of a case whose request got this answer."""
    shadow = in_shadow(answer.outcome)
    return CaseResult(case, failures(case, answer.response["cards"], shadow), answer, shadow)


def in_shadow(outcome: Outcome) -> tuple[str, ...]:
    """The rules that apply and are only tried: logged, not shown."""
    records = decision_record.shadow_cards(outcome, _NO_DECISION)
    return tuple(dict.fromkeys(rule for record in records for rule in record.rules))


def failures(
    case: Case, cards: list[dict[str, Any]], shadow: Sequence[str] = ()
) -> tuple[str, ...]:
    """What is not as expected of an answer with these cards and rules in shadow, in sentences."""
    expect: Mapping[str, Any] = case.json["expect"]
    found = [*_compare(expect, cards), *differences_in_shadow(expect, shadow)]
    if expect.get("status", 200) != 200:
        found.insert(0, f"expected status {expect['status']}, got 200")
    return tuple(found)


def run_all(
    directory: Path, service: HookService, zone: ZoneInfo, wanted: str = ""
) -> Iterator[CaseResult]:
    """Each case below a folder whose name or file holds the wanted text, run."""
    for path in case_files(directory):
        case = read(path)
        if wanted.lower() in f"{case.name} {path.name}".lower():
            yield run(case, service, zone)


def answer_to(case: Case, service: HookService, zone: ZoneInfo) -> Answer:
    """The production answer to the case's request."""
    versioned = service_for(case, service)
    return versioned.answer(question_of(case, versioned, zone))


def service_for(case: Case, service: HookService) -> HookService:
    """The service as the case wants it: with the versions in force that it names."""
    return case_content.service_for(case.json, service, str(case.path))


def question_of(case: Case, service: HookService, zone: ZoneInfo) -> Question:
    """The case's request as the service understands it, with its data at hand."""
    chosen = _service_of(case, service)
    json = case.json
    case_request.check_keys(json, chosen, str(case.path))
    return service.question(
        chosen.id,
        case_request.request_of(json, chosen),
        now=moment(case.now, zone),
        decision_id=uuid5(NAMESPACE_URL, case.path.name),
        profile=json.get("profile"),
        accept_language=case.language,
    )


def moment(text: str, zone: ZoneInfo) -> datetime:
    """A date or date-time of a case as a moment in the site's time zone; a date means its noon."""
    parsed = datetime.fromisoformat(text if "T" in text else f"{text}T12:00:00")
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)


def _service_of(case: Case, service: HookService) -> Service:
    if "service" in case.json:
        return service.library.service(str(case.json["service"]))
    hook = case.json.get("hook") or case.json.get("request", {}).get("hook")
    for candidate in service.library.services.values():
        if candidate.hook == hook:
            return candidate
    raise ContentError(
        f"no service answers the hook '{hook}'", code="case", where=Where(str(case.path), "hook")
    )


# -- comparing ------------------------------------------------------------------------------


def _compare(expect: Mapping[str, Any], cards: list[dict[str, Any]]) -> Iterator[str]:
    wanted = {card["rule"] for card in expect.get("cards", ())}
    for expected in expect.get("cards", ()):
        yield from _missing(expected, cards)
    for card in cards:
        rules = _rules(card)
        for rule in set(rules) & set(expect.get("absent", ())):
            yield f"{rule} must not appear, but says: {card['summary']}"
        if expect.get("only") and not wanted & set(rules):
            yield f"{', '.join(rules)} was not expected, but says: {card['summary']}"


def differences_in_shadow(expect: Mapping[str, Any], shadow: Sequence[str]) -> Iterator[str]:
    """What is not as expected of the rules that apply in shadow, in sentences."""
    for rule in expect.get("shadow", ()):
        if rule not in shadow:
            yield f"{rule} did not apply in shadow; in shadow: {', '.join(shadow) or 'no rule'}"
    for rule in expect.get("absent", ()):
        if rule in shadow:
            yield f"{rule} must not appear, but applies in shadow"


def _missing(expected: Mapping[str, Any], cards: list[dict[str, Any]]) -> list[str]:
    """What the expected card lacks in the card nearest to it; nothing when one is as expected."""
    rule = expected["rule"]
    found = [card for card in cards if rule in _rules(card)]
    if not found:
        shown = ", ".join(name for card in cards for name in _rules(card))
        return [f"{rule} did not appear; shown: {shown or 'no card'}"]
    if len(found) != expected.get("count", len(found)):
        return [f"{rule}: expected on {counted(expected['count'], 'card')}, is on {len(found)}"]
    return min((differences(expected, card) for card in found), key=len)


def _rules(card: Mapping[str, Any]) -> list[str]:
    return list(rules_of(card))


def differences(expected: Mapping[str, Any], card: Mapping[str, Any]) -> list[str]:
    """What is not as expected of one card that carries the rule, in sentences."""
    return list(_differences(expected, card))


def _differences(expected: Mapping[str, Any], card: Mapping[str, Any]) -> Iterator[str]:
    rule = expected["rule"]
    if expected.get("indicator", card["indicator"]) != card["indicator"]:
        yield f"{rule}: expected indicator {expected['indicator']}, got {card['indicator']}"
    if expected.get("summary", "") not in card["summary"]:
        yield f"{rule}: expected '{expected['summary']}' in the summary '{card['summary']}'"
    for text in as_list(expected.get("detail")):
        if text not in card.get("detail", ""):
            yield f"{rule}: expected '{text}' in the detail:\n{card.get('detail', '(none)')}"
    labels = [item["label"] for item in card.get("suggestions", ())]
    actions = [
        str(action.get("description", ""))
        for item in card.get("suggestions", ())
        for action in item.get("actions", ())
    ]
    yield from _not_offered(rule, "a suggestion", as_list(expected.get("suggestions")), labels)
    yield from _not_offered(rule, "an action", as_list(expected.get("actions")), actions)
    shown = (card["summary"], card.get("detail", ""), *labels, *actions)
    for text in as_list(expected.get("lacks")):
        if any(text in item for item in shown):
            yield f"{rule}: '{text}' must not stand on the card or its suggestions"


def _not_offered(rule: str, what: str, wanted: list[str], offered: list[str]) -> Iterator[str]:
    for text in wanted:
        if not any(text in item for item in offered):
            yield f"{rule}: expected {what} '{text}'; offered: {'; '.join(offered) or 'none'}"


def as_list(value: object) -> list[str]:
    """The texts of a member that may hold none, one or several."""
    if value is None:
        return []
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]
