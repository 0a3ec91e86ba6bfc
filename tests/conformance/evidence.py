"""Which test proves which row: `docs/conformance.md`, made from the markers in the tests.

    python tests/conformance/evidence.py > docs/conformance.md

Reads `rows.tsv` (id, party, level, short title), the `pytest.mark.requirement` markers of every
test file, without running any, `unproven.toml` (why a row has no test) and `smaller.toml` (what a
row asks beyond its tests).
"""

from __future__ import annotations

import ast
import csv
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
TESTS = HERE.parent
LEVELS = ("SHALL", "SHOULD", "RISK")
NO_REASON = "no test yet"
HEAD = """# Conformance

Made by `make conformance-docs` from the markers in the tests; a test holds it against them.
Each line is one row of our list of requirements: what CDS Hooks 2.0.1 and its neighbours ask of
a service (party S) and of its clients (C), what is informative (I), our own (D), and our list of
risks (R). A risk counts as proven when a test covers it; where its goal is a number under load or
over hours, what was measured stands in `bench/README.md`, with the goals that are missed. What a
row asks beyond its tests stands under *Proven in part*.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One requirement or risk."""

    id: str
    party: str
    level: str
    title: str


def rows() -> list[Row]:
    """All rows, in the order of the lists."""
    with (HERE / "rows.tsv").open(encoding="utf-8", newline="") as file:
        return [Row(**row) for row in csv.DictReader(file, delimiter="\t")]


def proofs() -> dict[str, list[str]]:
    """The tests of each row id, as `file::test`; a marker on a whole file counts as the file."""
    found: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        name = path.relative_to(TESTS).as_posix()
        for test, row in _marks(tree, name):
            if test not in found.setdefault(row, []):
                found[row].append(test)
    return found


def reasons() -> dict[str, str]:
    """Why a row has no test, by id."""
    return tomllib.loads((HERE / "unproven.toml").read_text(encoding="utf-8"))


def beyond() -> dict[str, str]:
    """What a row asks that its tests do not show, by id."""
    return tomllib.loads((HERE / "smaller.toml").read_text(encoding="utf-8"))


def _marks(tree: ast.Module, name: str) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                for row in _ids(decorator):
                    yield f"{name}::{node.name}", row
        elif isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets
        ):
            for row in _ids(node.value):
                yield name, row


def _ids(node: ast.expr) -> Iterator[str]:
    for call in ast.walk(node):
        is_marker = (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr == "requirement"
        )
        if is_marker:
            for argument in call.args:
                for leaf in ast.walk(argument):
                    if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str):
                        yield leaf.value


def document() -> str:
    """The whole page."""
    proven, why, besides = proofs(), reasons(), beyond()
    wanted = [row for row in rows() if row.level in LEVELS]
    parts = [HEAD, "| level | rows | proven by a test | not | of these without a reason |"]
    parts.append("| --- | --- | --- | --- | --- |")
    for level in LEVELS:
        mine = [row for row in wanted if row.level == level]
        left = [row for row in mine if row.id not in proven]
        bare = [row for row in left if row.id not in why]
        parts.append(
            f"| {level} | {len(mine)} | {len(mine) - len(left)} | {len(left)} | {len(bare)} |"
        )
    parts += ["", "## Proven", "", "| row | party | level | what | tests |"]
    parts.append("| --- | --- | --- | --- | --- |")
    parts += [_line(row, _tests(proven[row.id])) for row in wanted if row.id in proven]
    parts += ["", "## Proven in part", "", "| row | party | level | what | what it asks besides |"]
    parts.append("| --- | --- | --- | --- | --- |")
    parts += [_line(row, besides[row.id]) for row in wanted if row.id in besides]
    parts += ["", "## Not proven by a test", "", "| row | party | level | what | why |"]
    parts.append("| --- | --- | --- | --- | --- |")
    parts += [_line(row, why.get(row.id, NO_REASON)) for row in wanted if row.id not in proven]
    return "\n".join(parts) + "\n"


def _line(row: Row, last: str) -> str:
    title = row.title.replace("|", "\\|")
    return f"| {row.id} | {row.party} | {row.level} | {title} | {last} |"


def _tests(tests: list[str]) -> str:
    shown = ", ".join(f"`{test}`" for test in tests[:4])
    return shown if len(tests) <= 4 else f"{shown} and {len(tests) - 4} more"


if __name__ == "__main__":
    sys.stdout.write(document())
