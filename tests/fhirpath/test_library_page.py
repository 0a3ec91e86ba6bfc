"""docs/fhirpath.md: the engine as a library of its own, with Python and nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "fhirpath.md"
SCRIPT = """
import doctest, json, sys
session = doctest.DocTestParser().get_doctest(sys.stdin.read(), {}, "page", None, 0)
before = set(sys.modules)
results = doctest.DocTestRunner().run(session, out=sys.stderr.write)
print(json.dumps([results.failed, results.attempted, sorted(set(sys.modules) - before)]))
"""


def ran_alone() -> tuple[int, int, list[str]]:
    """The session of the page in a process of its own: failures, examples, modules it brought."""
    text = PAGE.read_text(encoding="utf-8")
    session = "\n".join(re.findall(r"```pycon\n(.*?)```", text, flags=re.DOTALL))
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT], input=session, capture_output=True, text=True, check=True
    )
    failed, attempted, modules = json.loads(run.stdout)
    assert not failed, run.stderr
    return failed, attempted, modules


def test_what_the_page_shows_is_what_the_engine_answers():
    failed, attempted, _ = ran_alone()

    assert (failed, attempted > 10) == (0, True)


def test_the_engine_needs_nothing_but_python():
    _, _, modules = ran_alone()

    packages = {name.partition(".")[0] for name in modules}
    assert packages - sys.stdlib_module_names == {"cds_service"}
    parts = {name.split(".")[1] for name in modules if name.startswith("cds_service.")}
    assert parts <= {"errors", "fhirpath", "messages", "locales"}
