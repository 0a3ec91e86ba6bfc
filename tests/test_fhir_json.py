"""Plain FHIR JSON: strict in, the same digits out, positions for authors, references compared."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service import fhir_json
from cds_service.errors import ContentError, RequestError

HOSTILE = Path(__file__).parents[2] / "shared" / "data" / "json-hostile"
PATIENTS = Path(__file__).parents[2] / "shared" / "data" / "patients"


def hostile(prefix: str) -> list[pytest.param]:
    files = sorted(HOSTILE.glob(f"{prefix}_*.json"))
    absent = pytest.param(
        HOSTILE / "absent", marks=pytest.mark.skip(reason=f"{HOSTILE.name} is not here")
    )
    return [pytest.param(file, id=file.name) for file in files] or [absent]


@pytest.mark.parametrize("file", hostile("n"))
def test_invalid_json_is_refused(file: Path) -> None:
    with pytest.raises(RequestError) as caught:
        fhir_json.decode(file.read_bytes())

    assert caught.value.code == "invalid-json"
    assert caught.value.hint


@pytest.mark.parametrize("file", hostile("y"))
def test_valid_json_is_accepted_and_written_with_the_same_value(file: Path) -> None:
    if "duplicated_key" in file.name:
        with pytest.raises(RequestError, match="twice"):
            fhir_json.decode(file.read_bytes())
        return
    value = fhir_json.decode(file.read_bytes())

    assert fhir_json.decode(fhir_json.encode(value)) == value


@pytest.mark.parametrize("file", hostile("i"))
def test_doubtful_json_is_either_a_value_that_can_be_written_or_refused(file: Path) -> None:
    try:
        value = fhir_json.decode(file.read_bytes())
    except RequestError:
        return
    json.loads(fhir_json.encode(value))


@pytest.mark.parametrize("text", ["10.0", "1.50", "-0.0", "0.00001", "37.80", "1.0e2"])
def test_decimals_keep_their_digits(text: str) -> None:
    value = fhir_json.decode(text.encode())

    assert isinstance(value, Decimal)
    assert str(Decimal(fhir_json.encode(value).decode())) == str(Decimal(text))


def test_a_decimal_is_written_as_a_number() -> None:
    assert fhir_json.encode({"value": Decimal("10.0")}) == b'{"value":10.0}'


def test_text_is_written_as_utf_8() -> None:
    assert fhir_json.encode("Müller") == '"Müller"'.encode()


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b'{"a": 1,\n "b": x}', "line 2, column 7"),
        ('{"é": 1, b}'.encode(), "line 1, column 10"),
        (b'{"a": ', "line 1, column 7"),
        (b'{"a":\n"\xff"}', "line 2, column 2"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"[NaN]", "line 1, column 2"),
        (b"{} {}", "trailing"),
        (b"1e500", "exponent"),
        (b"1e999999999", "exponent"),
        (b"1e99999999999999999999999", "exponent"),
        (b"1e-500", "exponent"),
        (b"0." + b"1" * 1001, "digits"),
        (b"1" * 5000, "out of range"),
        (b'"\\ud800"', "complete"),
    ],
)
def test_the_message_says_what_is_wrong_and_where(body: bytes, part: str) -> None:
    with pytest.raises(RequestError) as caught:
        fhir_json.decode(body)

    assert part in caught.value.message


def test_the_message_never_quotes_the_data() -> None:
    with pytest.raises(RequestError) as caught:
        fhir_json.decode(b'{"family": "Janssen", "given": ["Jan", Piet]}')

    assert "Jan" not in str(caught.value)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_is_accepted_up_to_the_limit_and_refused_beyond(
    opening: bytes, closing: bytes
) -> None:
    def nested(levels: int) -> bytes:
        return opening * levels + (b"1" if closing == b"}" else b"") + closing * levels

    fhir_json.decode(nested(64))
    for levels in (65, 500, 2000, 1_000_000):
        with pytest.raises(RequestError, match="deeper than 64 levels"):
            fhir_json.decode(nested(levels))


def test_a_smaller_depth_can_be_asked_for() -> None:
    with pytest.raises(RequestError, match="deeper than 1 levels"):
        fhir_json.decode(b"[[]]", max_depth=1)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_value_or_a_request_error(body: bytes) -> None:
    with suppress(RequestError):
        fhir_json.encode(fhir_json.decode(body))


# --- guideline files ---


def test_guideline_files_keep_decimals() -> None:
    value = fhir_json.decode_content('{"value": 10.0}', "plan.json")

    assert str(value["value"]) == "10.0"


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ('{\n  "a": 1,\n  "a": 2\n}', "duplicate-key", 3, 3),
        ('{"x": {"a": 1}, "y": [{"a": 1, "\\u0061": 2}]}', "duplicate-key", 1, 32),
        ('{\n  "é": oops\n}', "invalid-json", 2, 8),
        ('{"a": [1, 2', "invalid-json", 1, 12),
        ("\ufeff{}", "invalid-json", 1, 1),
        ('"\ud800"', "invalid-json", 1, 2),
    ],
)
def test_a_wrong_guideline_file_is_named_with_line_and_column(
    text: str, code: str, line: int, column: int
) -> None:
    with pytest.raises(ContentError) as caught:
        fhir_json.decode_content(text, "back/PlanDefinition.json")

    where = caught.value.where
    assert where is not None
    assert (caught.value.code, where.file) == (code, "back/PlanDefinition.json")
    assert (where.line, where.column) == (line, column)


def test_the_same_key_in_two_objects_is_no_duplicate() -> None:
    text = '[{"a": {"a": 1}}, {"a": [{"a": 1}, {"a": 1}]}]'

    assert fhir_json.decode_content(text, "plan.json") == json.loads(text)


PLAN = """{
  "title": "Rücken: {schmerz}, [x]",
  "action": [
    {"id": "a", "condition": []},
    {"id": "b", "condition": [{"expression": "\\ta = \\"\\ud83d\\ude00\\" and ("}]}
  ]
}"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ([], (1, 1)),
        (["title"], (2, 12)),
        (["action"], (3, 13)),
        (["action", 0, "condition"], (4, 30)),
        (["action", 1], (5, 5)),
        (["action", 1, "condition", 0, "expression"], (5, 46)),
        (["action", 2], None),
        (["action", "id"], None),
        (["nothing"], None),
    ],
)
def test_position_is_where_the_value_at_a_path_starts(
    path: list[str | int], expected: tuple[int, int] | None
) -> None:
    assert fhir_json.position(PLAN, path) == expected


def test_position_of_a_repeated_key_is_that_of_the_value_that_counts() -> None:
    assert fhir_json.position('{"a": 1, "a": 2}', ["a"]) == (1, 15)


@pytest.mark.parametrize(
    ("offset", "expected"),
    [(0, (5, 47)), (1, (5, 49)), (5, (5, 53)), (6, (5, 55)), (7, (5, 67)), (14, (5, 75))],
)
def test_string_position_counts_an_escape_as_one_character(
    offset: int, expected: tuple[int, int]
) -> None:
    path = ["action", 1, "condition", 0, "expression"]

    assert fhir_json.string_position(PLAN, path, offset) == expected


def test_string_position_behind_the_end_is_the_closing_quote() -> None:
    assert fhir_json.string_position('{"a": "xy"}', ["a"], 99) == (1, 10)


def test_string_position_of_something_else_than_a_string_is_unknown() -> None:
    assert fhir_json.string_position(PLAN, ["action"], 0) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.sampled_from([None, 1]), st.booleans())
def test_position_finds_every_value_of_any_json(
    value: object, indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    lines = text.split("\n")
    for path, expected in paths(value):
        place = fhir_json.position(text, path)
        assert place is not None
        rest = "\n".join([lines[place[0] - 1][place[1] - 1 :], *lines[place[0] :]])
        assert json.JSONDecoder().raw_decode(rest)[0] == expected


def paths(
    value: object, at: tuple[str | int, ...] = ()
) -> list[tuple[tuple[str | int, ...], object]]:
    found = [(at, value)]
    if isinstance(value, dict):
        found += [each for key, item in value.items() for each in paths(item, (*at, key))]
    if isinstance(value, list):
        found += [each for index, item in enumerate(value) for each in paths(item, (*at, index))]
    return found


# --- resources and references ---


def test_resources_skips_entries_without_a_resource() -> None:
    patient = {"resourceType": "Patient"}
    bundle = {"entry": [{"resource": patient}, {}, None, {"resource": "x"}, {"resource": {}}]}

    assert list(fhir_json.resources(bundle)) == [patient]


@pytest.mark.parametrize("bundle", [{}, {"entry": None}, {"entry": {}}])
def test_a_bundle_without_entries_has_no_resources(bundle: dict[str, object]) -> None:
    assert list(fhir_json.resources(bundle)) == []


@pytest.mark.requirement("REQ-22")
@pytest.mark.parametrize(
    ("reference", "key"),
    [
        ("Patient/1", ("Patient", "1")),
        ("https://ehr.example.org/fhir/R4/Patient/e-1.x", ("Patient", "e-1.x")),
        ("http://localhost:8080/Patient/1/_history/2", ("Patient", "1")),
        ("Patient/1/_history/2", ("Patient", "1")),
        ("urn:uuid:5C41CECF-cf81", ("urn:uuid", "5c41cecf-cf81")),
        ("#p", None),
        ("Patient?identifier=1", None),
        ("patient/1", None),
        ("1", None),
        ("", None),
        ("ftp://x/Patient/1", None),
        ("a/b/Patient/1", None),
        ("Patient/1/", None),
        ("Patient/1#contained", None),
    ],
)
def test_reference_key_is_type_and_id_without_base_and_version(
    reference: str, key: tuple[str, str] | None
) -> None:
    assert fhir_json.reference_key(reference) == key


@pytest.mark.requirement("REQ-22")
@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("Patient/1", "https://x/fhir/Patient/1", True),
        ("Patient/1", "Patient/1/_history/3", True),
        ("urn:uuid:AB", "Patient/ab", True),
        ("Patient/1", "Patient/2", False),
        ("Patient/1", "Practitioner/1", False),
        ("Patient/a", "Patient/A", False),
        ("#p", "#p", True),
        ("#p", "Patient/p", False),
    ],
)
def test_same_reference_compares_type_and_id(a: str, b: str, same: bool) -> None:
    assert fhir_json.same_reference(a, b) is same


@pytest.mark.parametrize(
    ("resource", "references"),
    [
        ({"subject": {"reference": "Patient/1"}}, ["Patient/1"]),
        ({"patient": {"reference": "Patient/1"}}, ["Patient/1"]),
        ({"beneficiary": {"reference": "Patient/1"}}, ["Patient/1"]),
        ({"for": {"reference": "Patient/1"}}, ["Patient/1"]),
        ({"subject": [{"reference": "Patient/1"}]}, ["Patient/1"]),
        ({"subject": {"display": "a patient"}, "patient": "x"}, []),
        ({}, []),
    ],
)
def test_patient_references_say_whom_a_resource_is_about(
    resource: dict[str, object], references: list[str]
) -> None:
    assert list(fhir_json.patient_references(resource)) == references


@pytest.mark.parametrize(
    "concept",
    [
        {"coding": [{"code": "M54.5"}, {"code": "L03"}]},
        {"coding": [{"code": "M54.5"}, None, {"code": "L03"}]},
        [{"coding": [{"code": "M54.5"}]}, {"text": "pain"}, {"coding": {"code": "L03"}}],
    ],
)
def test_codings_come_from_one_concept_or_several(concept: object) -> None:
    assert [coding["code"] for coding in fhir_json.codings(concept)] == ["M54.5", "L03"]


@pytest.mark.parametrize("concept", [None, "text", {"text": "pain"}, {"coding": None}, []])
def test_what_has_no_codings_gives_none(concept: object) -> None:
    assert list(fhir_json.codings(concept)) == []


@pytest.mark.skipif(not PATIENTS.exists(), reason="shared/data/patients is not here")
def test_real_patients_come_back_with_the_same_numbers() -> None:
    for file in sorted(PATIENTS.glob("*.json")):
        expected = json.loads(file.read_text("utf-8"), parse_float=Decimal)
        again = json.loads(
            fhir_json.encode(fhir_json.decode(file.read_bytes())), parse_float=Decimal
        )
        assert again == expected


@pytest.mark.requirement("GEN-12")
@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":2}',
        b'{"a" : 1, "\\u0061"\n: 2}',
        b'[{"x": {"b": null, "b": null}}]',
        b'{"a": ": ", "a": 1}',
    ],
)
def test_a_message_with_a_member_twice_is_refused(body):
    with pytest.raises(RequestError) as caught:
        fhir_json.decode(body)
    assert caught.value.code == "duplicate-key"


@pytest.mark.parametrize(
    "value", [{"a": ": b", "b\\": '":'}, {'"': '" :', "c": [{"c": '\\":'}]}, [{"a": 1}, {"a": 2}]]
)
def test_colons_and_quotes_in_strings_are_no_members(value):
    for separators in ((",", ":"), (", ", " : ")):
        assert fhir_json.decode(json.dumps(value, separators=separators).encode()) == value
