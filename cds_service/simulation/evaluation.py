"""One patient's record → the cards of every call, through the production call.

`HookService.call` is asked as an EHR asks it. With an older revision beside it, that one is asked
the same, so that the answers can be held against each other.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from cds_service.authoring import case_request
from cds_service.engine.outcome import Verdict
from cds_service.errors import CdsError
from cds_service.hooks.cards import rules_of
from cds_service.simulation import visits
from cds_service.simulation.history import chart_at, is_undated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from cds_service.engine import Service
    from cds_service.hooks.service import HookService
    from cds_service.simulation.visits import Moment, Moments, Period

PSEUDONYM_DIGITS = 16


@dataclass(frozen=True, slots=True, order=True)
class Card:
    """A card that would have been shown: its indicator, and the rules that it carries."""

    indicator: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True, order=True)
class Shown:
    """What one revision answered to a call.

    Attributes:
        cards: in the order of the answer.
        cannot_tell: rules that nobody could judge for lack of data.
        failed: rules with an expression that could not be evaluated.
        problem: the code of the error when the call as a whole was refused, else empty.
    """

    cards: tuple[Card, ...] = ()
    cannot_tell: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    problem: str = ""

    @property
    def rules(self) -> frozenset[str]:
        """The rules that some card carries."""
        return frozenset(rule for card in self.cards for rule in card.rules)


@dataclass(frozen=True, slots=True, order=True)
class Call:
    """One call that an EHR would have made, and what it would have got.

    `at` is the moment in the site's time zone (ISO 8601), `visit` the number of the patient's visit
    among those judged. `before` is the answer of the older revision, where there is one.
    """

    patient: str
    at: str
    visit: int
    hook: str
    orders: int
    shown: Shown
    before: Shown | None = None


@dataclass(frozen=True, slots=True, order=True)
class Judgement:
    """All calls of one patient, by pseudonym; and what of the record has no date."""

    patient: str
    calls: tuple[Call, ...]
    undated_resources: int = 0
    undated_visits: int = 0


@dataclass(frozen=True, slots=True)
class Scope:
    """What is judged, and how.

    Attributes:
        zone: the site's time zone.
        key: the key of the pseudonyms.
        period: the days that count.
        on: judge one visit at this moment instead of the recorded ones.
        hooks: the hooks that the EHR calls.
        profile: the guideline profile.
        keeps_undated: whether resources without a date are in every chart.
        specialty: system and code of the user's; a general practitioner's when None.
    """

    zone: ZoneInfo
    key: bytes
    period: Period
    on: datetime | None = None
    hooks: tuple[str, ...] = visits.HOOKS
    profile: str | None = None
    keeps_undated: bool = True
    specialty: tuple[str, str] | None = None


def _user(specialty: tuple[str, str] | None) -> Mapping[str, Any]:
    """The PractitionerRole of the one who calls."""
    if specialty is None:
        return case_request.GENERAL_PRACTITIONER
    system, code = specialty
    coding = {"system": system, "code": code}
    role = {"resourceType": "PractitionerRole", "id": "user"}
    return {**role, "specialty": [{"coding": [coding]}]}


def kinds(services: Sequence[HookService]) -> frozenset[str]:
    """The resource types that some service asks for, and those of which moments are made."""
    asked = {
        item.resource_type
        for each in services
        for service in each.library.services.values()
        for item in service.requirements
        if item.resource_type is not None
    }
    return frozenset(asked | {"Patient", "Encounter", "MedicationRequest", "ServiceRequest"})


def pseudonym(patient: str, key: bytes) -> str:
    """The name of a patient in every result: a keyed hash, of no use without the key."""
    return hmac.new(key, patient.encode(), hashlib.sha256).hexdigest()[:PSEUDONYM_DIGITS]


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges records by a guideline and, where there is one, its older revision."""

    service: HookService
    scope: Scope
    older: HookService | None = None

    @property
    def kinds(self) -> frozenset[str]:
        """The resource types that matter here."""
        return kinds([self.service, self.older] if self.older else [self.service])

    def judge(self, patient: str, record: Sequence[Mapping[str, Any]]) -> Judgement:
        """Every call for this patient, the id being that of the record."""
        zone, name = self.scope.zone, pseudonym(patient, self.scope.key)
        moments = self._moments(record)
        numbers: dict[str, int] = {}
        calls = [
            call
            for moment in moments.judged
            for call in self._calls(
                name, moment, numbers.setdefault(moment.visit, len(numbers) + 1), record
            )
        ]
        undated = sum(is_undated(item, zone) for item in record if not visits.is_visit(item))
        return Judgement(name, tuple(calls), undated, moments.undated)

    def _moments(self, record: Sequence[Mapping[str, Any]]) -> Moments:
        scope = self.scope
        if scope.on is not None:
            return visits.on(record, scope.on, scope.zone)
        return visits.recorded(record, scope.period, scope.zone)

    def _calls(
        self, name: str, moment: Moment, visit: int, record: Sequence[Mapping[str, Any]]
    ) -> Iterator[Call]:
        hooks = [hook for hook in moment.hooks if hook in self.scope.hooks]
        if not hooks:
            return
        chart = self._chart(moment, record)
        at = moment.at.astimezone(self.scope.zone)
        for hook in hooks:
            yield Call(
                patient=name,
                at=at.isoformat(timespec="seconds"),
                visit=visit,
                hook=hook,
                orders=len(moment.drafts),
                shown=self._shown(self.service, hook, name, moment, chart),
                before=self._shown(self.older, hook, name, moment, chart) if self.older else None,
            )

    def _chart(
        self, moment: Moment, record: Sequence[Mapping[str, Any]]
    ) -> list[Mapping[str, Any]]:
        """What the EHR held: of the encounters the present one alone, and no order as signed."""
        drafts = {(item["resourceType"], item.get("id")) for item in moment.drafts}
        chart = chart_at(
            [item for item in record if item["resourceType"] != "Encounter"],
            moment.at,
            self.scope.zone,
            keeps_undated=self.scope.keeps_undated,
        )
        chart = [item for item in chart if (item["resourceType"], item.get("id")) not in drafts]
        present = [moment.encounter] if moment.encounter is not None else []
        return chart + chart_at(present, moment.at, self.scope.zone, keeps_undated=True)

    def _shown(
        self,
        hooks: HookService,
        hook: str,
        name: str,
        moment: Moment,
        chart: Sequence[Mapping[str, Any]],
    ) -> Shown:
        """What the services of a hook answer, put together."""
        services = [item for item in hooks.library.services.values() if item.hook == hook]
        answers = [self._answer(hooks, item, name, moment, chart) for item in services]
        return Shown(
            cards=tuple(card for each in answers for card in each.cards),
            cannot_tell=tuple(rule for each in answers for rule in each.cannot_tell),
            failed=tuple(rule for each in answers for rule in each.failed),
            problem=next((each.problem for each in answers if each.problem), ""),
        )

    def _answer(
        self,
        hooks: HookService,
        service: Service,
        name: str,
        moment: Moment,
        chart: Sequence[Mapping[str, Any]],
    ) -> Shown:
        call_name = json.dumps([name, moment.at.isoformat(), service.id])
        user = _user(self.scope.specialty)
        described = {
            "name": call_name,
            "data": [*chart, user],
            "draftOrders": moment.drafts,
            "userId": f"{user['resourceType']}/{user['id']}",
        }
        try:
            answer = hooks.call(
                service.id,
                case_request.request_of(described, service),
                now=moment.at.astimezone(self.scope.zone),
                decision_id=uuid5(NAMESPACE_URL, call_name),
                profile=self.scope.profile,
            )
        except CdsError as error:
            return Shown(problem=error.code)
        verdicts = answer.decision.rule_verdicts
        return Shown(
            cards=tuple(
                Card(item["indicator"], rules_of(item)) for item in answer.response["cards"]
            ),
            cannot_tell=tuple(verdicts.get(str(Verdict.CANNOT_TELL), ())),
            failed=tuple(verdicts.get(str(Verdict.ERROR), ())),
        )
