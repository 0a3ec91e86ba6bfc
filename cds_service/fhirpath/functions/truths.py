"""Beyond the specification: turning an unknown condition into a definite answer, as CQL does.

`isTrue()` and `isFalse()` are CQL's `is true` and `is false`. They are the only functions whose
answer over incomplete data may differ from that over complete data, because that is their purpose.
"""

from __future__ import annotations

from typing import Any

from cds_service.fhirpath.collection import Truth, truth
from cds_service.fhirpath.functions.registry import BOOLEAN, Table, over_collections

TABLE = Table()


def is_true(items: list[Any]) -> list[Any]:
    """Whether the condition is known to hold."""
    return [truth(items) is Truth.TRUE]


def is_false(items: list[Any]) -> list[Any]:
    """Whether the condition is known not to hold."""
    return [truth(items) is Truth.FALSE]


def is_unknown(items: list[Any]) -> list[Any]:
    """Whether it cannot be told: the condition is empty or unknown."""
    return [truth(items) in {Truth.EMPTY, Truth.UNKNOWN}]


TABLE.declare("isTrue", over_collections(is_true, BOOLEAN), arity=(0, 0), section="CQL is true")
TABLE.declare("isFalse", over_collections(is_false, BOOLEAN), arity=(0, 0), section="CQL is false")
TABLE.declare("isUnknown", over_collections(is_unknown, BOOLEAN), arity=(0, 0), section="CQL")
