"""A CDS client in Python's own library: discovery, a call, its cards, and feedback on the first.

Usage: python3 cards.py REQUEST.json [BASE]
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen


def send(url: str, body: Any = None) -> Any:
    """GET, or POST of JSON; the answer's JSON, or None where it is empty."""
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data, {"Content-Type": "application/json"})
    with urlopen(request, timeout=5) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def main(file: str, base: str = "http://127.0.0.1:8080") -> None:
    """Print the cards for the call in `file`, and say that the first was seen and not followed."""
    call = json.loads(Path(file).read_text(encoding="utf-8"))
    services = send(f"{base}/cds-services")["services"]
    service = next(item for item in services if item["hook"] == call["hook"])
    url = f"{base}/cds-services/{service['id']}"
    cards = send(url, call)["cards"]
    for card in cards:
        print(f"{card['indicator']}: {card['summary']} ({card['source']['label']})")
    if cards and cards[0].get("overrideReasons"):
        reason = cards[0]["overrideReasons"][0]
        entry = {
            "card": cards[0]["uuid"],
            "outcome": "overridden",
            "overrideReason": {"reason": reason},
            "outcomeTimestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        send(f"{url}/feedback", {"feedback": [entry]})
        print(f"overridden: {reason['display']}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except HTTPError as refused:
        outcome = json.loads(refused.read())
        sys.exit(f"{refused.code}: {outcome['issue'][0]['diagnostics']}")
