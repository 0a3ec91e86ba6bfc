"""The patients of a FHIR server: those to choose from, and a chart as the service itself reads it.

Whatever cannot be read leaves the page without it; the call that follows says why in its answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

from cds_service import fhir_json
from cds_service.data import prefetch
from cds_service.data.deadline import Deadline
from cds_service.data.fhir_client import FhirServer
from cds_service.errors import PrefetchUnavailable
from cds_service.web.workbench.chart import Chart

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cds_service.engine import Service
    from cds_service.hooks.service import HookService

SHOWN = 50
"""The most patients that are offered; any other is found by its id."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The server to choose from and its first patients' names by id; `failure` says why none."""

    base: str
    patients: Mapping[str, str] = field(default_factory=dict)
    failure: str | None = None

    def first(self, preferred: str) -> str:
        """The preferred id if it is offered, else the first one; empty when none is."""
        return preferred if preferred in self.patients else next(iter(self.patients), "")


def choice(hooks: HookService, base: str) -> Choice:
    """The patients of the server, read within the deadline of one call."""
    if hooks.reader is None:
        return Choice(base, failure="no FHIR server is read here")
    answer = hooks.reader.fetch(
        FhirServer(base), f"Patient?_count={SHOWN}", Deadline(hooks.deadline_s)
    )
    found = chain.from_iterable(fhir_json.resources(document) for document in answer.documents)
    charts = [Chart(item, ()) for item in found if item.get("resourceType") == "Patient"]
    names = {item.id: item.name for item in charts[:SHOWN] if item.id}
    return Choice(base, dict(sorted(names.items())), None if names else answer.failure)


def chart(hooks: HookService, service: Service, message: Mapping[str, Any]) -> Chart | None:
    """The chart of the request's patient, as the service reads it; None without a patient."""
    templates = [
        prefetch.Template(item.key, item.query, item.resource_type, item.need)
        for item in service.requirements
    ]
    try:
        read = prefetch.resolve(
            templates, message, reader=hooks.reader, deadline=Deadline(hooks.deadline_s)
        )
    except PrefetchUnavailable:
        return None
    every = tuple(chain.from_iterable(key.resources for key in read.keys.values()))
    patient = next((item for item in every if item.get("resourceType") == "Patient"), None)
    return None if patient is None else Chart(patient, every)
