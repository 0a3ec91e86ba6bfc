"""Plots as readers see them: labels that can be read, in the order of the table beside them."""

from __future__ import annotations

import re

import pytest

from cds_service.authoring import plot

_LABEL = re.compile(r'<text x="(-?[\d.]+)" y="([\d.]+)"[^>]*>([^<]+)</text>')


def labels(svg):
    """Each text that is written in a picture, with its height in it."""
    return {text: float(y) for _, y, text in _LABEL.findall(svg)}


def test_of_many_columns_some_are_labelled():
    months = [f"{2000 + number // 12}-{number % 12 + 1:02}" for number in range(200)]

    written = labels(plot.columns("Alert burden", "cards", months, {"cards": [1.0] * 200}))

    assert "2000-01" in written
    assert 20 <= len(written.keys() & set(months)) <= 31


def test_of_few_columns_each_is_labelled():
    written = labels(plot.columns("Alert burden", "cards", ["a-1", "b-2"], {"cards": [1.0, 2.0]}))

    assert {"a-1", "b-2"} <= written.keys()


@pytest.mark.parametrize("draw", [plot.rows, plot.paired_rows])
def test_the_first_row_is_at_the_top(draw):
    written = labels(draw("Rules", "visits", ["r-first", "r-last"], {"now": [1.0, 2.0]}))

    assert written["r-first"] < written["r-last"]
