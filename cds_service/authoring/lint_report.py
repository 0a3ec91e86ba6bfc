"""Findings of lint as text for a terminal, as JSON for programs, as SARIF for code review."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cds_service.authoring import mechanical
from cds_service.authoring.lint import WARNINGS
from cds_service.errors import Where, counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cds_service.authoring.lint import Findings
    from cds_service.errors import ContentError

HELP = "docs/lint-rules.md"
WIDTH = 100
"""Characters of a source line that are shown around the caret."""

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


@dataclass(frozen=True)
class Report:
    """What lint found in a folder, and the number of guideline files looked at."""

    directory: Path
    findings: Findings
    files: int

    @cached_property
    def texts(self) -> dict[str, list[str]]:
        """The lines of each file with a finding."""
        files = {where.file for item in self.findings.all if (where := item.where) and where.file}
        paths = {file: self.directory / file for file in files}
        return {
            file: path.read_text("utf-8", "replace").split("\n")
            for file, path in paths.items()
            if path.is_file()
        }

    @property
    def summary(self) -> str:
        """The numbers in one line."""
        warned = len(self.findings.warnings)
        told = f", {counted(warned, 'warning')}" if warned else ""
        problems = counted(len(self.findings.problems), "problem")
        return f"{counted(self.files, 'file')}, {problems}{told}"


def lines(report: Report) -> Iterator[str]:
    """Each finding with its line, a caret, what to do and where to read on; then the sum."""
    for item in report.findings.all:
        level = "warning: " if item.code in WARNINGS else ""
        place = f"{item.where}: " if item.where and str(item.where) else ""
        yield f"{level}{place}{item.message} [{item.code}]"
        yield from _shown(report, item.where or Where())
        if item.hint:
            yield f"  hint: {item.hint}"
        yield f"  see {HELP}#{item.code}"
    yield report.summary


def _shown(report: Report, where: Where) -> Iterator[str]:
    """The line of the file with a caret below the column; a long line is cut around it."""
    text = report.texts.get(where.file or "")
    if text is None or where.line is None or where.column is None:
        return
    line, at = text[where.line - 1], where.column - 1
    start = max(0, at - WIDTH // 2) if len(line) > WIDTH else 0
    cut = line[start : start + WIDTH]
    before = "…" if start else ""
    after = "…" if start + WIDTH < len(line) else ""
    number = f"{where.line:>6} | "
    yield f"{number}{before}{cut}{after}"
    yield f"{' ' * (len(number) - 2)}| {' ' * (at - start + len(before))}^"


def as_json(report: Report) -> dict[str, Any]:
    """Every finding with its place, level and rule, and the counts."""
    return {
        "files": report.files,
        "problems": len(report.findings.problems),
        "warnings": len(report.findings.warnings),
        "findings": [_finding(report, item) for item in report.findings.all],
    }


def _finding(report: Report, item: ContentError) -> dict[str, Any]:
    where = item.where or Where()
    text = report.texts.get(where.file or "")
    return {
        "file": where.file,
        "line": where.line,
        "column": where.column,
        "path": where.path,
        "level": _level(item),
        "rule": item.code,
        "message": item.message,
        "hint": item.hint,
        "help": f"{HELP}#{item.code}",
        "isMendedByFix": item.code in mechanical.WARNINGS,
        "text": text[where.line - 1] if text and where.line else None,
    }


def _level(item: ContentError) -> str:
    return "warning" if item.code in WARNINGS else "error"


# -- SARIF ----------------------------------------------------------------------------------


def as_sarif(report: Report, root: Path, version: str) -> dict[str, Any]:
    """A SARIF 2.1.0 log with one run; files are named relative to `root`, the repository."""
    rules = sorted({item.code for item in report.findings.all})
    driver = {
        "name": "cds-service lint",
        "semanticVersion": version,
        "rules": [_rule(code) for code in rules],
    }
    results = [_result(report, item, root, rules) for item in report.findings.all]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str) -> dict[str, Any]:
    return {
        "id": code,
        "shortDescription": {"text": code.replace("-", " ")},
        "help": {"text": f"Avoid, prefer, why and how to silence: {HELP}#{code}"},
        "defaultConfiguration": {"level": "warning" if code in WARNINGS else "error"},
    }


def _result(report: Report, item: ContentError, root: Path, rules: list[str]) -> dict[str, Any]:
    hint = f" ({item.hint})" if item.hint else ""
    result: dict[str, Any] = {
        "ruleId": item.code,
        "ruleIndex": rules.index(item.code),
        "level": _level(item),
        "message": {"text": f"{item.message}{hint}"},
    }
    if item.where is not None and item.where.file:
        result["locations"] = [_location(item.where, report.directory / item.where.file, root)]
    return result


def _location(where: Where, path: Path, root: Path) -> dict[str, Any]:
    path, root = path.resolve(), root.resolve()
    inside = path.is_relative_to(root)
    uri = path.relative_to(root).as_posix() if inside else path.as_uri()
    physical: dict[str, Any] = {"artifactLocation": {"uri": uri}}
    if where.line is not None:
        column = {} if where.column is None else {"startColumn": where.column}
        physical["region"] = {"startLine": where.line, **column}
    location: dict[str, Any] = {"physicalLocation": physical}
    if where.path:
        location["logicalLocations"] = [{"fullyQualifiedName": where.path}]
    return location
