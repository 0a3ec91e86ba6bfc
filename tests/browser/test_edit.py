"""The editor, in a real browser: a mistake is shown where it is, cases turn red, a save is used."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from contract.clients import serving
from one_rule import cut

THRESHOLD = "lrsGe(%W8).isTrue().not()"
TRIED = "#panel-cases .results"


@pytest.fixture(scope="module")
def plans(tmp_path_factory):
    return cut(tmp_path_factory.mktemp("edit") / "plans", "imaging/R19")


@pytest.fixture(scope="module")
def workbench(plans):
    """The service as an author starts it, over a folder that the workbench may write."""
    yield from serving(
        plans.parent,
        "--reload",
        WORKBENCH="yes",
        WORKBENCH_EDIT="yes",
        WORKERS="1",
        THREADS="16",
        PLANS=str(plans),
    )


@pytest.fixture
def page(open_page):
    page = open_page("/workbench/edit/lbpR19", ready=".row")
    page.set_default_timeout(60_000)  # the first look at a text compiles everything once more
    return page


def select(page, text: str):
    """Select the first place of this text in the editor, as with the mouse."""
    page.evaluate(
        """text => {
          const area = document.querySelector("#text");
          const at = area.value.indexOf(text);
          area.focus();
          area.setSelectionRange(at, at + text.length);
        }""",
        text,
    )


def type_over(page, old: str, new: str):
    select(page, old)
    page.keyboard.type(new)
    page.keyboard.press("Escape")


def text_of(page) -> str:
    return page.input_value("#text")


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_it_shows_the_file_as_it_is(page, plans):
    page.wait_for_selector("#status:has-text('cases pass')")

    assert text_of(page) == (plans / "imaging/R19/PlanDefinition.json").read_text()


def test_a_mistake_is_shown_at_its_line_and_in_the_list(page):
    type_over(page, THRESHOLD, "lrsGe(%W8).isTru().not()")
    page.wait_for_selector(".findings .problem")
    page.keyboard.press("F8")

    line = line_of(text_of(page), "isTru()")
    assert f"Line {line}" in page.text_content(".findings .problem .where")
    assert page.text_content(".problem-line .number") == str(line)
    assert "isTru" in page.text_content(".problem-line .said")
    assert page.text_content("#place").startswith(f"Line {line}, ")


def test_a_mistake_keeps_the_text_from_being_saved(page):
    type_over(page, THRESHOLD, "ge(")
    page.wait_for_selector(".findings .problem")

    assert page.is_disabled("#save")


def test_a_changed_threshold_turns_a_case_red(page):
    type_over(page, "%W8).isTrue", "%W6).isTrue")
    page.wait_for_selector(f"{TRIED} .fail", state="attached")
    page.click("#tab-cases")

    assert "at 55 days is not routine" in page.text_content("#panel-cases")
    assert int(page.text_content("#count-cases")) == page.locator(f"{TRIED} .fail").count()


def test_above_the_cards_of_a_case_that_fails_stands_why_it_does(page):
    type_over(page, "%W8).isTrue", "%W6).isTrue")
    page.wait_for_selector(f"{TRIED} .fail", state="attached")
    page.click("#tab-preview")

    assert "lbpR19 did not appear" in page.text_content("#panel-preview .fail")


def test_the_cards_of_a_chosen_case_are_shown_with_the_text_as_it_stands(page):
    type_over(page, "MRI now only if it would change treatment.", "think before you scan.")
    page.wait_for_selector("#panel-preview h3:has-text('think')", state="attached")
    page.click("#tab-cases")
    page.click(".case:has-text('MRI for two weeks of sciatica in Germany')")
    page.wait_for_selector("#panel-preview .about:has-text('in Germany')")

    assert "think before you scan." in page.text_content("#panel-preview h3")


def test_a_change_is_shown_against_the_file(page):
    type_over(page, '"name": "LbpR19"', '"name": "LbpR19a"')
    page.wait_for_selector("#panel-changes .added", state="attached")
    page.click("#tab-changes")

    assert page.text_content("#panel-changes .added code") == '+  "name": "LbpR19a",'


@pytest.mark.parametrize(
    ("at", "typed", "chosen", "becomes"),
    [
        (THRESHOLD, "%isAgeO", "isAgeOpen", "%isAgeOpen"),
        (THRESHOLD, "name.memb", "memberOf", "name.memberOf()"),
        (THRESHOLD, "code.memberOf('IMG-LUM", "IMG-LUMBAR", "code.memberOf('IMG-LUMBAR"),
        ('groupingBehavior"', 'selectionB', "selectionBehavior", 'selectionBehavior'),
    ],
    ids=["definition", "function", "value set", "element"],
)  # fmt: skip
def test_a_name_is_completed_with_the_keyboard(page, at, typed, chosen, becomes):
    select(page, at)
    page.keyboard.type(typed)
    page.wait_for_selector(f"#completions [aria-selected=true]:has-text('{chosen}')")
    page.keyboard.press("Enter")

    assert becomes in text_of(page)
    assert page.is_hidden("#completions")


def test_what_was_typed_before_the_names_arrived_is_completed_when_they_do(page):
    held = []

    def hold(route):
        held.append(route)

    page.route("**/names", hold)
    with page.expect_request("**/names"):
        page.reload()
    page.wait_for_selector(".row")
    select(page, THRESHOLD)
    page.keyboard.type("%isAgeO")
    held[0].continue_()

    page.wait_for_selector("#completions [aria-selected=true]:has-text('isAgeOpen')")


def test_the_active_name_is_told_to_those_who_listen(page):
    select(page, THRESHOLD)
    page.keyboard.type("%isAge")
    page.wait_for_selector("#completions:not([hidden])")
    page.keyboard.press("ArrowDown")

    active = page.get_attribute("#text", "aria-activedescendant")
    assert page.get_attribute(f"#{active}", "aria-selected") == "true"
    assert "names fit" in page.text_content("#offered")


def test_the_keyboard_alone_leaves_the_editor(page):
    page.focus("#text")
    page.keyboard.press("Tab")

    assert page.evaluate("document.activeElement.id") != "text"


def test_what_is_seen_is_as_wide_as_the_text_so_that_the_caret_stands_right(page):
    widths = page.evaluate(
        """() => {
          const area = document.querySelector("#text");
          const longest = Math.max(...area.value.split("\\n").map((line) => line.length));
          const letter = document.querySelector(".ruler").getBoundingClientRect().width / 10;
          return [area.scrollWidth, 64 + longest * letter];
        }"""
    )
    assert widths[0] == pytest.approx(widths[1], abs=2)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_serious_problem(open_page, theme):
    page = open_page("/workbench/edit/lbpR19", ready=".row", color_scheme=theme)
    page.wait_for_selector(TRIED, state="attached")
    type_over(page, THRESHOLD, "lrsGe(%W8).isTru().not()")
    page.wait_for_selector(".findings .problem")
    select(page, "isTru()")
    page.keyboard.type("isT")
    page.wait_for_selector("#completions:not([hidden])")

    found = Axe().run(page).response["violations"]
    assert [item["id"] for item in found if item["impact"] in {"serious", "critical"}] == []


def test_axe_finds_no_serious_problem_behind_the_tabs(page):
    type_over(page, "%W8).isTrue", "%W6).isTrue")
    page.wait_for_selector(f"{TRIED} .fail", state="attached")
    for tab in ("cases", "preview", "changes"):
        page.click(f"#tab-{tab}")
        found = Axe().run(page).response["violations"]
        serious = [item["id"] for item in found if item["impact"] in {"serious", "critical"}]
        assert serious == [], tab


def test_nothing_is_wider_than_a_small_telephone(open_page):
    page = open_page("/workbench/edit/lbpR19", ready=".row", viewport={"width": 360, "height": 700})
    page.wait_for_selector(TRIED, state="attached")

    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_a_saved_text_is_in_the_file_and_the_service_uses_it(page, plans, open_page):
    type_over(page, "Radicular syndrome: MRI is not routine", "Radicular syndrome: MRI can wait")
    page.wait_for_selector("#save:enabled")
    page.keyboard.press("Control+s")
    page.wait_for_selector("#status:has-text('Saved')")

    assert "MRI can wait" in (plans / "imaging/R19/PlanDefinition.json").read_text()
    page.wait_for_function(
        """async () => {
          const answer = await fetch("/workbench/guidelines/lbpR19");
          return answer.ok && (await answer.text()).includes("MRI can wait");
        }"""
    )


def test_a_file_that_changed_meanwhile_is_not_written_over(page, plans):
    file = plans / "imaging/R19/PlanDefinition.json"
    type_over(page, '"name": "LbpR19"', '"name": "LbpR19a"')
    page.wait_for_selector("#save:enabled")
    theirs = file.read_text() + "\n"
    file.write_text(theirs)
    page.click("#save")
    page.wait_for_selector("#refused:has-text('has changed on disk')")

    assert file.read_text() == theirs
