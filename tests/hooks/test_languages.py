"""Language choice and texts with facts filled in."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from cds_service.engine import Text
from cds_service.hooks import languages


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, "en"),
        ("", "en"),
        ("nl", "nl"),
        ("de-CH", "de"),
        ("no", "nb"),
        ("nn-NO, en;q=0.5", "nb"),
        ("fr, de;q=0.7, nl;q=0.9", "nl"),
        ("de;q=0, nl;q=0.1", "nl"),
        ("fr", "en"),
        ("*", "en"),
        ("de;q=x, nl;q=0.2", "nl"),
        (";;;,,=", "en"),
    ],
)
def test_the_best_offered_language_is_chosen_and_english_otherwise(header, expected):
    assert languages.negotiate(header) == expected


def test_a_text_without_translation_falls_back_to_the_default():
    text = Text("Hello {name}", {"nl": "Hallo {name}"})

    assert languages.plain_text(text, "nl", {"name": ["you"]}) == "Hallo you"
    assert languages.plain_text(text, "de", {"name": ["you"]}) == "Hello you"


def test_a_fact_that_is_not_there_shows_as_a_dash():
    assert languages.plain_text(Text("{w} weeks", {}), "en", {}) == "– weeks"


@pytest.mark.parametrize(
    "payload",
    [
        "<script>alert(1)</script>",
        "[click](https://evil.example)",
        "![x](https://evil.example/x.png)",
        "https://evil.example",
        "www.evil.example",
        "a@evil.example",
        "**bold** _it_ `code`",
        "# heading",
        "| a | b |",
        "&lt;b&gt;",
        "line\n\n# heading",
        "\u202eright to left",
    ],
)
@pytest.mark.requirement("CARD-28", "G1", "CARD-6")
def test_facts_from_the_chart_stay_text_in_markdown(payload):
    renderer = MarkdownIt("commonmark", {"html": True}).enable("table")
    text = Text("Found: {x}.", {})

    html = renderer.render(languages.markdown(text, "en", {"x": [payload]}))

    assert html.count("<") == 2  # the paragraph around it, nothing else
    assert "\u202e" not in html
    assert "://" not in languages.escape(payload)


def test_a_fact_that_looks_like_a_placeholder_is_shown_as_it_is():
    text = Text("Found: {x}.", {})

    assert languages.plain_text(text, "en", {"x": ["{y}"], "y": ["no"]}) == "Found: {y}."
