"""What the kinds of clients take of an answer, as data: one profile for each kind.

Sources: CDS Hooks 1.0 and 2.0.1, Card Attributes and Action; the 3.0 ballot, Discovery; Epic's and
Oracle Health's own documentation of CDS Hooks. A vendor's word of the day outranks this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientProfile:
    """What a kind of client fires, shows and applies; None everywhere means no limit.

    Attributes:
        hooks: the hooks that it fires; discovery lists no services for others.
        version: the `version` that discovery states; None leaves the member out (VER-11).
        selection_behavior: the only `selectionBehavior` that it takes.
        one_action_per_suggestion: whether it takes no more than one action in a suggestion.
        actions: the types of action that it applies: create, update, delete.
        creates: the types of resource that it creates.
        deletes_by_resource: whether a removal names its draft in `resource`, as in 1.0 (VER-7).
    """

    name: str
    hooks: frozenset[str] | None = None
    version: str | None = None
    selection_behavior: str | None = None
    one_action_per_suggestion: bool = False
    actions: frozenset[str] | None = None
    creates: frozenset[str] | None = None
    deletes_by_resource: bool = False

    def fires(self, hook: str) -> bool:
        """Whether clients of this kind call services of this hook."""
        return self.hooks is None or hook in self.hooks


DEFAULT_CLIENT_PROFILE = "cds-hooks-2.0"

CLIENT_PROFILES: Mapping[str, ClientProfile] = {
    profile.name: profile
    for profile in (
        ClientProfile(name=DEFAULT_CLIENT_PROFILE),
        ClientProfile(
            name="1.0-tolerant", selection_behavior="at-most-one", deletes_by_resource=True
        ),
        ClientProfile(name="3.0", version="2.0.1"),
        ClientProfile(
            name="epic",
            hooks=frozenset({"patient-view", "order-select", "order-sign"}),
            selection_behavior="any",
            one_action_per_suggestion=True,
            actions=frozenset({"create", "delete"}),
            creates=frozenset({"Condition", "MedicationRequest", "ServiceRequest"}),
        ),
        ClientProfile(name="oracle-health", hooks=frozenset({"patient-view"})),
    )
}
"""By name."""
