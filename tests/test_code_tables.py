"""A directory says of a code what each of its tables says: listed codes, roots, other spellings."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cds_service.code_tables import CodeDirectory, CodeTable

SPELLINGS = {"icd": ("icd", "urn:icd"), "urn:icd": ("icd", "urn:icd")}

systems = st.sampled_from(["icd", "urn:icd", "loinc"])
codes = st.sampled_from(["M54", "M54.5", "M5", "M45", "8310-5", ""])
codings = st.tuples(systems, codes)
contents = st.tuples(st.lists(codings, max_size=4), st.lists(codings, max_size=3))


def table(content):
    listed, roots = content
    made = CodeTable(SPELLINGS)
    for system, code in listed:
        made.add_code(system, code)
    for system, code in roots:
        made.add_root(system, code)
    return made


@given(st.lists(contents, max_size=5), st.tuples(st.one_of(st.none(), systems), codes))
def test_a_directory_finds_exactly_the_tables_that_a_code_is_in(content, coding):
    tables = [table(one) for one in content]

    found = CodeDirectory(tables).tables_with(coding)

    assert set(found) == {one for one in tables if one(*coding)}


def test_looking_a_code_up_leaves_the_directory_as_it_was():
    tables = [table(([("icd", "M54.5")], [])), table(([], [("icd", "M54")]))]
    directory = CodeDirectory(tables)

    first = list(directory.tables_with(("icd", "M54.5")))

    assert directory.tables_with(("icd", "M54.5")) == first == tables
