"""Black-box checks of any CDS service: what it answers, held against CDS Hooks 2.0.1.

Two steps. `observation` asks everything that is to be known over HTTP; the checks then only look
at what was seen, so each of them can be read, and tested, by itself. Nothing here knows how our own
service works, and nothing of it is used to answer a call.
"""

from cds_service.conformance import discovery_checks

# isort: split
from cds_service.conformance import answer_checks

# isort: split
from cds_service.conformance import card_checks

# isort: split
from cds_service.conformance import behaviour_checks
from cds_service.conformance.checking import Level, Result, Status, check_all
from cds_service.conformance.client import LOCAL_PAGE, Client, Unreachable
from cds_service.conformance.observation import Observed, observe

_LISTED = (discovery_checks, answer_checks, card_checks, behaviour_checks)
"""Loading these modules lists their checks, in the order of a report."""

__all__ = [
    "LOCAL_PAGE",
    "Client",
    "Level",
    "Observed",
    "Result",
    "Status",
    "Unreachable",
    "check_all",
    "observe",
]
