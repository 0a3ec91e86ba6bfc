"""Requests that schemathesis makes from `/openapi.json`, against the service as `serve` starts it.

    python -m fuzz.generated 25      # in tests/; requests per operation and phase, all phases

Every answer is held against the document: status, media type, headers and body; what the document
refuses must be refused, and nothing may be answered with 5xx.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from contract.clients import serving

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
)
LONGEST_RUN_S = 3600
_COUNTED = re.compile(r"^\s*(\d+) generated, (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Report:
    """How many requests were made, whether every answer was as it should be, and what was said."""

    requests: int
    is_clean: bool
    text: str


def run(url: str, folder: Path, examples: int, phases: str, *more: str) -> Report:
    """Have `examples` requests made for each operation and phase; `more` are further options."""
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json",
        "--checks", ",".join(CHECKS), "--phases", phases, "--max-examples", str(examples),
        "--seed", "1", "--continue-on-failure", "--no-color", *more,
    ]  # fmt: skip
    done = subprocess.run(
        command,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST_RUN_S,
    )
    text = done.stdout + done.stderr
    counted = _COUNTED.search(text)
    return Report(int(counted[1]) if counted else 0, done.returncode == 0, text)


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for server in serving(folder):
            report = run(server.url, folder, int(sys.argv[1]), "examples,coverage,fuzzing")
    print(report.text)
    return int(not report.is_clean)


if __name__ == "__main__":
    sys.exit(main())
