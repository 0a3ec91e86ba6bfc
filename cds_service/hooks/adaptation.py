"""Cards as a kind of client takes them: what it cannot apply is left out, never sent half.

Pure. The words of a card stay as they are: only what can be clicked differs between clients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from cds_service import fhir_json
from cds_service.hooks.cards import without_twins

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cds_service.tenants import ClientProfile, Tenant

_CONCEPTS = ("code", "medicationCodeableConcept")
"""The members that say what is ordered."""


def for_client(cards: Iterable[dict[str, Any]], tenant: Tenant) -> list[dict[str, Any]]:
    """The cards with the suggestions that the client can show and apply, in the same order."""
    return [_card(card, tenant) for card in cards]


def _card(card: dict[str, Any], tenant: Tenant) -> dict[str, Any]:
    if "suggestions" not in card:
        return card
    client = tenant.client_profile
    parts = (
        part
        for suggestion in card["suggestions"]
        if all(_is_applied(action, client) for action in suggestion.get("actions", ()))
        for part in _parts(suggestion, client)
    )
    offered = [_suggestion(part, tenant) for part in without_twins(parts)]
    if not offered:
        without = ("suggestions", "selectionBehavior")
        return {name: value for name, value in card.items() if name not in without}
    behavior = client.selection_behavior or card["selectionBehavior"]
    return card | {"suggestions": offered, "selectionBehavior": behavior}


def _is_applied(action: Mapping[str, Any], client: ClientProfile) -> bool:
    """Whether the client applies an action of this type to a resource of this type."""
    if client.actions is not None and action["type"] not in client.actions:
        return False
    if client.creates is None or action["type"] != "create":
        return True
    return action["resource"]["resourceType"] in client.creates


def _parts(suggestion: Mapping[str, Any], client: ClientProfile) -> Iterator[Mapping[str, Any]]:
    """The suggestion, or one for each of its actions, named as the action describes itself."""
    actions = suggestion.get("actions", ())
    if len(actions) < 2 or not client.one_action_per_suggestion:
        yield suggestion
        return
    whole = UUID(suggestion["uuid"])
    for number, action in enumerate(actions):
        yield {
            **suggestion,
            "label": action["description"],
            "uuid": str(uuid5(whole, f"action:{number}")),
            "actions": [action],
        }


def _suggestion(suggestion: Mapping[str, Any], tenant: Tenant) -> dict[str, Any]:
    if "actions" not in suggestion:
        return dict(suggestion)
    return {**suggestion, "actions": [_action(action, tenant) for action in suggestion["actions"]]}


def _action(action: Mapping[str, Any], tenant: Tenant) -> Mapping[str, Any]:
    if action["type"] == "delete" and tenant.client_profile.deletes_by_resource:
        return _as_in_1_0(action)
    if action["type"] == "create" and tenant.order_codes:
        return {**action, "resource": _with_own_codes(action["resource"], tenant)}
    return action


def _with_own_codes(resource: Mapping[str, Any], tenant: Tenant) -> dict[str, Any]:
    """The order with the codes that the client's own lists have for it before ours (ACT-10)."""
    ordered = dict(resource)
    for member in ordered.keys() & _CONCEPTS:
        codings = list(fhir_json.codings(ordered[member]))
        keys = [(str(item.get("system")), str(item.get("code"))) for item in codings]
        own = [tenant.order_codes[key] for key in keys if key in tenant.order_codes]
        first = [{"system": system, "code": code} for system, code in own]
        ordered[member] = {**ordered[member], "coding": [*first, *codings]}
    return ordered


def _as_in_1_0(action: Mapping[str, Any]) -> dict[str, Any]:
    """A removal with the draft's reference in `resource` (CDS Hooks 1.0, Action; VER-7)."""
    renamed = {"resourceId": "resource"}
    return {renamed.get(name, name): value for name, value in action.items()}
