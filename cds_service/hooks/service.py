"""One hook call as a story: find the service, get the data, apply the plan, build the cards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cds_service.data import prefetch
from cds_service.data.deadline import Deadline
from cds_service.engine import Outcome, Situation, apply
from cds_service.engine.outcome import Verdict
from cds_service.errors import UnknownService, did_you_mean, short
from cds_service.hooks import (
    adaptation,
    cards,
    decision_record,
    kept_request,
    languages,
    quieting,
    schemas,
    situation,
)
from cds_service.messages import DEFAULT_LANGUAGE
from cds_service.spans import UNTRACED
from cds_service.store import NOTHING_RECALLED, Asking, Decision, Recalled, Sender

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from cds_service.data.fhir_client import FhirReader
    from cds_service.data.plan_library import PlanLibrary
    from cds_service.data.prefetch import Prefetched
    from cds_service.engine import ActionOutcome, Service
    from cds_service.spans import Tracer
    from cds_service.store import KeptRequest, Store
    from cds_service.tenants import Tenant

PROFILES = ("core", "nl", "de", "no")
"""The profiles a site can choose; what they mean stands in the plans, as `%profile`."""

DEFAULT_PROFILE = "core"

RECALL_WITHIN_S = 0.3
"""The longest that a call waits to learn what its user overrode before."""

_LANGUAGE_OF = {"nl": "nl", "de": "de", "no": "nb"}
"""The language of those who work with a profile; the others read English."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to a hook call, its language, what is behind it, and the decision to log.

    The decision's `milliseconds` are for the edge to fill in: there is no clock in here.
    `is_recalled` is False when the store did not tell in time what the user overrode before.
    """

    response: dict[str, Any]
    data: Prefetched
    outcome: Outcome
    decision: Decision
    language: str
    is_recalled: bool


@dataclass(frozen=True, slots=True)
class Question:
    """A hook call that was understood and whose data is there: all that the answer depends on."""

    service: str
    hook_instance: str
    data: Prefetched
    situation: Situation
    reader: cards.Reader
    tenant: Tenant | None
    asking: Asking | None
    deadline: Deadline
    kept: KeptRequest | None


class HookService:
    """The services of one library for one process. Holds nothing about any patient.

    `reader` reads FHIR servers for callers that are not verified; `readers` for each tenant, by id.
    """

    profiles = PROFILES

    def __init__(  # noqa: PLR0913  what the edge wires
        self,
        library: PlanLibrary,
        *,
        reader: FhirReader | None = None,
        deadline_s: float = 2.0,
        store: Store | None = None,
        profile: str = DEFAULT_PROFILE,
        readers: Mapping[str, FhirReader] | None = None,
        keeps_requests: bool = False,
        tracer: Tracer = UNTRACED,
    ) -> None:
        self.library = library
        self.reader = reader
        self.deadline_s = deadline_s
        self.store = store
        self.profile = profile
        self.readers = readers or {}
        self.keeps_requests = keeps_requests
        self._tracer = tracer

    def chosen(self, profile: str | None) -> str:
        """The profile asked for, or this site's; raises UnknownService for one that is not ours."""
        chosen = profile or self.profile
        if chosen not in PROFILES:
            raise UnknownService(
                f"there is no profile '{short(chosen)}'",
                hint=did_you_mean(chosen, PROFILES) or f"the profiles are: {', '.join(PROFILES)}",
            )
        return chosen

    def discovery(
        self, profile: str | None = None, *, tenant: Tenant | None = None
    ) -> dict[str, Any]:
        """The discovery document (CDS Hooks 2.0.1), for the profile in the URL or ours.

        The profile chooses the language too: discovery depends on nothing but its URL (DISC-21)
        and, where it is known, who asks: a tenant sees the services that it may call, in its own
        profile and language.
        """
        chosen = self.chosen(profile or (tenant.profile if tenant else None))
        language = _language_of(chosen, tenant)
        services = [
            service
            for service in self.library.services.values()
            if tenant is None or tenant.is_offered(service.id, service.hook)
        ]
        entries = [_listed(item, chosen, language) for item in services]
        if tenant is not None and tenant.client_profile.version is not None:
            entries = [entry | {"version": tenant.client_profile.version} for entry in entries]
        return {"services": entries}

    def overview(self) -> list[dict[str, Any]]:
        """What the start page shows: per service its id, hook, title, description and prefetch."""
        return [
            {
                "id": service.id,
                "hook": service.hook,
                "title": service.title.default,
                "description": languages.plain_text(
                    service.description, DEFAULT_LANGUAGE, {"profile": PROFILES}
                ),
                "profiles": list(PROFILES),
                "prefetch": service.prefetch,
            }
            for service in self.library.services.values()
        ]

    def call(  # noqa: PLR0913  what the edge knows of a call
        self,
        service_id: str,
        body: object,
        *,
        now: datetime,
        decision_id: UUID,
        profile: str | None = None,
        accept_language: str | None = None,
        tenant: Tenant | None = None,
    ) -> Answer:
        """Answer one hook call at the moment `now`, aware and in the site's time zone.

        `tenant` is who calls, where callers are verified: its FHIR servers are read, its profile
        and language count where the request names none, and cards are as its kind takes them.

        Raises UnknownService, RequestError for a message that does not fit the hook, and
        PrefetchUnavailable when required data cannot be had. A failing expression raises nothing:
        it is a verdict in the outcome.
        """
        question = self.question(
            service_id,
            body,
            now=now,
            decision_id=decision_id,
            profile=profile,
            accept_language=accept_language,
            tenant=tenant,
        )
        return self.answer(question)

    def question(  # noqa: PLR0913  what the edge knows of a call
        self,
        service_id: str,
        body: object,
        *,
        now: datetime,
        decision_id: UUID,
        profile: str | None = None,
        accept_language: str | None = None,
        tenant: Tenant | None = None,
    ) -> Question:
        """The first half of `call`: read the message and get the data. Raises as `call` does."""
        service = self.library.service(service_id)
        chosen = self.chosen(profile or (tenant.profile if tenant else None))
        message = schemas.load_request(body, service.hook)
        deadline = Deadline(self.deadline_s)
        data = prefetch.resolve(
            [
                prefetch.Template(item.key, item.query, item.resource_type, item.need)
                for item in service.requirements
            ],
            message,
            reader=self.readers.get(tenant.id) if tenant else self.reader,
            deadline=deadline,
        )
        language = languages.negotiate(accept_language, otherwise=_language_of(chosen, tenant))
        return Question(
            service=service.id,
            hook_instance=str(message["hookInstance"]),
            data=data,
            situation=situation.of_call(message, data, chosen, now, decision_id),
            reader=cards.Reader(decision_id, language, chosen, now.date()),
            tenant=tenant,
            asking=_asking(message, tenant),
            deadline=deadline,
            kept=kept_request.of(body, data, language) if self.keeps_requests else None,
        )

    def outcome(
        self, question: Question, known: Mapping[str, ActionOutcome] | None = None
    ) -> Outcome:
        """What the plan comes to; `known` as `apply` takes it."""
        service = self.library.service(question.service)
        profile = question.reader.profile
        with self._tracer.span(
            "cds.evaluate", service=service.id, hook=service.hook, profile=profile
        ):
            if known is None:
                return apply(service.plan, question.situation)
            return apply(service.plan, question.situation, known)

    def answer(self, question: Question, remembered: Recalled | None = None) -> Answer:
        """The second half of `call`; what is remembered is given, or asked of the store."""
        return self.answer_of(question, self.outcome(question), remembered)

    def answer_of(
        self, question: Question, outcome: Outcome, remembered: Recalled | None = None
    ) -> Answer:
        """The answer that comes of what the plan came to for this question."""
        service = self.library.service(question.service)
        situation, reader = question.situation, question.reader
        shown = cards.from_outcome(outcome, reader)
        recalled = remembered or (self._recall(question) if shown else NOTHING_RECALLED)
        outcome, quiet = quieting.quieted(outcome, recalled, now=situation.now)
        if quiet:
            shown = cards.from_outcome(outcome, reader)
        if question.tenant is not None:
            shown = adaptation.for_client(shown, question.tenant)
        judged = outcome.by_verdict()
        decision = Decision(
            decision_id=str(situation.decision_id),
            at=situation.now,
            service=service.id,
            hook=service.hook,
            profile=reader.profile,
            plan_revision=self.library.revision,
            hook_instance=question.hook_instance,
            cards=(
                *(decision_record.shown_card(card) for card in shown),
                *(decision_record.quiet_card(card, reader.decision_id) for card in quiet),
                *(
                    decision_record.shadow_cards(outcome, reader.decision_id)
                    if judged[Verdict.SHADOW]
                    else ()
                ),
            ),
            verdicts={verdict.value: len(found) for verdict, found in judged.items()},
            milliseconds=0.0,
            tenant=question.tenant.id if question.tenant else "",
            rule_verdicts=decision_record.rule_verdicts(judged, cards.rules_shown(shown)),
            persons=recalled.persons,
            request=question.kept,
        )
        return Answer(
            response={"cards": shown},
            data=question.data,
            outcome=outcome,
            decision=decision,
            language=reader.language,
            is_recalled=recalled.is_known,
        )

    def _recall(self, question: Question) -> Recalled:
        """What the user overrode for the patient, if the store tells it in time."""
        if self.store is None or question.asking is None:
            return NOTHING_RECALLED
        remaining = question.deadline.remaining()
        return self.store.recall(question.asking, min(remaining, RECALL_WITHIN_S))

    def feedback(
        self, service_id: str, body: object, *, received: datetime, tenant: str = ""
    ) -> int:
        """Store one feedback message durably; the number of its items.

        Raises UnknownService, RequestError, and StoreUnavailable when it cannot be kept.
        """
        service = self.library.service(service_id)
        items = schemas.load_feedback(body)
        if self.store is None:
            raise UnknownService("this service takes no feedback: it runs without a store")
        self.store.add_feedback(Sender(service.id, tenant), items, received=received)
        return len(items)


def _asking(message: Mapping[str, Any], tenant: Tenant | None) -> Asking | None:
    """Who asks, and about whom; None where the call names no user, so that nothing is quiet."""
    context = message["context"]
    if not context.get("userId"):
        return None
    return Asking(
        tenant=tenant.id if tenant else "",
        server=str(message.get("fhirServer") or "").rstrip("/"),
        patient=prefetch.patient_id(context),
        user=str(context["userId"]),
        encounter=context.get("encounterId"),
    )


def _language_of(profile: str, tenant: Tenant | None) -> str:
    """The language where a request names none: the tenant's, else that of the profile."""
    if tenant is not None and tenant.language is not None:
        return tenant.language
    return _LANGUAGE_OF.get(profile, DEFAULT_LANGUAGE)


def _listed(service: Service, profile: str, language: str) -> dict[str, Any]:
    """One entry of discovery; the profile in force stands in its description (safety F.4).

    A translation that awaits its clinical review says so in a sentence of its own.
    """
    facts = {"profile": [profile]}
    description = [languages.plain_text(service.description, language, facts)]
    if language in service.translation_notes:
        description.append(service.translation_notes[language])
    entry: dict[str, Any] = {
        "hook": service.hook,
        "title": languages.plain_text(service.title, language, facts),
        "description": " ".join(description),
        "id": service.id,
    }
    if service.usage:
        entry["usageRequirements"] = languages.plain_text(service.usage, language, facts)
    if service.requirements:
        entry["prefetch"] = service.prefetch
    return entry
