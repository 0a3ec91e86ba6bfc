"""The error tree: every failure is a sentence that says what, where and how to fix it.

    CdsError
    ├── ContentError          an author's file is wrong           (load, lint: exit 1 or 2)
    │   └── ExpressionError   a FHIRPath expression does not compile
    ├── ContentErrors         all problems of one load, together
    ├── RequestError          the client's message is wrong       HTTP 400
    ├── NotTrusted            the caller is not who we let in     HTTP 401
    ├── UnknownService        no such service                     HTTP 404
    ├── PrefetchUnavailable   required data cannot be had         HTTP 412
    ├── StoreUnavailable      nothing can be written durably      HTTP 503
    ├── CohortError           a cohort of `simulate` cannot be read   (exit 2)
    └── EvaluationError       one action could not be judged; the others still run

Anything else that is raised is a bug. No state, no logging, no imports from the package.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Where:
    """Where a problem is: a file, the FHIR path in it, and the one-based line and column."""

    file: str | None = None
    path: str | None = None
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        numbers = [str(number) for number in (self.line, self.column) if number is not None]
        place = ":".join([self.file, *numbers]) if self.file else ""
        return " ".join(part for part in (place, self.path) if part)


class CdsError(Exception):
    """A failure with a stable code, a message for people, and a hint on how to fix it.

    `status` is the HTTP status that the web answers (CDS Hooks requirements, 5.1).
    """

    default_code = "cds-error"
    status = 500

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        where: Where | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.hint = hint
        self.where = where

    def __str__(self) -> str:
        head = f"{self.where}: " if self.where and str(self.where) else ""
        tail = f"\n  hint: {self.hint}" if self.hint else ""
        return f"{head}{self.message} [{self.code}]{tail}"


class ContentError(CdsError):
    """A guideline file cannot be used as it is."""

    default_code = "content"


class ExpressionError(ContentError):
    """A FHIRPath expression does not compile; `offset` is the zero-based place in `expression`."""

    default_code = "fhirpath"

    def __init__(
        self,
        message: str,
        *,
        expression: str,
        offset: int = 0,
        code: str | None = None,
        hint: str | None = None,
        where: Where | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=hint, where=where)
        self.expression = expression
        self.offset = offset

    def __str__(self) -> str:
        before = self.expression[: self.offset]
        line_start = before.rfind("\n") + 1
        line = self.expression[line_start:].split("\n", 1)[0]
        return f"{super().__str__()}\n  {line}\n  {' ' * (self.offset - line_start)}^"


class ContentErrors(CdsError):
    """All problems found in one load, so that an author fixes them in one go."""

    default_code = "content"

    def __init__(self, problems: Iterable[ContentError]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        super().__init__(f"{counted(count, 'problem')} in the guideline content")

    def __str__(self) -> str:
        return "\n".join([self.message, *(str(problem) for problem in self.problems)])


class RequestError(CdsError):
    """The client's message cannot be processed; `where.path` names the member."""

    default_code = "bad-request"
    status = 400


class NotTrusted(CdsError):
    """The caller is not on the list; message and `reason`, a short code, stay in the log."""

    default_code = "not-trusted"
    status = 401

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class UnknownService(CdsError):
    """No service has this id; the hint names the closest ones."""

    default_code = "unknown-service"
    status = 404


class PrefetchUnavailable(CdsError):
    """Required data is neither in prefetch nor to be had from the FHIR server; `keys` names it."""

    default_code = "prefetch-unavailable"
    status = 412

    def __init__(self, message: str, *, keys: Iterable[str], hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.keys = tuple(keys)


class StoreUnavailable(CdsError):
    """Feedback cannot be written durably now, so it is not acknowledged."""

    default_code = "store-unavailable"
    status = 503


class EvaluationError(CdsError):
    """An expression failed on this data; the action that holds it gets the verdict *error*."""

    default_code = "evaluation"


class CohortError(CdsError):
    """A cohort to simulate on cannot be read as it is, or not with what is installed."""

    default_code = "cohort"


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A hint naming up to three close matches of `name`, or None when nothing is close."""
    close = get_close_matches(name, list(known), n=3, cutoff=0.6)
    if not close:
        return None
    return "did you mean " + " or ".join(f"'{match}'" for match in close) + "?"


def counted(count: int, one: str, several: str | None = None) -> str:
    """A number of things in a sentence: `1 file`, `2 files`; `several` where an -s will not do."""
    return f"{count} {one if count == 1 else several or one + 's'}"


def short(name: str) -> str:
    """`name` as a sentence may repeat it: what a client chose is cut after 80 characters."""
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
