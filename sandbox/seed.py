"""Puts the example patients into a FHIR server: `seed.py BASE_URL FOLDER`.

Every Bundle in FOLDER becomes one transaction that puts each resource under its own id, so that
running it again changes nothing. Waits for the server to come up. `FHIR_TOKEN` is shown to a server
that asks for a token. Standard library only: docker-compose.yml runs it in a bare Python image.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

WAIT_S = 300
_PAUSE_S = 1.0
_TIMEOUT_S = 60
_REFUSALS = {401, 403}
"""Answers that waiting does not change."""


class Refused(Exception):
    """The server took the transaction and not what is in it; the argument says which and why."""


def transaction(bundle: dict[str, Any]) -> dict[str, Any]:
    """The transaction that puts every resource of `bundle` under its own id."""
    resources = [entry["resource"] for entry in bundle.get("entry", ())]
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": each, "request": {"method": "PUT", "url": _address(each)}}
            for each in resources
        ],
    }


def _address(resource: dict[str, Any]) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def wait_for(base: str, wait_s: float = WAIT_S) -> None:
    """Return when the server answers; raise the last failure when it does not within `wait_s`.

    The first failure is told, because an address that is wrong looks like a server that is late.
    """
    end = time.monotonic() + wait_s
    is_told = False
    while True:
        try:
            with urllib.request.urlopen(_request(f"{base}/metadata"), timeout=_TIMEOUT_S):
                return
        except OSError as error:
            if getattr(error, "code", None) in _REFUSALS or time.monotonic() > end:
                raise
            if not is_told:
                print(f"waiting up to {wait_s:.0f} s for {base}: {error}", file=sys.stderr)
            is_told = True
            time.sleep(_PAUSE_S)


def send(base: str, bundle: dict[str, Any]) -> None:
    """Post one transaction.

    Raises:
        OSError: the server refuses the transaction, or cannot be reached.
        Refused: it answers 200 and refuses one of the resources.
    """
    request = _request(base, json.dumps(bundle).encode())
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
        said = json.load(answer)
    for sent, got in zip(bundle["entry"], said.get("entry", ()), strict=False):
        status = str(got.get("response", {}).get("status", "200"))
        if not status.startswith("2"):
            raise Refused(f"{sent['request']['url']} got {status}: {json.dumps(got)[:2000]}")


def _request(url: str, body: bytes | None = None) -> urllib.request.Request:
    headers = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}
    if token := os.environ.get("FHIR_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    return urllib.request.Request(url, data=body, headers=headers)


def main(base: str, folder: Path) -> int:
    """Load every Bundle of `folder`; 0, or 1 when there is none or one was refused."""
    paths = sorted(folder.glob("*.json"))
    if not paths:
        print(f"there is no Bundle in {folder}", file=sys.stderr)
        return 1
    base = base.rstrip("/")
    place = "metadata"
    try:
        wait_for(base)
        for path in paths:
            place = path.name
            bundle = transaction(json.loads(path.read_bytes()))
            send(base, bundle)
            print(f"{path.name}: {len(bundle['entry'])} resources")
    except urllib.error.HTTPError as error:
        said = error.read(2000).decode("utf-8", "replace")
        print(f"{place}: the FHIR server answered {error.code}: {said}", file=sys.stderr)
        return 1
    except Refused as error:
        print(f"{place}: the FHIR server refused {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{place}: the FHIR server cannot be reached: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
