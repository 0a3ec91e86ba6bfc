"""Which version of a resource a canonical names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.versions import Versions, precedence, split

URL = "https://lbp.example.org/fhir/PlanDefinition/p"


def versions(*numbered):
    """Versions of one url from pairs of version and status; each is its own number."""
    return Versions(
        ({"url": URL, "version": number, "status": status}, number) for number, status in numbered
    )


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("1.9.0", "1.10.0"),
        ("1.0", "1.0.1"),
        ("1.0.0-alpha", "1.0.0-alpha.1"),  # the order of semver.org, rule 11
        ("1.0.0-alpha.1", "1.0.0-alpha.beta"),
        ("1.0.0-alpha.beta", "1.0.0-beta"),
        ("1.0.0-beta.2", "1.0.0-beta.11"),
        ("1.0.0-rc.1", "1.0.0"),
        ("1.2.3+7", "1.2.4"),
        ("v1.9", "2"),
        ("2024-06-01", "2024-10-01"),
        ("2024-06-01", "0.1.0"),
        ("spring 9", "Spring 10"),
        (None, "2024"),
    ],
)
def test_versions_are_ordered(lower, higher):
    assert precedence(lower) < precedence(higher)


@given(st.lists(st.text(max_size=8) | st.none()))
def test_any_versions_can_be_ordered(found):
    assert len(sorted(found, key=precedence)) == len(found)


@pytest.mark.parametrize(
    ("loaded", "expected"),
    [
        ([("1.0.0", "active"), ("1.1.0", "draft")], "1.0.0"),
        ([("1.0.0", "active"), ("1.1.0", "active")], "1.1.0"),
        ([("1.0.0", "draft"), ("1.1.0", "draft")], "1.1.0"),
        ([("1.0.0", "draft"), ("1.1.0", "retired")], "1.0.0"),
        ([("1.0.0", "retired")], None),
    ],
)
def test_a_url_alone_names_the_newest_active_version_else_the_newest_not_retired(loaded, expected):
    assert versions(*loaded).find(URL) == expected


def test_a_version_is_found_by_its_name_also_when_it_is_retired():
    assert versions(("1.0.0", "retired"), ("2.0.0", "active")).find(f"{URL}|1.0.0") == "1.0.0"


def test_a_version_that_is_not_there_is_not_another_one():
    loaded = versions(("1.0.0", "active"), ("2.0.0", "draft"))

    assert loaded.find(f"{URL}|1.5.0") is None
    told = loaded.without(f"{URL}|1.5.0")
    assert f"{URL}|2.0.0 (draft), {URL}|1.0.0 (active)" in told


def test_a_fragment_is_part_of_the_name():
    assert split(f"{URL}|1.0.0#reasons") == (f"{URL}|1.0.0#reasons", None)
