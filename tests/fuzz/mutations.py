"""Real requests with one to three members deleted, made null, retyped or swapped.

    python -m fuzz.mutations 50000      # in tests/; prints statuses, fails on any 5xx

A seed gives the same requests again.
"""

from __future__ import annotations

import copy
import json
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import shared_data
from contract.clients import HOOKS, Client, client_with

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = "http://127.0.0.1:9/fhir"
ODD: list[Any] = [
    *(None, True, 0, -1, 10**30, 1.5, "", " ", "\x00", "\u202e", "x" * 5000),
    *([], {}, [None], [[]], {"resourceType": 5}, {"resourceType": "Bundle", "entry": {}}),
    *("Patient/p", "2024-02-30", "0000", "-1", "9999-12-31T24:00:00Z", {"reference": "Patient/"}),
]


def originals() -> list[dict[str, Any]]:
    """The public requests; the FHIR servers that they name are replaced by a closed port."""
    files = sorted((shared_data.folder("cds-hooks") / "request").glob("*.json"))
    bodies = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    return [{**body, "fhirServer": NOBODY} if body.get("fhirServer") else body for body in bodies]


def mutated(count: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """`count` requests, each an original that was changed in one to three places."""
    chance = random.Random(seed)
    bodies = originals()
    for number in range(count):
        body = copy.deepcopy(bodies[number % len(bodies)])
        for _ in range(chance.randint(1, 3)):
            _change(body, chance)
        yield body


def _change(body: dict[str, Any], chance: random.Random) -> None:
    holders = list(_holders(body))
    if not holders:
        return
    holder = chance.choice(holders)
    key = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    kind = chance.choice(("delete", "odd", "odd", "swap"))
    if kind == "delete":
        del holder[key]
    elif kind == "odd":
        holder[key] = copy.deepcopy(chance.choice(ODD))
    else:
        holder[key] = copy.deepcopy(chance.choice(holders))
    if isinstance(body.get("fhirServer"), str):
        body["fhirServer"] = NOBODY


def _holders(value: Any) -> Iterator[Any]:
    if isinstance(value, (dict, list)) and value:
        yield value
        for member in value.values() if isinstance(value, dict) else value:
            yield from _holders(member)


def statuses(client: Client, count: int, seed: int = 1) -> Counter[int]:
    """How often each status was answered; the client checks every answer against the contract."""
    services = client.get("/cds-services").json["services"]
    paths = {service["hook"]: f"/cds-services/{service['id']}" for service in services}
    seen: Counter[int] = Counter()
    for number, body in enumerate(mutated(count, seed)):
        hook = body.get("hook")
        known = isinstance(hook, str) and hook in paths
        path = paths[hook if known else HOOKS[number % len(HOOKS)]]
        seen[client.open("POST", path, json=body).status] += 1
    return seen


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        client = client_with(DATABASE_URL=f"sqlite:///{Path(folder) / 'cds.sqlite3'}")
        seen = statuses(client, int(sys.argv[1]))
    print(dict(sorted(seen.items())))
    return int(any(status >= 500 for status in seen))


if __name__ == "__main__":
    sys.exit(main())
