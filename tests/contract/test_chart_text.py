"""Whatever a chart holds is shown as its characters: never as markup, link, image or layout."""

from __future__ import annotations

import re
import unicodedata
from html.parser import HTMLParser
from pathlib import Path

import pytest
from contract.payloads import PAYLOADS
from markdown_it import MarkdownIt

from cds_service import fhir_json
from cds_service.authoring import case_request, cases
from cds_service.data import plan_library

STRATEGIES = Path(__file__).parents[2] / "plan_definitions" / "strategies"
TEXTS = frozenset(
    {
        "display", "text", "title", "family", "given", "valueString", "valueMarkdown", "comment",
        "description", "patientInstruction", "unit", "conclusion", "city", "line",
    }
)  # fmt: skip
HARMLESS = "Harmless"
SHOWN = (  # cards about a finding, orders of several kinds, a drug, a device and a pregnancy
    "low-back-pain-patient-view/cases/V17-urinary-incontinence-of-unknown-date.json",
    "low-back-pain-order-sign/cases/V04-x-ray-with-a-history-of-cancer-and-weight-loss.json",
    "low-back-pain-order-sign/cases/V88-x-ray-in-pregnancy.json",
    (
        "low-back-pain-order-select/cases/"
        "V62-massage-tens-and-manipulation-without-active-therapy.json"
    ),
)
EVERYTHING = (
    "\u202e<img src=x onerror=alert(1)>\n\n# [a](javascript:alert(1)) | `**x** &lt;b> www.x.y\x00"
)
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
AUTOLINK = re.compile(r"(?:https?|ftp)://|www\.|\w@", re.IGNORECASE)


class Page(HTMLParser):
    """What a browser would make of a detail: its elements with attributes, and its text."""

    def __init__(self, markdown):
        super().__init__()
        self.elements = []
        self.text = ""
        self.feed(MARKDOWN.render(markdown))
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, tuple(attrs)))

    def handle_comment(self, data):
        self.elements.append(("comment", data))

    handle_decl = handle_pi = unknown_decl = handle_comment

    def handle_data(self, data):
        self.text += data


def is_invisible(character):
    """Control and format characters, among them bidi controls and zero-width ones; separators."""
    return unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"}


def visible(text):
    """The text without signs that have no shape, every run of blanks and controls as one blank."""
    shapes = (sign for sign in text if unicodedata.category(sign) != "Cf")
    return " ".join("".join(" " if is_invisible(sign) else sign for sign in shapes).split())


def with_texts(value, text, name=""):
    """The same JSON with every free text replaced."""
    if isinstance(value, dict):
        return {key: with_texts(member, text, key) for key, member in value.items()}
    if isinstance(value, list):
        return [with_texts(item, text, name) for item in value]
    return text if isinstance(value, str) and name in TEXTS else value


@pytest.fixture(scope="module")
def ask(shared_client, services):
    """The cards of a case whose chart holds a text wherever it can hold one."""
    library = plan_library.load(STRATEGIES.parent)

    def cards(name, text):
        case = cases.read(STRATEGIES / name)
        hook = case.json["hook"]
        service = library.service(services[hook]["id"])
        body = with_texts(case_request.request_of(case.json, service), text)
        profile = f"/{case.json['profile']}" if "profile" in case.json else ""
        answer = shared_client.post(
            f"{profile}/cds-services/{service.id}", fhir_json.encode(body)
        )  # holds the answer against the schemas: nothing null or empty, summaries, links
        return answer.json["cards"] if answer.status == 200 else None

    return cards


@pytest.fixture(scope="module")
def harmless(ask):
    return {name: ask(name, HARMLESS) for name in SHOWN}


def without_own(card):
    """The members of a card that are words for people, except its detail."""
    suggestions = [
        (item["label"], [action["description"] for action in item.get("actions", ())])
        for item in card.get("suggestions", ())
    ]
    kept = {name: card.get(name) for name in ("summary", "source", "links", "overrideReasons")}
    return kept | {"suggestions": suggestions}


def test_there_are_enough_payloads():
    assert len(PAYLOADS) >= 120


def test_every_chosen_chart_shows_its_texts(harmless):
    assert all(any(HARMLESS in card["detail"] for card in cards) for cards in harmless.values())


@pytest.mark.slow
@pytest.mark.requirement("G1", "G3", "G4", "CARD-7", "CARD-28", "LINK-3", "GEN-3", "GEN-4")
@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: ascii(payload)[:40])
def test_a_text_of_the_chart_changes_nothing_but_its_own_words(ask, harmless, payload):
    for name, expected in harmless.items():
        cards = ask(name, payload)
        assert len(cards) == len(expected)
        for card, plain in zip(cards, expected, strict=True):
            page, plain_page = Page(card["detail"]), Page(plain["detail"])
            assert page.elements == plain_page.elements
            assert page.text.count(visible(payload)) >= plain_page.text.count(HARMLESS)
            assert not AUTOLINK.search(card["detail"])
            assert not any(is_invisible(sign) for sign in card["detail"].replace("\n", ""))
            assert without_own(card) == without_own(plain)


def texts_of(name):
    return str(name.relative_to(STRATEGIES))


@pytest.mark.slow
@pytest.mark.requirement("G1", "CARD-7")
@pytest.mark.parametrize("file", sorted(STRATEGIES.rglob("cases/V*.json")), ids=texts_of)
def test_no_card_of_any_vignette_lets_markup_through(ask, file):
    if "hook" not in cases.read(file).json:
        pytest.skip("a case with a whole request of its own")
    cards = ask(texts_of(file), EVERYTHING)
    expected = ask(texts_of(file), HARMLESS)
    assert [Page(card["detail"]).elements for card in cards or ()] == [
        Page(card["detail"]).elements for card in expected or ()
    ]
