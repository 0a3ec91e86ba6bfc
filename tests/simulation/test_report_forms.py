"""Pages and Parquet files of a simulation: the same facts as in the table."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict
from html.parser import HTMLParser

import pytest

from cds_service.errors import CohortError
from cds_service.simulation import report
from cds_service.simulation import result as results
from cds_service.simulation.evaluation import Call, Card, Judgement, Shown

NUMB, IMAGING = Card("critical", ("lbpR01",)), Card("warning", ("lbpR16", "lbpR04"))


def call(patient, day, *cards, before=None):
    older = Shown(before) if before is not None else None
    return Call(patient, f"{day}T09:00:00+00:00", 1, "patient-view", 0, Shown(cards), older)


COMPARED = results.of(
    [
        Judgement("aaaa", (call("aaaa", "2024-05-03", NUMB, IMAGING, before=(IMAGING,)),)),
        Judgement("bbbb", (call("bbbb", "2024-06-03", before=(NUMB,)),)),
    ],
    revision="abc",
    against="<older>",
)


class Page(HTMLParser):
    """What a page would load from elsewhere, and its text."""

    def __init__(self, html):
        super().__init__()
        self.loaded, self.tags, self.words = [], set(), []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.loaded += [value for name, value in attrs if name in {"src", "href", "xlink:href"}]

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def page():
    return Page(report.TEXTS["html"](COMPARED))


def test_a_page_stands_for_itself(page):
    assert page.loaded == []
    assert "script" not in page.tags


def test_a_page_has_plots_of_rules_and_months(page):
    assert "svg" in page.tags
    text = " ".join(page.words)
    assert {"lbpR01", "lbpR16", "2024-05", "2024-06"} <= set(re.findall(r"lbp\w+|2024-\d\d", text))


def test_a_page_names_who_gains_and_who_loses_a_rule(page):
    """A gains R01 and keeps the imaging card; B loses R01."""
    assert {"aaaa", "bbbb"} <= set(page.words)


def test_a_page_shows_a_name_as_text(page):
    assert "Against <older>" in page.words


def test_the_difference_is_what_patients_had_and_have():
    (change,) = COMPARED.changes

    assert (change.rule, change.calls_gained, change.calls_lost) == ("lbpR01", 1, 1)
    assert (change.patients_gained, change.patients_lost) == (("aaaa",), ("bbbb",))


def test_the_burden_counts_cards_and_not_their_rules():
    """Two cards, of three rules, in two visits; before, two cards in two visits."""
    assert (COMPARED.tally.cards, COMPARED.tally.cards_per_100_visits) == (2, 100.0)
    assert (COMPARED.older.cards, COMPARED.older.cards_per_100_visits) == (2, 100.0)
    assert [line.rule for line in COMPARED.tally.rules] == ["lbpR01", "lbpR04", "lbpR16"]


def test_a_parquet_file_holds_the_rows(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    file = tmp_path / "calls.parquet"

    report.write(COMPARED, "parquet", file)

    assert parquet.read_table(file).to_pylist() == [
        asdict(row) for row in results.rows(COMPARED.judged)
    ]


def test_a_parquet_file_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(CohortError, match=r"cds-service\[parquet\]"):
        report.write(COMPARED, "parquet", tmp_path / "calls.parquet")
