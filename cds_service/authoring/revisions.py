"""The guideline files of a folder as they are, or as they were at a git revision."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from cds_service import fhir_json
from cds_service.data.plan_library import NOT_CONTENT, guideline_files, text_of
from cds_service.engine import Source
from cds_service.errors import ContentError

if TYPE_CHECKING:
    from collections.abc import Iterator

_WITHIN_S = 60


def of_folder(directory: Path) -> dict[str, Source]:
    """The guideline files below a folder, by their names in it."""
    files = ((path, str(path.relative_to(directory))) for path in guideline_files(directory))
    return {name: _source(name, text_of(path)) for path, name in files}


def at(revision: str, directory: Path) -> dict[str, Source]:
    """The guideline files of a folder as git has them at a revision, by their names in it.

    Raises ContentError when this is no git repository, git is not there, or it has no such
    revision.
    """
    prefix = _git(directory, "rev-parse", "--show-prefix").strip()
    commit = _commit(revision, directory)
    listed = _git(directory, "ls-tree", "-r", "-z", "--name-only", commit, "--", ".")
    names = [name for name in listed.split("\0") if _is_guideline(name)]
    return {
        name: _source(name, text)
        for name, text in zip(names, _texts(directory, commit, prefix, names), strict=True)
    }


def _commit(revision: str, directory: Path) -> str:
    """The commit that a revision names; raises ContentError where there is none."""
    named = f"{revision}^{{commit}}"
    try:
        found = _git(directory, "rev-parse", "--verify", "--quiet", "--end-of-options", named)
    except ContentError as error:
        message = f"git knows no revision '{revision}' in the repository of {directory}"
        raise ContentError(message, code="revision", hint=error.hint) from None
    return found.strip()


def _is_guideline(name: str) -> bool:
    return name.endswith(".json") and not NOT_CONTENT & set(Path(name).parts[:-1])


def _texts(directory: Path, commit: str, prefix: str, names: list[str]) -> Iterator[str]:
    """The text of each file at a commit, by one call of git."""
    asked = "".join(f"{commit}:{prefix}{name}\n" for name in names)
    answer = _git(directory, "cat-file", "--batch", asked=asked).encode("utf-8", "surrogateescape")
    start = 0
    for _ in names:
        head = answer.index(b"\n", start)
        size = int(answer[start:head].split()[-1])
        yield answer[head + 1 : head + 1 + size].decode("utf-8", "surrogateescape")
        start = head + 2 + size


def _git(directory: Path, *arguments: str, asked: str | None = None) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - the author's own git, no shell
            ["git", "-C", str(directory), *arguments],  # noqa: S607 - wherever it is installed
            input=asked.encode() if asked is not None else b"",
            capture_output=True,
            timeout=_WITHIN_S,
            check=True,
        )
    except FileNotFoundError:
        raise ContentError("git is not installed", code="revision") from None
    except subprocess.CalledProcessError as error:
        told = error.stderr.decode("utf-8", "replace").strip()
        raise ContentError(
            f"git cannot tell what {directory} was: {told}",
            code="revision",
            hint="name a branch, tag or commit of the repository that holds the folder",
        ) from None
    return done.stdout.decode("utf-8", "surrogateescape")


def _source(name: str, text: str) -> Source:
    resource = fhir_json.decode_content(text, name)
    return Source(name, text, resource if isinstance(resource, dict) else {})
