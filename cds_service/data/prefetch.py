"""Prefetch: every key a guideline asks for as data, known empty or unknown (section 4.3).

Takes what the request brings, reads the rest from its FHIR server, and refuses to mix patients.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

from cds_service.data.allowance import Allowance
from cds_service.data.fhir_client import Answer, FhirServer, next_link
from cds_service.data.prefetch_values import (
    Key,
    Mismatch,
    Source,
    State,
    is_resource,
    read,
    unknown,
)
from cds_service.data.resource_index import (
    ResourceIndex,
    is_of_another_patient,
    listed,
    patient_names,
)
from cds_service.data.templates import Query, Template, fill, patient_id
from cds_service.errors import PrefetchUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cds_service.data.deadline import Deadline
    from cds_service.data.fhir_client import FhirReader

_KEY = re.compile(r"[A-Za-z0-9_-]{1,40}")
_SHOWN = 3
"""Keys that nobody asked for which an error names; the rest are counted."""

__all__ = ["Key", "Prefetched", "Reading", "State", "Template", "patient_id", "resolve"]

# The reader stops at the deadline and then hands over what it has; this is the time for that.
_GRACE_S = 0.05
_LATE = "the FHIR server did not answer in time"
_MAX_THREADS = 16


@dataclass(frozen=True, slots=True)
class Reading:
    """What a FHIR server gave for one key, in order; `is_cut` when known pages are missing."""

    documents: tuple[Mapping[str, Any], ...]
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Prefetched:
    """All keys of one call, the resources that their references lead to, and what was read."""

    keys: Mapping[str, Key]
    index: ResourceIndex
    readings: Mapping[str, Reading] = field(default_factory=dict)

    def resolve(self, reference: str) -> Mapping[str, Any] | None:
        """The resource at hand that a reference names: from any key, include or draft order."""
        return self.index.resolve(reference)

    @property
    def unavailable(self) -> tuple[str, ...]:
        """The keys that are unknown or of which a part is missing, in the templates' order."""
        return tuple(name for name, key in self.keys.items() if not key.is_complete)

    @property
    def fetched(self) -> tuple[str, ...]:
        """The keys whose data came from the FHIR server, in the templates' order."""
        return tuple(name for name, key in self.keys.items() if key.source == "fhir-server")


def resolve(
    templates: Sequence[Template],
    message: Mapping[str, Any],
    *,
    reader: FhirReader | None,
    deadline: Deadline,
) -> Prefetched:
    """The state of every template's key for one CDS Hooks request (PF-1 to PF-18, VER-2 to VER-4).

    `message` is the decoded request; prefetch keys that no template asks for are ignored (PF-14).
    Keys that are missing are read from its `fhirServer` in parallel, under the one deadline.

    Raises:
        PrefetchUnavailable: a `must` key cannot be obtained, or data is of another patient (412).
        RequestError: an id in the context is no FHIR id (400).
    """
    context = message["context"]
    patient = patient_id(context)
    queries = {template.key: fill(template, context) for template in templates}
    _check_authorized_patient(message, patient)
    found, reads = _from_prefetch(templates, message.get("prefetch") or {}, queries)
    for job, answer in zip(reads, _answers(reads, message, reader, deadline), strict=True):
        found[job.template.key] = _concluded(job, answer)
    drafts = list(_resources_in(context))
    _check_patient(found, drafts, patient)
    keys = {template.key: found[template.key].key for template in templates}
    _check_musts(templates, found, message.get("prefetch") or {})
    documents = [document for each in found.values() for document in each.documents]
    readings = {
        job.template.key: Reading(found[job.template.key].documents, found[job.template.key].is_cut)
        for job in reads
        if len(found[job.template.key].documents) > len(job.first)
    }
    return Prefetched(keys, ResourceIndex(documents + drafts), readings)


def _resources_in(context: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The resources that stand in the context, alone or in an array."""
    for value in context.values():
        yield from filter(is_resource, value if isinstance(value, list) else (value,))


@dataclass(frozen=True, slots=True)
class _Found:
    """A settled key and the documents behind it; `is_cut` when known pages are missing."""

    key: Key
    documents: tuple[Mapping[str, Any], ...] = ()
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class _Read:
    """What is to be read from the FHIR server: a key as a whole, or what follows its first page."""

    template: Template
    query: Query
    lack: str
    first: tuple[Mapping[str, Any], ...] = ()

    def problem(self) -> str | None:
        return None if self.first else self.query.problem

    def run(
        self, reader: FhirReader, server: FhirServer, deadline: Deadline, allowance: Allowance
    ) -> Answer:
        if self.first:
            return reader.follow(server, self.first[0], deadline, allowance)
        return reader.fetch(server, self.query.text or "", deadline, allowance)


def _from_prefetch(
    templates: Sequence[Template], prefetch: Mapping[str, Any], queries: Mapping[str, Query]
) -> tuple[dict[str, _Found], list[_Read]]:
    """The keys that the request itself settles, and what is left to read."""
    found: dict[str, _Found] = {}
    reads: list[_Read] = []
    for template in templates:
        query = queries[template.key]
        try:
            settled = _settled(template, prefetch)
        except Mismatch as lack:
            reads.append(_Read(template, query, str(lack)))
            continue
        if any(next_link(document) for document in settled.documents):
            reads.append(_Read(template, query, "further pages exist", settled.documents))
        found[template.key] = settled
    return found, reads


def _settled(template: Template, prefetch: Mapping[str, Any]) -> _Found:
    if template.key not in prefetch:
        raise Mismatch("it is not in prefetch")
    value = prefetch[template.key]
    if value is None:
        return _Found(Key(template.key, State.EMPTY, source="prefetch"))
    if not is_resource(value):
        raise Mismatch(f"its value in prefetch is {_form(value)}, not a FHIR resource")
    return _Found(read(template.key, template.resource_type, [value], "prefetch"), (value,))


def _form(value: Any) -> str:
    """What JSON it is, in words; the value itself is the client's own and not repeated."""
    if isinstance(value, str):
        return "a string"
    if isinstance(value, list):
        return "an array"
    return "an object without resourceType" if isinstance(value, dict) else "a number or a boolean"


def _answers(
    reads: Sequence[_Read],
    message: Mapping[str, Any],
    reader: FhirReader | None,
    deadline: Deadline,
) -> list[Answer]:
    """One answer per read, by the deadline; what cannot be asked is answered by the reason."""
    server = _server(message)
    if reader is None or server is None:
        return [Answer(job.first, "the request names no FHIR server to read") for job in reads]
    deadline = _token_deadline(message, deadline)
    asked = [job for job in reads if not job.problem()]
    refusal = reader.refusal(server)
    if refusal and reads:
        reader.on_refusal(refusal)
    elif asked and deadline.is_over:
        refusal = "no time is left to ask the FHIR server, or its access token has expired"
    elif asked and (refusal := reader.unresponsive(server)):
        reader.probe(server, asked[0].query.text or "metadata", deadline)
    answers: dict[str, Answer] = {}
    if asked and not refusal:
        with reader.while_waiting() as may_wait:
            if may_wait:
                answers = _in_time(asked, reader, server, deadline)
            else:
                refusal = "too many other calls wait for FHIR servers just now"
    return [
        answers.get(job.template.key) or Answer(job.first, job.problem() or refusal)
        for job in reads
    ]


def _in_time(
    jobs: Sequence[_Read], reader: FhirReader, server: FhirServer, deadline: Deadline
) -> dict[str, Answer]:
    """What each read gave by the deadline, by key; all of them are under way together."""
    allowance = Allowance()
    executor = ThreadPoolExecutor(_MAX_THREADS, thread_name_prefix="fhir-read")
    futures = [
        executor.submit(copy_context().run, job.run, reader, server, deadline, allowance)
        for job in jobs
    ]
    done, _ = wait(futures, deadline.remaining() + _GRACE_S)
    executor.shutdown(wait=False, cancel_futures=True)
    answers = {
        job.template.key: future.result() if future in done else Answer(job.first, _LATE)
        for job, future in zip(jobs, futures, strict=True)
    }
    if reasons := dict.fromkeys(each.failure for each in answers.values() if each.failure):
        reader.on_failure(tuple(reasons))
    return answers


def _server(message: Mapping[str, Any]) -> FhirServer | None:
    base = message.get("fhirServer")
    if not isinstance(base, str) or not base:
        return None
    authorization = message.get("fhirAuthorization") or {}
    token = authorization.get("access_token")
    return FhirServer(
        base, token if isinstance(token, str) else None, authorization.get("token_type", "Bearer")
    )


def _token_deadline(message: Mapping[str, Any], deadline: Deadline) -> Deadline:
    """The deadline, or the token's end of life when that is earlier (AUTHZ-15, AUTHZ-16)."""
    expires_in: Any = (message.get("fhirAuthorization") or {}).get("expires_in")
    try:
        return deadline.at_most(float(expires_in))
    except (TypeError, ValueError):
        return deadline


def _concluded(job: _Read, answer: Answer) -> _Found:
    name = job.template.key
    failure = f"{job.lack}, and {answer.failure}" if answer.failure else None
    if not answer.documents:
        return _Found(unknown(name, failure or job.lack))
    source: Source = "prefetch" if job.first else "fhir-server"
    try:
        key = read(name, job.template.resource_type, answer.documents, source, failure)
    except Mismatch as lack:
        key = unknown(name, f"the FHIR server was asked, but {lack}", source)
    return _Found(key, answer.documents, is_cut=failure is not None)


def _check_authorized_patient(message: Mapping[str, Any], patient: str) -> None:
    authorized = (message.get("fhirAuthorization") or {}).get("patient")
    if isinstance(authorized, str) and authorized.removeprefix("Patient/") != patient:
        raise PrefetchUnavailable(
            "fhirAuthorization.patient is not the patient in context.patientId.",
            keys=(),
            hint="send a token for the patient of this call",
        )


def _check_patient(
    found: Mapping[str, _Found], drafts: Sequence[Mapping[str, Any]], patient: str
) -> None:
    """Refuses data of another patient, wherever it comes from (REQ-21)."""
    resources = {name: list(listed(each.documents)) for name, each in found.items()}
    names = patient_names(patient, chain.from_iterable(resources.values()))
    foreign = [
        name
        for name, behind in (resources | {"": list(listed(drafts))}).items()
        if any(is_of_another_patient(each, patient, names) for _, each in behind)
    ]
    if foreign:
        places = " and ".join(f"key '{name}'" if name else "the context" for name in foreign)
        raise PrefetchUnavailable(
            f"There is data of another patient in {places}; nothing was evaluated.",
            keys=[name for name in foreign if name],
            hint="send only data of the patient in context.patientId",
        )


def _check_musts(
    templates: Sequence[Template], found: Mapping[str, _Found], prefetch: Mapping[str, Any]
) -> None:
    """Answers 412 when required data or pages of it could not be had (PF-4, PF-11, PF-17, PF-18).

    Data that merely shows less than its `total` was obtained: it stays, as incomplete (PF-16). The
    sentence names keys that nobody asked for: the data may stand there.
    """
    missing = [
        each.key
        for each in (found[template.key] for template in templates if template.need == "must")
        if each.key.state is State.UNKNOWN or each.is_cut
    ]
    if missing:
        reasons = "; ".join(f"'{key.key}': {key.reason}" for key in missing)
        raise PrefetchUnavailable(
            f"Required data cannot be had. {reasons}.{_unasked(templates, prefetch)}",
            keys=[key.key for key in missing],
            hint="send these keys in prefetch, or a fhirServer and a token that may read them",
        )


def _unasked(templates: Sequence[Template], prefetch: Mapping[str, Any]) -> str:
    """A sentence on keys of the request that no template has; no text where there are none.

    A key that is not written as one is not repeated, because it is the client's own text.
    """
    asked = {template.key for template in templates}
    others = (name for name in prefetch if name not in asked)
    names = [f"'{name}'" for name in others if _KEY.fullmatch(name)]
    if not names:
        return ""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f" No template asks for {', '.join(names[:_SHOWN])}{more}."
