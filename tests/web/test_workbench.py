"""The workbench from outside: who may use it, its words, and the calls on another day."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from contract.clients import client_with
from one_rule import cut

from cds_service.hooks.languages import LANGUAGES
from cds_service.web import workbench
from cds_service.web.workbench import card_view, words

WEB = Path(workbench.__file__).parent.parent
ASKED = {"service": "low-back-pain-order-sign", "patient": "sciatica", "source": "example"}
HERE = {"base_url": "http://127.0.0.1:8080"}


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "cds.sqlite3"
    return client_with(DATABASE_URL=f"sqlite:///{path}", WORKBENCH="yes").app.test_client()


def test_it_is_not_there_unless_it_is_wanted(client):
    assert client.get("/workbench").status == 404


def test_it_answers_this_machine(bench):
    assert bench.get("/workbench", **HERE).status_code == 200


@pytest.mark.parametrize("name", ["cds.example.org", "192.168.1.5", "127.0.0.1.example.org"])
def test_a_name_of_another_machine_is_refused(bench, name):
    assert bench.get("/workbench", base_url=f"http://{name}").status_code == 403


def test_a_caller_on_another_machine_is_refused(bench):
    answer = bench.get("/workbench", environ_base={"REMOTE_ADDR": "192.168.1.5"}, **HERE)

    assert answer.status_code == 403


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_a_page_of_another_site_cannot_post(bench, headers):
    answer = bench.post("/workbench/request", json=ASKED, headers=headers, **HERE)

    assert answer.status_code == 403


def test_its_pages_run_no_script_and_no_style_but_its_own_files(bench):
    answer = bench.get("/workbench", **HERE)

    assert "script-src 'self'; style-src 'self';" in answer.headers["Content-Security-Policy"]
    assert not re.search(r"\sstyle=|\son[a-z]+=|<style|<script>", answer.text)


def test_a_call_on_another_day_is_judged_on_that_day(bench):
    asked = {**ASKED, "drafts": [json.loads(orders()["mri"])], "day": "2024-06-01"}
    message = bench.post("/workbench/request", json=asked, **HERE).json["request"]

    def rules(day):
        path = f"/workbench/at/{day}/core/cds-services/low-back-pain-order-sign"
        cards = bench.post(path, data=message, content_type="application/json", **HERE).json
        return [
            rule
            for card in cards["cards"]
            for rule in card["extension"]["org.example.lbp"]["rules"]
        ]

    assert "lbpR19" in rules("2024-06-01")
    assert "lbpR19" not in rules("2024-09-01")


def orders():
    listed = json.loads((WEB / "workbench" / "orders.json").read_text())
    return {item["id"]: json.dumps(item["resource"]) for item in listed}


def test_an_unknown_example_patient_names_the_closest(bench):
    asked = {**ASKED, "patient": "sciatca"}
    answer = bench.post("/workbench/request", json=asked, **HERE)

    assert answer.status_code == 404
    assert "did you mean 'sciatica'" in answer.text


def test_markup_in_a_detail_is_shown_and_not_run():
    html = card_view.rendered("<script>alert(1)</script> **bold** [x](javascript:alert(1))")

    assert "<script>" not in html
    assert "href" not in html
    assert "<strong>bold</strong>" in html


def test_every_word_is_there_in_every_language():
    for key, texts in words.catalogue().items():
        assert tuple(texts) == LANGUAGES, key
        assert all(texts.values()), key


def test_every_word_that_a_page_asks_for_is_in_the_catalogue():
    pages = "".join(path.read_text() for path in (WEB / "templates/workbench").iterdir())
    asked = set(re.findall(r"""\bt\(["']([^"']+)["'][,)]""", pages))

    assert asked <= set(words.catalogue())


def test_a_case_that_is_not_there_is_told_with_the_closest(bench):
    name = "mri-at-41-days-in-norway-is-a-warning.json"
    there = bench.get(f"/workbench/guidelines/lbpR16/cases/{name}")
    missing = bench.get(f"/workbench/guidelines/lbpR16/cases/{name.replace('41', '14')}")

    assert there.status_code == 200
    assert missing.status_code == 404
    assert name in missing.text


# --- cases ---


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The workbench over two rules; their cases are of two hooks and two profiles, one fails."""
    folder = tmp_path_factory.mktemp("small")
    plans = cut(folder / "plans", "imaging/R19")
    for path in sorted((plans / "imaging/R19/cases").glob("*.json"))[6:]:
        path.unlink()
    found = sorted((plans / "imaging/R19/cases").glob("*.json"))
    for number, path in enumerate(found):
        case = json.loads(path.read_text())
        case |= {"name": f"Case {number}", "profile": "nl" if number % 2 else "de"}
        case["expect"] = {"absent": ["lbpR19"]} if number == 0 else {"status": 200}
        path.write_text(json.dumps(case))
    found[0].write_text(found[0].read_text().replace('"absent": ["lbpR19"]', '"status": 404'))
    settings = {"DATABASE_URL": f"sqlite:///{folder}/cds.sqlite3", "PLANS": str(plans)}
    return client_with(WORKBENCH="yes", **settings).app.test_client()


def listed(bench, query):
    page = bench.get(f"/workbench/cases{query}", **HERE).text
    return re.findall(r'<a href="[^"]*/cases/[^"]*">(Case \d)</a>', page)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", []),
        ("?words=", ["Case 0", "Case 1", "Case 2", "Case 3", "Case 4", "Case 5"]),
        ("?words=case+3", ["Case 3"]),
        ("?profile=nl", ["Case 1", "Case 3", "Case 5"]),
        ("?profile=nl&words=case+5", ["Case 5"]),
        ("?result=fail", ["Case 0"]),
        ("?result=pass&profile=de", ["Case 2", "Case 4"]),
        ("?rule=lbpR99", []),
        ("?hook=patient-view", []),
    ],
)
def test_cases_are_chosen_by_words_profile_result_rule_and_hook(small, query, names):
    assert listed(small, query) == names


def test_the_choice_stays_when_the_language_is_changed(small):
    page = small.get("/workbench/cases?profile=nl", **HERE).text

    assert 'href="?profile=nl&amp;ui=de"' in page


@pytest.mark.parametrize("path", ["", "/low-back-pain-order-sign"])
def test_what_a_strategy_is_for_is_told_in_the_readers_language_with_its_profiles(bench, path):
    page = bench.get(f"/workbench/guidelines{path}?ui=nl", **HERE).text

    assert "{profile}" not in page
    assert "Richtlijnprofiel: core, nl, de en no" in page


def test_a_recommendation_that_is_stopped_is_called_by_its_name_and_not_by_an_id(bench):
    """R47 is a group of actions without words of its own."""
    asked = {**ASKED, "drafts": [json.loads(orders()["mri"])], "day": "2024-06-01"}
    message = bench.post("/workbench/request", json=asked, **HERE).json["request"]

    asked |= {"request": message, "profile": "core", "language": "en"}
    page = bench.post("/workbench/why?ui=en", json=asked, **HERE).json["why"]

    row = page[page.index('data-rule="lbpR47"') :]
    assert re.search('class="title">(.*?)<', row)[1] == "NSAID without gastroprotection"


@pytest.mark.parametrize(
    ("language", "said"),
    [("de", "Nichts zu beurteilen in"), ("nb", "Ingenting å vurdere i")],
)
def test_why_an_order_rule_has_nothing_to_judge_is_said_in_the_readers_language(
    bench, language, said
):
    asked = {**ASKED, "day": "2024-06-01"}
    asked |= {"request": bench.post("/workbench/request", json=asked, **HERE).json["request"]}
    page = bench.post(f"/workbench/why?ui={language}", json=asked, **HERE).json["why"]

    row = page[page.index('data-rule="lbpX01"') :]
    assert said in row[: row.index("</summary>")]
    assert "nothing to repeat" not in page


# --- feedback ---


def test_feedback_on_another_day_is_of_that_day_so_that_it_quiets_the_next_call_there(bench):
    """It was dated by the clock: after the day that is judged, where an override quiets nothing."""
    event = {
        "card": "11111111-2222-4333-8444-555555555555",
        "outcome": "overridden",
        "outcomeTimestamp": datetime.now(UTC).isoformat(),
    }
    path = "/workbench/at/2024-06-01/cds-services/low-back-pain-order-sign/feedback"
    assert bench.post(path, json={"feedback": [event]}, **HERE).status_code == 200

    store = bench.application.extensions["store"]
    (received,) = (item["received"] for item in store.feedback() if item["card"] == event["card"])
    assert received.startswith("2024-06-01")
