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
    with collecting.paused():
        kept = []

    oldest = gc.get_objects(generation=2)
    assert any(item is kept for item in oldest)
