"""A CDS client in Python's own library: discovery, a call, its cards, and feedback on the first.

Usage: python3 cards.py REQUEST.json [BASE]
A card that was overridden with a reason is not shown to that user for that patient again.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen


def send(url: str, body: Any = None) -> Any:
    """GET, or POST of JSON; the answer's JSON, or None where it is empty."""
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data, {"Content-Type": "application/json"})
    with urlopen(request, timeout=5) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def main(file: str, base: str = "http://127.0.0.1:8080") -> None:
    """Print the cards for the call in `file`, and tell what became of the first."""
    call = json.loads(Path(file).read_text(encoding="utf-8"))
    services = send(f"{base}/cds-services")["services"]
    service = next(item for item in services if item["hook"] == call["hook"])
    url = f"{base}/cds-services/{service['id']}"
    cards = send(url, call)["cards"]
    for card in cards:
        print(f"{card['indicator']}: {card['summary']} ({card['source']['label']})")
    if not cards:
        print("no cards")
    for card in cards[:1]:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        what, told = decided(card)
        entry = {"card": card["uuid"], "outcomeTimestamp": now, **what}
        send(f"{url}/feedback", {"feedback": [entry]})
        print(f"{entry['outcome']}: {told}")


def decided(card: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """A user who takes the first suggestion, or gives the first reason against; and its words."""
    if card.get("suggestions"):
        taken = card["suggestions"][0]
        accepted = [{"id": taken["uuid"]}]
        return {"outcome": "accepted", "acceptedSuggestions": accepted}, taken["label"]
    if card.get("overrideReasons"):
        reason = card["overrideReasons"][0]
        return {"outcome": "overridden", "overrideReason": {"reason": reason}}, reason["display"]
    return {"outcome": "overridden"}, "the card asks for no reason"


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except HTTPError as refused:
        outcome = json.loads(refused.read())
        sys.exit(f"{refused.code}: {outcome['issue'][0]['diagnostics']}")
    except URLError as silent:
        sys.exit(f"no answer ({silent.reason}); is the service running?")
