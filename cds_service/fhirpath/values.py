"""The System values that are not plain Python: dates and times, Quantity, Long.

`bool`, `int`, `Decimal` and `str` stand for Boolean, Integer, Decimal and String.
"""

from __future__ import annotations

from cds_service.fhirpath.quantity import Quantity
from cds_service.fhirpath.temporal import Date, DateTime, Temporal, Time

__all__ = ["Date", "DateTime", "Long", "Quantity", "Temporal", "Time"]


class Long(int):
    """A System.Long: an integer of 64 bits, written `5L`."""

    __slots__ = ()
