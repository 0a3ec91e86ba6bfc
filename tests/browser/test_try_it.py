"""Try it, in a real browser: orders are signed, cards appear, are accepted or not followed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe


@pytest.fixture
def page(open_page):
    return open_page()


def sign(page):
    page.click("#send")
    page.wait_for_selector("#cards .card, #cards .nothing:has-text('Why')")
    page.wait_for_selector(".whys")
    return page


def text_of(page, name: str) -> str:
    return page.eval_on_selector(f"#text-{name} code", "code => code.dataset.text")


def sent(page) -> dict:
    return json.loads(page.text_content("#feedback-log li:first-child code"))["feedback"][0]


def test_signing_an_mri_after_two_weeks_shows_the_warning(page):
    sign(page)

    assert page.text_content(".card .indicator") == "Warning"
    assert "Lumbar imaging not recommended" in page.text_content(".card h3")


def test_the_age_is_that_on_the_day_that_is_judged(page):
    """Anna Example was born on 1 March 1979, and her chart ends on 1 June 2024."""
    page.wait_for_selector("#chart:has-text('45 years')")

    assert page.input_value("[name=day]") == "2024-06-01"


def test_the_request_shown_is_the_one_that_was_sent(page):
    with page.expect_request("**/cds-services/low-back-pain-order-sign") as call:
        sign(page)

    assert text_of(page, "request") == call.value.post_data


def test_the_request_says_whether_it_was_sent(page):
    page.wait_for_selector("#about-request:has-text('not sent yet')", state="attached")
    sign(page)
    assert "not sent yet" not in page.text_content("#about-request")

    page.click("#drafts .remove")
    page.wait_for_selector("#about-request:has-text('not sent yet')", state="attached")


def test_the_response_shown_is_the_one_that_came(page):
    with page.expect_response("**/cds-services/low-back-pain-order-sign") as call:
        sign(page)

    assert json.loads(text_of(page, "response")) == call.value.json()


def test_the_copied_curl_command_gets_the_same_card(page):
    curl = shutil.which("curl") or pytest.skip("there is no curl on this machine")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sign(page)
    page.click("#tab-curl")
    page.click("[data-copy=curl]")
    copied = page.wait_for_function(
        "async () => { const text = await navigator.clipboard.readText();"
        " return text.startsWith('curl') && text; }"
    )
    answer = subprocess.run(
        ["/bin/sh", "-c", copied.json_value()],
        env={"PATH": str(Path(curl).parent)},
        capture_output=True,
        check=True,
    )

    (card,) = json.loads(answer.stdout)["cards"]
    assert card["summary"] == page.text_content(".card h3")


def test_an_accepted_cancellation_empties_the_pad_and_goes_out_as_feedback(page):
    sign(page)
    page.click("text=Cancel this imaging order")
    page.wait_for_selector(".outcome:has-text('(200)')")

    assert page.locator("#drafts li").count() == 0
    assert sent(page)["outcome"] == "accepted"


def as_user(page, name: str):
    """Another user than in the other tests, because an override quiets the card for its user."""
    page.fill("[name=user]", f"PractitionerRole/{name}")
    return page


def test_a_card_not_followed_goes_out_with_its_reason_and_comment(page):
    sign(as_user(page, "comment-by-click"))
    page.click(".override summary")
    page.fill(".override input[name=comment]", "agreed with the patient")
    page.click("[data-override]")
    page.wait_for_selector(".outcome:has-text('(200)')")

    reason = sent(page)["overrideReason"]
    assert reason["userComment"] == "agreed with the patient"
    assert reason["reason"]["code"]


def test_enter_in_the_comment_overrides_that_card_and_signs_nothing(page):
    sign(as_user(page, "comment-by-enter"))
    page.click(".override summary")
    page.fill(".override input[name=comment]", "agreed with the patient")
    page.keyboard.press("Enter")
    page.wait_for_selector(".outcome:has-text('(200)')")

    assert sent(page)["overrideReason"]["userComment"] == "agreed with the patient"


def test_feedback_goes_to_the_service_whose_card_it_is_whatever_is_chosen_by_then(page):
    sign(page)
    page.check("input[value=low-back-pain-patient-view]")
    with page.expect_request("**/feedback") as told:
        page.click(".accept >> nth=0")

    assert "/cds-services/low-back-pain-order-sign/feedback" in told.value.url


def sign_until_quiet(page):
    """A call does not wait for a busy store, so the first one may not know of the override yet."""
    for _ in range(20):
        with page.expect_response("**/workbench/why") as told:
            page.click("#send")
        if told.value.json()["quiet"] and not page.locator("#cards .card").count():
            return
    pytest.fail("the overridden card was shown in each of 20 calls")


def test_an_overridden_card_stays_away_on_the_day_of_the_chart_until_another_user_asks(page):
    sign(as_user(page, "quiet"))
    page.click(".override summary")
    page.click("[data-override]")
    page.wait_for_selector(".outcome:has-text('(200)')")
    sign_until_quiet(page)
    page.wait_for_selector("#quiet:has-text('lbpR16')")
    page.click("#quiet a")
    assert "Quiet since 2024-06-01" in page.text_content("[data-rule=lbpR16][open]")

    page.click("[data-another-user]")
    page.wait_for_selector(".card h3:has-text('Lumbar imaging not recommended')")
    assert page.input_value("[name=user]") == "PractitionerRole/quiet-2"


def test_data_that_is_not_available_makes_rules_untellable_and_names_the_key(page):
    page.click("#data > summary")
    page.click("li[data-key=obs] .switch")
    page.wait_for_selector("li[data-key=obs].off")
    sign(page)
    page.click(".filter.cannot-tell")

    row = page.locator(".why.cannot-tell").first
    row.locator("summary").first.click()
    assert "Delivering" in row.text_content()
    assert "obs" in row.locator(".causes").first.text_content()


@pytest.fixture
def unexplained(page):
    """The page with the cards of a call, and its question for the explanation, kept on its way."""
    held = []
    page.route("**/workbench/why", lambda route: held.append(route))  # noqa: PLW0108
    with page.expect_request("**/workbench/why"):
        page.click("#send")
    page.wait_for_selector(".card")
    return page, held


def test_cards_do_not_wait_for_their_explanation(unexplained):
    page, _ = unexplained

    assert page.locator(".card").count() == 1
    assert page.text_content("#panel-why") == "Explaining…"


def test_why_on_a_card_opens_its_rule_as_soon_as_it_is_explained(unexplained):
    page, held = unexplained
    page.click("[data-why=lbpR16]")
    held[0].continue_()

    page.wait_for_selector("[data-rule=lbpR16][open]")


def test_without_a_card_a_link_leads_to_the_reasons(page):
    page.click("#drafts .remove")
    sign(page)
    page.click("#tab-request")
    page.click("#cards [data-why]")

    assert page.is_visible(".why.not-met >> nth=0")
    assert page.locator(".why.fired").count() == 0


def test_a_recorded_thing_opens_as_the_resource_it_is(page):
    page.click(".entry >> nth=0")

    resource = json.loads(page.text_content("#resource code"))
    assert resource["resourceType"] == "Condition"


def test_a_pasted_chart_is_judged(page):
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": {"resourceType": "Patient", "id": "x", "birthDate": "1970-01-01"}}],
    }
    page.check("input[value=paste]")
    page.fill("[name=bundle]", json.dumps(bundle))
    sign(page)

    assert "No card" in page.text_content("#cards")


def test_a_pasted_text_that_is_not_fhir_is_said_where_it_stands(page):
    page.check("input[value=paste]")
    page.fill("[name=bundle]", "[]")
    page.click("#send")

    page.wait_for_selector("#chart-problem:has-text('not a FHIR resource')")


def test_cards_come_in_the_language_that_is_chosen(page):
    page.select_option("[name=language]", "de")
    sign(page)

    assert page.text_content(".card h3").startswith("LWS-Bildgebung")


def test_an_order_stands_on_the_pad_by_the_name_it_was_chosen_by(open_page):
    page = open_page("/workbench?ui=de")

    assert page.text_content("#drafts li span") == "MRT LWS"


def test_another_language_of_the_pages_keeps_the_patient_and_the_hook(page):
    page.select_option("[name=patient]", "cauda-equina")
    page.check("input[value=low-back-pain-patient-view]")
    page.click(".menu:has-text('EN') summary")
    page.click("a[hreflang=de]")
    page.wait_for_selector("#send-text:has-text('Akte')")

    assert page.input_value("[name=patient]") == "cauda-equina"


def test_the_keyboard_stays_on_the_pad_after_its_last_order_is_removed(page):
    page.focus("#drafts .remove")
    page.keyboard.press("Enter")

    assert page.evaluate("document.activeElement.id") == "no-drafts"


def test_orders_are_signed_with_the_keyboard_alone(page):
    page.focus("[name=patient]")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".card")
    page.focus(".card .accept >> nth=0")
    page.keyboard.press("Enter")

    page.wait_for_selector(".outcome:has-text('(200)')")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_serious_problem(open_page, theme):
    page = sign(open_page(color_scheme=theme))
    page.click(".why summary >> nth=0")

    found = Axe().run(page).response["violations"]
    grave = [item["id"] for item in found if item["impact"] in {"serious", "critical"}]
    assert grave == []


@pytest.mark.parametrize("language", ["en", "de", "nl", "nb"])
def test_nothing_is_wider_than_a_small_telephone(open_page, language):
    page = sign(open_page(f"/workbench?ui={language}", viewport={"width": 360, "height": 700}))

    assert page.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.parametrize("language", ["en", "de", "nl", "nb"])
def test_no_word_is_broken_on_a_small_telephone(open_page, language):
    page = open_page(f"/workbench?ui={language}", viewport={"width": 360, "height": 700})

    broken = page.eval_on_selector_all(
        ".segments span, .drafts span, .drafts small",
        """elements => elements.flatMap(element => {
          const text = element.firstChild;
          return [...text.data.matchAll(/[^\\s-]+/g)].filter(word => {
            const range = document.createRange();
            range.setStart(text, word.index);
            range.setEnd(text, word.index + word[0].length);
            return new Set([...range.getClientRects()].map(box => Math.round(box.top))).size > 1;
          }).map(word => word[0]);
        })""",
    )
    assert broken == []
