"""A FHIR server that keeps many reads waiting is asked nothing more, until it answers."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from cds_service.data.guarded_http import NoAnswer
from cds_service.data.waiting import LATE_S, MOST_LATE, Waiting


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def waiting(clock):
    return Waiting(clock)


@pytest.mark.requirement("A5")
def test_beside_many_late_reads_no_further_one_begins(waiting, clock):
    with ExitStack() as reads:
        for _ in range(MOST_LATE):
            reads.enter_context(waiting.reading("a"))
        clock.now = 2 * LATE_S
        with pytest.raises(NoAnswer, match="keeps other reads waiting"), waiting.reading("a"):
            pass


def test_another_server_is_read_meanwhile(waiting, clock):
    with ExitStack() as reads:
        for _ in range(MOST_LATE):
            reads.enter_context(waiting.reading("a"))
        clock.now = 2 * LATE_S
        with waiting.reading("b"):
            pass


def test_many_reads_that_are_not_late_stop_nobody(waiting):
    with ExitStack() as reads:
        for _ in range(10 * MOST_LATE):
            reads.enter_context(waiting.reading("a"))


def test_once_the_late_ones_are_over_the_server_is_read_again(waiting, clock):
    with ExitStack() as reads:
        for _ in range(MOST_LATE):
            reads.enter_context(waiting.reading("a"))
        clock.now = 2 * LATE_S
    with waiting.reading("a"):
        pass
