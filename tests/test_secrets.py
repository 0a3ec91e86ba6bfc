"""No secret lies in the repository (J4)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
FOLDERS = (".ci", "bench", "cds_service", "docker", "docs", "examples", "sandbox", "tests")
PRIVATE = re.compile(
    rb"BEGIN [A-Z ]*PRIVATE KEY"  # PEM
    rb"|'d'\s*:\s*'[\w-]{40,}'"  # JWK
    rb"|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}"  # a signed token
)


@pytest.mark.requirement("J4")
def test_no_private_key_and_no_token_lies_in_the_repository():
    kept = [path for name in FOLDERS for path in (REPOSITORY / name).rglob("*.*")]
    kept += REPOSITORY.glob("*.*")
    kept = [path for path in kept if "node_modules" not in path.parts and path.is_file()]
    texts = {path: path.read_bytes() for path in kept}
    assert len(texts) > 500
    found = [path for path, text in texts.items() if PRIVATE.search(text.replace(b'"', b"'"))]
    assert found == []
