"""The garbage collector is held back while guidelines are compiled, and only then."""

from __future__ import annotations

import gc

import pytest

from cds_service import collecting


def test_nothing_is_collected_in_the_block_and_then_as_before():
    with collecting.paused():
        assert not gc.isenabled()

    assert gc.isenabled()


def test_an_error_in_the_block_leaves_the_collector_as_it_was():
    with pytest.raises(ZeroDivisionError), collecting.paused():
        _ = 1 / 0

    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    try:
        with collecting.paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_the_block_leaves_is_not_looked_through_at_once():
    before = gc.get_stats()[0]["collections"]
    with collecting.paused():
        kept = [[] for _ in range(gc.get_threshold()[0] * 10)]
    few = [[] for _ in range(10)]

    assert gc.get_stats()[0]["collections"] == before
    assert len(kept) > len(few)
