"""The editor's answers: what it says of a text, what it writes, and when it refuses to."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from contract.clients import client_with
from one_rule import cut

from cds_service.authoring import lint

HERE = {"base_url": "http://127.0.0.1:8080"}
FILE = "imaging/R19/PlanDefinition.json"
AT_55_DAYS = "MRI for sciatica at 55 days is not routine"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return cut(tmp_path_factory.mktemp("edit") / "plans", "imaging/R19")


@pytest.fixture(scope="module")
def reader(folder):
    """The workbench over the folder; it may not write."""
    settings = {"DATABASE_URL": f"sqlite:///{folder.parent}/read.sqlite3", "PLANS": str(folder)}
    return client_with(WORKBENCH="yes", THREADS="6", **settings).app.test_client()


@pytest.fixture(scope="module")
def writer(folder):
    """The workbench over the folder; it may write."""
    settings = {"DATABASE_URL": f"sqlite:///{folder.parent}/write.sqlite3", "PLANS": str(folder)}
    return client_with(WORKBENCH="yes", WORKBENCH_EDIT="yes", **settings).app.test_client()


@pytest.fixture
def file(folder):
    """The plan's file, put back after the test."""
    path = folder / FILE
    text = path.read_text()
    yield path
    path.write_text(text)


def ask(client, what: str, **body):
    return client.post(f"/workbench/edit/lbpR19/{what}", json=body, **HERE)


def etag(client) -> str:
    return client.get("/workbench/edit/lbpR19", **HERE).text.split('data-etag="')[1].split('"')[0]


def problems(client, text: str) -> list[dict]:
    return ask(client, "check", text=text).json["findings"]


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_a_plan_as_it_is_on_disk_has_no_problem(reader, file):
    assert ask(reader, "check", text=file.read_text()).json == {"findings": [], "compiles": True}


def test_json_that_breaks_off_is_found_at_its_line(reader):
    (found,) = problems(reader, '{\n  "resourceType": "PlanDefinition",\n  "id": }')

    assert (found["line"], found["severity"]) == (3, "problem")


def test_a_mistake_in_fhirpath_is_found_at_its_character(reader, file):
    text = file.read_text().replace("lrsGe(%W8).isTrue().not()", "lrsGe(%W8).isTru().not()")
    (found,) = problems(reader, text)

    place = line_of(text, "isTru()")
    assert (found["line"], found["code"]) == (place, "unknown-function")
    assert text.splitlines()[place - 1][found["column"] - 1 :].startswith("isTru()")


def test_what_fhir_objects_to_is_found_at_its_element(reader, file):
    text = file.read_text().replace('"status": "draft",\n  "', '"status": 7,\n  "', 1)
    (found,) = problems(reader, text)

    assert (found["line"], found["code"]) == (line_of(text, '"status": 7'), "fhir")


@pytest.mark.parametrize("text", ["[]", "7", '{"resourceType": "Library"}'])
def test_a_text_that_is_no_plan_is_a_problem(reader, text):
    assert [item["code"] for item in problems(reader, text)] == ["not-fhir"]


def test_a_url_that_another_plan_has_is_a_problem(reader, file):
    text = file.read_text().replace(
        "https://lbp.example.org/fhir/PlanDefinition/lbpR19",
        "https://lbp.example.org/fhir/PlanDefinition/low-back-pain-order-sign",
    )

    assert "duplicate-url" in {item["code"] for item in problems(reader, text)}


def test_a_changed_threshold_makes_the_case_at_it_fail(reader, file):
    text = file.read_text().replace("lrsGe(%W8).isTrue()", "lrsGe(%W6).isTrue()")
    tried = ask(reader, "trial", text=text, case="").json

    assert tried["failed"] >= 1
    assert AT_55_DAYS in tried["cases"].split('<li class="pass">')[0]


def test_texts_that_are_looked_at_at_once_do_not_disturb_each_other(reader, file):
    text = file.read_text()
    with ThreadPoolExecutor(6) as threads:
        found = list(
            threads.map(lambda _: problems(reader.application.test_client(), text), range(18))
        )

    assert found == [[]] * 18


def test_a_draft_changes_nothing_for_the_next_one(reader, file):
    text = file.read_text()
    ask(reader, "trial", text=text.replace("lrsGe(%W8).isTrue()", "lrsGe(%W6).isTrue()"), case="")

    assert ask(reader, "trial", text=text, case="").json["failed"] == 0


def test_a_draft_without_its_contained_value_set_is_compiled_as_a_whole(reader, file):
    plan = json.loads(file.read_text())
    del plan["contained"]

    found = problems(reader, json.dumps(plan))
    assert "unknown-value-set" in {item["code"] for item in found}


def test_the_preview_shows_a_changed_title_on_the_card(reader, file):
    title = "LRS is a clinical diagnosis: MRI now only if it would change treatment."
    text = file.read_text().replace(f'"title": "{title}"', '"title": "Think before you scan."')
    tried = ask(reader, "trial", text=text, case="").json

    assert "Think before you scan." in tried["preview"]


def test_warnings_are_those_of_lint_on_this_file(reader, folder, file):
    plan = json.loads(file.read_text())
    del plan["lastReviewDate"]
    text = json.dumps(plan, indent=2)
    told = ask(reader, "trial", text=text, case="").json["findings"]
    file.write_text(text)
    linted = [item for item in lint.check(folder).warnings if item.where.file == FILE]

    assert [(item["code"], item["line"]) for item in told] == [
        (item.code, item.where.line) for item in linted
    ]
    assert "no-review-date" in {item["code"] for item in told}


def test_cases_are_not_run_with_a_text_that_does_not_compile(reader):
    assert ask(reader, "trial", text="{", case="").status_code == 400


def test_changes_are_shown_line_by_line(reader, file):
    text = file.read_text().replace('"name": "LbpR19"', '"name": "LbpR19a"')
    shown = ask(reader, "changes", text=text).json["changes"]

    assert shown.count('<li class="added">') == 1
    assert shown.count('<li class="removed">') == 1


def test_nothing_is_written_unless_the_setting_allows_it(reader, file):
    text = file.read_text()
    answer = ask(reader, "save", text=text + "\n", etag=etag(reader))

    assert answer.status_code == 403
    assert "CDS_WORKBENCH_EDIT=yes" in answer.text
    assert file.read_text() == text


def test_a_text_that_compiles_is_written_as_it_is(writer, file):
    text = file.read_text().replace('"name": "LbpR19"', '"name": "LbpR19a"')
    answer = ask(writer, "save", text=text, etag=etag(writer))

    assert answer.status_code == 200
    assert file.read_text() == text
    assert answer.json["etag"] == etag(writer)
    assert [path.name for path in file.parent.iterdir() if path.name.startswith(".")] == []


def test_a_file_that_has_changed_since_is_not_written_over(writer, file):
    text, read = file.read_text(), etag(writer)
    file.write_text(text + "\n")
    answer = ask(writer, "save", text=text.replace("LbpR19", "LbpR19a"), etag=read)

    assert answer.status_code == 409
    assert file.read_text() == text + "\n"


def test_a_text_with_problems_is_not_written(writer, file):
    text = file.read_text()
    answer = ask(writer, "save", text=text.replace("%W8", "%W88"), etag=etag(writer))

    assert answer.status_code == 422
    assert "W88" in answer.text
    assert file.read_text() == text


def test_a_page_of_another_site_cannot_save(writer, file):
    text = file.read_text()
    answer = writer.post(
        "/workbench/edit/lbpR19/save",
        json={"text": text + "\n", "etag": etag(writer)},
        headers={"Origin": "https://evil.example"},
        **HERE,
    )

    assert answer.status_code == 403
    assert file.read_text() == text


def test_a_written_file_keeps_its_permissions(writer, file):
    file.chmod(0o640)
    ask(writer, "save", text=file.read_text() + "\n", etag=etag(writer))

    assert file.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("path", ["lbpR99", "..%2F..%2Fshared"])
def test_there_is_no_editor_for_what_is_no_plan(reader, path):
    assert reader.get(f"/workbench/edit/{path}", **HERE).status_code == 404


def test_the_names_to_complete_are_those_that_mean_something_in_the_plan(reader):
    names = reader.get("/workbench/edit/lbpR19/names", **HERE).json

    assert "memberOf" in dict(names["functions"])
    assert "W8" in dict(names["variables"])
    assert "IMG-LUMBAR" in dict(names["valueSets"])
    assert names["types"]["PlanDefinition.action"]["definitionCanonical"] == "canonical"
