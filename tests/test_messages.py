"""Texts with facts: what is read, what is refused, and how long a text can become."""

from __future__ import annotations

import pytest

from cds_service.errors import ExpressionError
from cds_service.messages import Text, longest, parse, shape


def rendered(text, branch="other", **facts):
    return parse(text).render(facts.__getitem__, lambda _name, _branches: branch)


def test_facts_stand_where_their_names_stood():
    assert rendered("{a}, then {b}; {a}", a="1", b="2") == "1, then 2; 1"


def test_a_plural_gives_the_chosen_branch_and_its_number():
    text = "{w, plural, =0 {today} one {# week} other {# weeks of {what}}}."

    assert rendered(text, "=0", w="0") == "today."
    assert rendered(text, "one", w="1") == "1 week."
    assert rendered(text, "other", w="3", what="pain") == "3 weeks of pain."


def test_a_number_sign_outside_a_plural_is_just_that():
    assert rendered("#1 {a}", a="x") == "#1 x"


@pytest.mark.parametrize(
    ("text", "offset", "words"),
    [
        ("{", 1, "inside a placeholder"),
        ("a } b", 2, "'}' without"),
        ("{1}", 1, "name of a fact"),
        ("{a b}", 3, "expected ','"),
        ("{a, date}", 8, "'date' is not known"),
        ("{a, plural, one {x}}", 19, "'other'"),
        ("{a, plural, some {x} other {y}}", 16, "'some'"),
        ("{a, plural, one {x} one {y} other {z}}", 23, "'one'"),
        ("{a, plural, other {x}", 21, "inside a placeholder"),
    ],
)
def test_what_does_not_parse_is_refused_at_its_place(text, offset, words):
    with pytest.raises(ExpressionError) as caught:
        parse(text)

    assert caught.value.offset == offset
    assert words in caught.value.message


def test_the_length_is_that_of_the_longest_branch_with_three_characters_for_a_fact():
    assert longest(parse("Pain for {w, plural, one {# week} other {# weeks}}.")) == len(
        "Pain for 123 weeks."
    )


def test_a_translation_has_the_shape_of_its_text_when_facts_and_branches_are_the_same():
    english = parse("{n, plural, one {# day} other {# days}} with {drug}")

    assert shape(parse("{drug}: {n, plural, one {# Tag} other {# Tage}}")) == shape(english)
    assert shape(parse("{drug}: {n} Tage")) != shape(english)
    assert shape(parse("{n, plural, other {# Tage}} {drug}")) != shape(english)


def test_a_text_without_translation_is_english():
    text = Text("Hello", {"nl": "Hallo"})

    assert [text.language_for(name) for name in ("nl", "de")] == ["nl", "en"]
