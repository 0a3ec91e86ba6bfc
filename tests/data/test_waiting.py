"""A FHIR server that keeps many reads waiting is asked nothing more, until it answers."""

from __future__ import annotations

import contextlib
from contextlib import ExitStack

import pytest

from cds_service.data.guarded_http import NoAnswer, NotInTime
from cds_service.data.waiting import LATE_S, MOST_LATE, PROBE_EVERY_S, REMEMBERED_S, Waiting


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


def assert_shut(waiting):
    with pytest.raises(NoAnswer, match="keeps other reads waiting"), waiting.reading("a"):
        pass


def read(waiting):
    """Raises NoAnswer while the server is shut."""
    with waiting.reading("a"):
        pass


@pytest.mark.requirement("A5")
def test_beside_many_late_reads_no_further_one_begins(waiting, clock):
    with ExitStack() as reads:
        for _ in range(MOST_LATE):
            reads.enter_context(waiting.reading("a"))
        clock.now = 2 * LATE_S
        assert_shut(waiting)


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


def end_late_without_answer(waiting, clock, count=MOST_LATE):
    for _ in range(count):
        with contextlib.suppress(NoAnswer), waiting.reading("a"):
            clock.now += 2 * LATE_S
            raise NoAnswer("not in time")


def end_without_time_of_its_own(waiting):
    with contextlib.suppress(NotInTime), waiting.reading("a"):
        raise NotInTime("did not answer in time")


def probe(waiting, clock, seconds=0.0, failure=None):
    clock.now += PROBE_EVERY_S
    assert waiting.claim_probe("a")
    with waiting.probe("a"):
        clock.now += seconds
        if failure:
            raise failure


@pytest.mark.requirement("A5")
def test_once_the_late_ones_are_over_no_call_is_made_to_wait(waiting, clock):
    end_late_without_answer(waiting, clock)
    assert waiting.is_hanging("a")
    assert_shut(waiting)


@pytest.mark.requirement("A5")
def test_one_probe_at_a_time_tries_whether_it_answers(waiting, clock):
    end_late_without_answer(waiting, clock)
    assert not waiting.claim_probe("a")
    clock.now += PROBE_EVERY_S
    assert waiting.claim_probe("a")
    assert not waiting.claim_probe("a")
    with waiting.probe("a"):
        clock.now += 2 * LATE_S
        raise NoAnswer("not in time")
    assert not waiting.claim_probe("a")
    probe(waiting, clock, failure=NotInTime("did not answer in time"))
    assert_shut(waiting)


@pytest.mark.requirement("A5")
@pytest.mark.parametrize("seconds", [LATE_S / 2, 2 * LATE_S], ids=["soon", "late"])
def test_an_answer_opens_the_server_again(waiting, clock, seconds):
    end_late_without_answer(waiting, clock)
    probe(waiting, clock, seconds)
    read(waiting)


def test_a_refusal_that_comes_soon_is_an_answer_too(waiting, clock):
    end_late_without_answer(waiting, clock)
    probe(waiting, clock, failure=NoAnswer("does not allow this read (403)"))
    read(waiting)


def test_late_reads_count_only_in_a_row(waiting, clock):
    end_late_without_answer(waiting, clock, MOST_LATE - 1)
    with waiting.reading("a"):
        pass
    end_late_without_answer(waiting, clock, MOST_LATE - 1)
    read(waiting)


def test_a_server_that_is_asked_seldom_is_always_asked(waiting, clock):
    end_late_without_answer(waiting, clock)
    clock.now += 2 * REMEMBERED_S
    read(waiting)


def test_a_read_without_time_of_its_own_brings_nothing_back(waiting, clock):
    end_late_without_answer(waiting, clock)
    clock.now += 2 * REMEMBERED_S
    end_without_time_of_its_own(waiting)
    read(waiting)


def test_servers_of_long_ago_are_forgotten(waiting, clock):
    for number in range(1_000):
        with waiting.reading(f"server-{number}"):
            pass
    clock.now = 2 * REMEMBERED_S
    with waiting.reading("one more"):
        assert len(waiting) == 1
