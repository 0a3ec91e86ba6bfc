"""Makes `collection.json`, which Bruno and Postman import, from the service's OpenAPI document.

Usage: python3 make_collection.py OPENAPI.json COLLECTION.json

One folder for each tag of the document. A hook call has a request for each file in `requests/` of
its hook and for each profile, so that every card of the examples can be seen with two clicks.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
METHODS = ("get", "post")


def collection(document: dict[str, Any]) -> dict[str, Any]:
    """The collection; `{{base}}`, where the service answers, is a variable of it."""
    folders: dict[str, list[dict[str, Any]]] = {}
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                tag = item[method].get("tags", ["Service"])[0]
                parameters = (*item.get("parameters", ()), *item[method].get("parameters", ()))
                operation = {**item[method], "parameters": parameters}
                folders.setdefault(tag, []).extend(_requests(path, method, operation))
    return {
        "info": {"name": document["info"]["title"], "schema": SCHEMA},
        "variable": [{"key": "base", "value": "http://127.0.0.1:8080"}],
        "item": [{"name": name, "item": found} for name, found in folders.items()],
    }


def _requests(path: str, method: str, operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    bodies = operation.get("requestBody", {}).get("content", {"": {}})
    media_type, content = next(iter(bodies.items()))
    for place in _filled(path, operation):
        for name, body in _bodies(content.get("example"), path):
            title = f"{place}: {name}" if name else place
            url = _url(place, _query(operation) if body is None else {})
            request = {"method": method.upper(), "header": [], "url": url}
            if body is not None:
                request["header"] = [{"key": "Content-Type", "value": media_type}]
                request["body"] = _written(media_type, body)
            yield {"name": title, "request": request}


def _filled(path: str, operation: dict[str, Any]) -> list[str]:
    """The path for each value that the document lists for its parameter, else for its example."""
    places = [path]
    for parameter in operation["parameters"]:
        if parameter["in"] != "path":
            continue
        values = parameter["schema"].get("enum") or [parameter["example"]]
        name = "{" + parameter["name"] + "}"
        places = [place.replace(name, str(value)) for place in places for value in values]
    return places


def _query(operation: dict[str, Any]) -> dict[str, str]:
    """The arguments that the document has examples of: with them the operation answers."""
    return {
        parameter["name"]: parameter["example"]
        for parameter in operation["parameters"]
        if parameter["in"] == "query" and "example" in parameter
    }


def _bodies(example: Any, path: str) -> list[tuple[str, Any]]:
    """What is sent, each with a name: the files of the hook, or the example of the document."""
    hook = example.get("hook") if isinstance(example, dict) else None
    files = [
        (file.stem, json.loads(file.read_text(encoding="utf-8")))
        for file in sorted((HERE / "requests").glob("*.json"))
    ]
    if hook is not None:
        return [found for found in files if found[1].get("hook") == hook] or [("", example)]
    if path.endswith("/feedback"):
        return [found for found in files if "feedback" in found[1]]
    return [("", example)]


def _url(place: str, query: dict[str, str]) -> dict[str, Any]:
    asked = "?" + urlencode(query, safe=":/") if query else ""
    url = {
        "raw": "{{base}}" + place + asked,
        "host": ["{{base}}"],
        "path": place.strip("/").split("/"),
    }
    if query:
        url["query"] = [{"key": name, "value": value} for name, value in query.items()]
    return url


def _written(media_type: str, body: Any) -> dict[str, Any]:
    if media_type == "application/x-www-form-urlencoded":
        pairs = [{"key": name, "value": value} for name, value in body.items()]
        return {"mode": "urlencoded", "urlencoded": pairs}
    return {"mode": "raw", "raw": json.dumps(body, indent=2, ensure_ascii=False)}


def main(document: str, written: str) -> None:
    """Read the document, write the collection."""
    found = json.loads(Path(document).read_text(encoding="utf-8"))
    text = json.dumps(collection(found), indent=1, ensure_ascii=False)
    Path(written).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
