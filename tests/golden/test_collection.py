"""`examples/collection.json` is what the OpenAPI document gives."""

from __future__ import annotations

import subprocess
import sys

from console import REPOSITORY

EXAMPLES = REPOSITORY / "examples"


def test_the_collection_is_what_the_openapi_document_gives(client, tmp_path, request):
    kept = EXAMPLES / "collection.json"
    (tmp_path / "openapi.json").write_bytes(client.get("/openapi.json").body)
    made = tmp_path / "collection.json"

    subprocess.run(
        [sys.executable, EXAMPLES / "make_collection.py", tmp_path / "openapi.json", made],
        check=True,
    )

    if request.config.getoption("--write-golden"):
        kept.write_text(made.read_text())
    assert made.read_text() == kept.read_text(), "run: make golden"
