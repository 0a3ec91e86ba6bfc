"""Regular expressions: what can take too long is refused, what is accepted is quick."""

from __future__ import annotations

import time

import pytest

from cds_service.errors import EvaluationError
from cds_service.fhirpath import compile as compile_expression
from cds_service.fhirpath.functions.regex import Effort, check, compiled


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+", "(a*)*b", "(a|a)*", "(a|ab)+c", "([a-z]+)*$", "(.*)*", "(a?){50}a{50}",
     r"(\w+\s?)+", r"(a)\1", "(?=a+)b", "(?<!x)a", "(a|b|ab)*c", "a?" * 60 + "a" * 60,
     "(ж|.)*x", "(ж|[^a])*x", r"(жж|\wа)*x", r"(жа|[\p{L}])*x", "(ka|\u212aa)*x",
     r"(\w\w+)*x", "(ж.+)*x", "(a[^b]*)*x", r"(\s[^a]+)*x", "(a+b*)*x", "((,a+)+)+", "(,+)+",
     "(a|aa)" * 40, "x" * 600, "(", "[z-a]", "(?P<n>a)(?P=n)"],
)  # fmt: skip
def test_a_pattern_that_may_hang_or_is_wrong_is_refused(pattern) -> None:
    assert isinstance(check(pattern), str)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("^[A-Z]{2}[0-9]+$", "AB12"),
        (".*Library.*", "x/Library/y"),
        ("(foo|bar)+", "foobar"),
        (r"^\d{4}(-\d{2}(-\d{2})?)?$", "2024-01-31"),
        (r"^[^\s]+(\s[^\s]+)*$", "a code of FHIR"),
        (r"^\w+(\s\w+)*$", "back pain"),
        (r"^urn:oid:[0-2](\.[0-9]+)+$", "urn:oid:2.16.840"),
        (r"^(\d+;)*$", "1;22;333;"),
        ("^([^,]*,){2}", "a,b,c"),
        (r"(\d{2}:)+", "10:20:"),
        (r"^\p{Lu}\p{Ll}*$", "Ærlig"),
        (r"\bL[4-5]\b|\bS1\b", "root S1"),
        ("a.b", "a\nb"),
    ],
)
def test_ordinary_patterns_work(pattern, text) -> None:
    assert isinstance(check(pattern), Effort)
    assert compiled(pattern, None, text).search(text)


@pytest.mark.parametrize(
    "pattern", ["a*a*b", ".*a.*b", "(foo|bar)+x", r"\s+$", "a{0,900}b", r"(\s\S*)*x"]
)
@pytest.mark.requirement("F1")
def test_an_accepted_pattern_is_quick_on_the_longest_text_that_it_accepts(pattern) -> None:
    effort = check(pattern)
    assert isinstance(effort, Effort)
    for text in ("a" * effort.longest_text(), " " * (effort.longest_text() - 1) + "x"):
        started = time.thread_time()
        compiled(pattern, None, text).search(text)
        assert time.thread_time() - started < 5


@pytest.mark.requirement("F1")
def test_a_text_that_is_too_long_for_the_pattern_is_an_error() -> None:
    with pytest.raises(EvaluationError, match="at most"):
        compiled(".*a.*b.*c", None, "x" * 5000)


def test_groups_in_a_substitution() -> None:
    program = compile_expression(r"'2024-05'.replaceMatches('(\\d+)-(\\d+)', '$2/$1 $$')")
    assert program({}) == ["05/2024 $"]


def test_a_group_that_the_pattern_does_not_have_is_an_error() -> None:
    for substitution in ("$3", "${name}"):
        with pytest.raises(EvaluationError, match="has no group"):
            compile_expression(f"'a'.replaceMatches('(a)', '{substitution}')")({})


def test_a_backslash_in_a_substitution_is_itself() -> None:
    assert compile_expression(r"'a'.replaceMatches('a', '\\1')")({}) == ["\\1"]
