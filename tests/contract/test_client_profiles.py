"""Each kind of client: its way to write a call is understood, its cards hold what it applies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from client_keys import Token, claims, key
from contract.clients import Client, client_with
from contract.message_shapes import CALLS, epic_override

from cds_service.authoring import case_request
from cds_service.data import plan_library

REPOSITORY = Path(__file__).parent.parent.parent
REQUESTS = REPOSITORY / "examples" / "requests"
PLANS = REPOSITORY / "plan_definitions"
DRUGS = "medication/X03/cases/naproxen-while-apixaban-is-in-use.json"
AUDIENCE = "https://cds.example.org"
PHYSIOTHERAPY = ("http://snomed.info/sct", "308447003")
LISTED = ("urn:com.epic.cdshooks.action.code.system.preference-list-item", "4711")
VIEW, SIGN = (f"/cds-services/low-back-pain-{hook}" for hook in ("patient-view", "order-sign"))


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Client:
    """One tenant for each client profile."""
    folder = tmp_path_factory.mktemp("profiles")
    (folder / "keys.json").write_text(json.dumps({"keys": [key("static").jwk()]}))
    (folder / "tenants.toml").write_text(
        "\n".join(
            f'[tenants.{name.replace(".", "-")}]\nissuers = ["{issuer(name)}"]\n'
            f'audience = "{AUDIENCE}"\njwks_file = "keys.json"\nclient_profile = "{name}"\n'
            for name in CALLS
        )
        + f'[tenants.epic.order_codes]\n"{"|".join(PHYSIOTHERAPY)}" = "{"|".join(LISTED)}"\n'
    )
    return client_with(
        TENANTS=str(folder / "tenants.toml"),
        DATABASE_URL=f"sqlite:///{folder / 'db.sqlite3'}",
        DISCOVERY="protected",
    )


def issuer(name: str) -> str:
    return f"https://{name}.example.org"


def bearer(name: str, path: str) -> dict[str, str]:
    token = Token(key("static"), claims(AUDIENCE + path, issuer(name)))
    return {"Authorization": f"Bearer {token.text()}"}


def cards(application: Client, name: str, path: str, request: str) -> list[dict[str, Any]]:
    """The cards for a call of `examples/requests`, as this client writes it."""
    return cards_for(application, name, path, json.loads((REQUESTS / request).read_text()))


def cards_for(
    application: Client, name: str, path: str, call: dict[str, Any]
) -> list[dict[str, Any]]:
    """The cards; a 1.0 client's are not held against the schemas of 2.0.1, which they break."""
    body = CALLS[name](call)
    post = application.app.test_client().open if name == "1.0-tolerant" else application.open
    answer = post(
        path=path,
        method="POST",
        data=json.dumps(body),
        content_type="application/json",
        headers=bearer(name, path),
    )
    return answer.json["cards"]


def offered(application: Client, name: str) -> list[dict[str, Any]]:
    """The suggestions of the card on an MRI without a reason."""
    return [
        suggestion
        for card in cards(application, name, SIGN, "order-sign-mri.json")
        for suggestion in card.get("suggestions", ())
    ]


def actions(application: Client, name: str) -> list[dict[str, Any]]:
    return [
        action
        for suggestion in offered(application, name)
        for action in suggestion.get("actions", ())
    ]


@pytest.mark.requirement("VER-1", "VER-5", "VER-8", "VER-9")
@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    "request_file", ["patient-view-cauda-equina.json", "patient-view-fever.json"]
)
def test_the_same_patient_gets_the_same_words_in_every_shape(application, name, request_file):
    told, expected = (
        [(card["summary"], card["detail"]) for card in cards(application, who, VIEW, request_file)]
        for who in (name, "cds-hooks-2.0")
    )

    assert told == expected
    assert told


@pytest.mark.requirement("PF-12", "REQ-22")
@pytest.mark.parametrize("name", CALLS)
def test_a_drug_is_known_in_every_shape(application, name):
    """Naproxen drafted beside apixaban: Epic's orders refer to medications that stand beside."""
    service = plan_library.load(PLANS).service("low-back-pain-order-sign")
    case = json.loads((PLANS / DRUGS).read_text())

    found = cards_for(application, name, SIGN, case_request.request_of(case, service))

    assert "lbpX03" in {card["source"]["topic"]["code"] for card in found}
    assert any("apixaban" in card["detail"] for card in found)


def test_a_client_without_limits_gets_every_kind_of_suggestion(application):
    kinds = {action["type"] for action in actions(application, "cds-hooks-2.0")}

    assert kinds == {"create", "update", "delete"}
    assert max(len(item["actions"]) for item in offered(application, "cds-hooks-2.0")) > 1


@pytest.mark.requirement("SUG-10")
def test_epic_gets_one_action_in_a_suggestion_and_only_those_it_applies(application):
    found = offered(application, "epic")

    assert {action["type"] for item in found for action in item["actions"]} == {"create", "delete"}
    assert {len(item["actions"]) for item in found} == {1}
    assert len({item["uuid"] for item in found}) == len(found)


def test_epic_may_take_any_of_the_suggestions_and_none_twice(application):
    (card,) = (
        card
        for card in cards(application, "epic", SIGN, "order-sign-mri.json")
        if "suggestions" in card
    )
    removals = [
        action
        for item in card["suggestions"]
        for action in item["actions"]
        if action["type"] == "delete"
    ]

    assert card["selectionBehavior"] == "any"
    assert len(removals) == 1


def referral(application: Client, name: str) -> list[dict[str, Any]]:
    """The codings of the referral to physiotherapy that is offered."""
    (found,) = (
        action["resource"]["code"]["coding"]
        for card in cards(application, name, VIEW, "patient-view-fever.json")
        for item in card.get("suggestions", ())
        for action in item["actions"]
        if action["type"] == "create" and PHYSIOTHERAPY[1] in str(action["resource"]["code"])
    )
    return found


@pytest.mark.requirement("ACT-10")
def test_an_order_names_the_item_of_the_clients_own_list_first(application):
    item, *ours = referral(application, "epic")

    assert item == dict(zip(("system", "code"), LISTED, strict=True))
    assert ours == referral(application, "cds-hooks-2.0")


def test_epic_gets_no_task(application):
    kinds = {
        action["resource"]["resourceType"]
        for card in cards(application, "epic", VIEW, "patient-view-off-work-de.json")
        for item in card.get("suggestions", ())
        for action in item["actions"]
    }

    assert "Task" not in kinds


def test_a_card_left_without_suggestions_says_nothing_of_selecting(application):
    bare = [
        card
        for card in cards(application, "epic", VIEW, "patient-view-off-work-de.json")
        if "suggestions" not in card
    ]

    assert bare
    assert all("selectionBehavior" not in card for card in bare)


@pytest.mark.requirement("VER-6")
def test_a_1_0_client_gets_at_most_one(application):
    choices = {
        card["selectionBehavior"]
        for card in cards(application, "1.0-tolerant", VIEW, "patient-view-fever.json")
        if "suggestions" in card
    }

    assert choices == {"at-most-one"}


@pytest.mark.requirement("VER-7")
def test_a_1_0_client_finds_what_to_remove_in_resource(application):
    removals = [
        action for action in actions(application, "1.0-tolerant") if action["type"] == "delete"
    ]

    assert removals
    assert {action["resource"] for action in removals} == {"ServiceRequest/mri"}
    assert not any("resourceId" in action for action in removals)


@pytest.mark.requirement("VER-11", "DISC-10")
@pytest.mark.parametrize(("name", "version"), [("3.0", {"2.0.1"}), ("cds-hooks-2.0", {None})])
def test_discovery_states_the_version_to_3_0_clients(application, name, version):
    assert {entry.get("version") for entry in listed(application, name)} == version


@pytest.mark.parametrize(
    ("name", "hooks"),
    [
        ("epic", {"patient-view", "order-select", "order-sign"}),
        ("oracle-health", {"patient-view"}),
    ],
)
def test_discovery_lists_the_hooks_that_the_client_fires(application, name, hooks):
    assert {entry["hook"] for entry in listed(application, name)} == hooks


def listed(application: Client, name: str) -> list[dict[str, Any]]:
    answer = application.open("GET", "/cds-services", headers=bearer(name, "/cds-services"))
    assert answer.status == 200
    return answer.json["services"]


@pytest.mark.requirement("B5")
def test_feedback_in_epics_shape_is_taken(application):
    (card, *_) = cards(application, "epic", VIEW, "patient-view-cauda-equina.json")
    path = f"{VIEW}/feedback"

    answer = application.open(
        "POST",
        path,
        data=json.dumps(epic_override(card["uuid"])),
        content_type="application/json",
        headers=bearer("epic", path),
    )

    assert answer.status == 200, answer.body
