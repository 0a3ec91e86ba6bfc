"""Simulations in this process: each folder of guidelines is compiled once for all tests."""

from __future__ import annotations

from functools import cache
from zoneinfo import ZoneInfo

from shared_data import REPOSITORY

from cds_service.data import plan_library
from cds_service.hooks.service import HookService
from cds_service.simulation import cohort as cohorts
from cds_service.simulation import evaluation, local_engine, visits
from cds_service.simulation import result as results

PLANS = REPOSITORY / "plan_definitions"
ZONE = ZoneInfo("UTC")
KEY = b"a key that only this test knows"


@cache
def service(plans):
    return HookService(plan_library.load(plans))


def simulated(place, *, plans=PLANS, against=None, on=None, period=None, workers=1):
    """The result over a cohort on disk, on this machine."""
    scope = evaluation.Scope(ZONE, KEY, period or visits.Period(), on=on)
    judge = evaluation.Judge(service(plans), scope, service(against) if against else None)
    found = cohorts.index(cohorts.files_of(place), judge.kinds)
    judged = local_engine.judge_all(judge, found, workers=workers, note=lambda _: None)
    return results.of(judged, revision="", against="older" if against else None)
