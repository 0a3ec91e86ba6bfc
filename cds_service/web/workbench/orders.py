"""The orders that the small EHR offers for its pad: FHIR drafts with labels, from `orders.json`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cds_service import fhir_json
from cds_service.hooks.languages import DEFAULT_LANGUAGE

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Order:
    """One order to choose: its group on the page, its label by language, the FHIR draft."""

    id: str
    group: str
    labels: Mapping[str, str]
    resource: Mapping[str, Any]

    def label(self, language: str) -> str:
        """The label in this language, else in English."""
        return self.labels.get(language, self.labels[DEFAULT_LANGUAGE])


@cache
def offered() -> tuple[Order, ...]:
    """Every order, group by group."""
    path = Path(__file__).with_name("orders.json")
    listed = fhir_json.decode_content(path.read_text(encoding="utf-8"), path.name)
    return tuple(
        Order(item["id"], item["group"], item["label"], item["resource"]) for item in listed
    )


def grouped() -> list[tuple[str, list[Order]]]:
    """The orders by group, as they stand on the page."""
    return [(group, list(found)) for group, found in groupby(offered(), lambda order: order.group)]
