"""The report on feedback: counts per rule, month, outcome and reason."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from cds_service.authoring import feedback_plot, feedback_report


def event(month="2024-06", outcome="overridden", rules=("lbpR16",), **members):
    at = f"{month}-03T10:00:00+00:00"
    return {"at": at, "received": at, "outcome": outcome, "rules": rules, **members}


EVENTS = [
    event(reason_code="OR-SPEC"),
    event(reason_code="OR-SPEC"),
    event(),
    event("2024-07", "accepted", ("lbpR16", "lbpR05")),
    event(rules=()),
]


def test_each_rule_of_a_card_is_counted_by_month_and_reason():
    assert feedback_report.as_csv(feedback_report.lines(EVENTS)) == (
        "rule,month,outcome,reason,count\n"
        "lbpR05,2024-07,accepted,-,1\n"
        "lbpR16,2024-06,overridden,-,1\n"
        "lbpR16,2024-06,overridden,OR-SPEC,2\n"
        "lbpR16,2024-07,accepted,-,1\n"
        "unknown card,2024-06,overridden,-,1\n"
    )


def test_a_quiet_card_is_counted_under_the_reason_of_its_override():
    quiet = [
        {
            "at": "2024-06-04T10:00:00+00:00",
            "rules": ["lbpR16"],
            "quieted": {"overridden": "2024-06-03", "reason": reason, "until": None},
        }
        for reason in ("OR-SPEC", "OR-SPEC", None)
    ]
    assert feedback_report.as_csv(feedback_report.lines([], quiet)) == (
        "rule,month,outcome,reason,count\n"
        "lbpR16,2024-06,quiet,-,1\n"
        "lbpR16,2024-06,quiet,OR-SPEC,2\n"
    )


def test_a_reason_from_outside_becomes_no_formula():
    report = feedback_report.lines([event(reason_code="=HYPERLINK(0)")])
    assert ",'=HYPERLINK(0),1\n" in feedback_report.as_csv(report)


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("\x1b[2Jgone", "\ufffd[2Jgone"),
        ("a\nlbpR01  2024-06  accepted  -  900", "a\ufffdlbpR01  2024-06  accepted  -  900"),
        ("\u202eabc", "\ufffdabc"),
        ("x" * 1_000_000, "x" * 60 + "…"),
        ("schmerzärmer", "schmerzärmer"),
    ],
    ids=["terminal", "line", "direction", "length", "letters"],
)
def test_a_reason_from_outside_is_one_short_word_of_the_table(code, shown):
    (line,) = feedback_report.lines([event(reason_code=code)])
    assert line.reason == shown


def test_a_client_whose_clock_is_ahead_is_counted_when_its_message_came():
    (line,) = feedback_report.lines([event("9999-12", received="2024-06-03T10:00:00+00:00")])
    assert line.month == "2024-06"


def test_the_table_has_a_line_for_each_count():
    head, first, *_ = feedback_report.as_text(feedback_report.lines(EVENTS)).splitlines()
    assert head.split() == ["rule", "month", "outcome", "reason", "count"]
    assert first.split() == ["lbpR05", "2024-07", "accepted", "-", "1"]


def test_the_plot_names_the_rules_and_holds_no_script():
    svg = feedback_plot.as_svg(feedback_report.lines(EVENTS))
    root = ET.fromstring(svg)
    assert not [element for element in root.iter() if element.tag.endswith("script")]
    assert "lbpR16" in "".join(root.itertext())
