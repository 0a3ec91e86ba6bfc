"""Work spread over processes: each portion once, and errors come back."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from cds_service import forking
from cds_service.errors import CohortError

if TYPE_CHECKING:
    from collections.abc import Iterator


def squares(numbers: Iterator[int]) -> Iterator[int]:
    for number in numbers:
        if number < 0:
            raise CohortError(f"{number} is no portion")
        yield number * number


def broken(numbers: Iterator[int]) -> Iterator[int]:
    for number in numbers:
        yield 1 // number


def test_each_portion_is_worked_on_once() -> None:
    found = list(forking.spread(squares, range(50), workers=3))

    assert sorted(found) == [number * number for number in range(50)]


def test_an_error_in_the_content_of_the_work_comes_back_in_its_words() -> None:
    with pytest.raises(CohortError, match="-1 is no portion"):
        list(forking.spread(squares, [1, -1], workers=2))


def test_a_process_that_ends_with_a_bug_is_told() -> None:
    with pytest.raises(RuntimeError, match="ended with an error"):
        list(forking.spread(broken, [0], workers=1))


def test_nothing_stays_frozen_behind_it() -> None:
    list(forking.spread(squares, [1], workers=1))

    assert gc.get_freeze_count() == 0
