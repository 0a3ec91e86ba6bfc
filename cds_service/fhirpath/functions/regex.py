"""Regular expressions that cannot hang: what may take too long is refused with a reason.

The standard library's engine backtracks. So repetitions inside repetitions, unless something else
always stands between them, alternatives under a repetition that can start alike, and references
back are refused, and for the rest the number of ways to match is bounded: it limits how long the
text may be.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as sre_parser  # type: ignore[attr-defined]
from typing import Any

from cds_service.errors import EvaluationError
from cds_service.fhirpath.functions.character_sets import Characters, characters_of
from cds_service.fhirpath.functions.dialect import python_pattern

MAX_TEXT = 20_000
MAX_PATTERN = 500
MAX_WAYS = 5 * 10**7
"""Ways to match that are tried at most; the text may be as long as this allows."""

_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE}
_REPEATS = frozenset({sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT})
_SINGLE = frozenset({sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN})
_MANY = 1000
"""A repetition that may run more often than this counts as unbounded."""


@dataclass(frozen=True, slots=True)
class Effort:
    """An upper bound of the ways to match: `ways` times the text's length to the power `degree`."""

    ways: int = 1
    degree: int = 0

    def longest_text(self) -> int:
        """The longest text on which a search stays within the bound."""
        limit = int((MAX_WAYS / self.ways) ** (1 / (self.degree + 1)))
        return min(limit, MAX_TEXT)


class _Refused(Exception):
    """A pattern that may take too long; carries the end of a sentence."""


def compiled(pattern: Any, flags: Any, text: str) -> re.Pattern[str]:
    """The compiled pattern; EvaluationError when it is wrong, may hang, or the text is too long."""
    if not isinstance(pattern, str):
        raise EvaluationError("a regular expression must be a string", code="type-mismatch")
    expression, longest = _compiled(pattern, "" if flags is None else str(flags))
    if len(text) > longest:
        raise EvaluationError(
            f"the regular expression '{pattern}' can be matched against at most {longest}"
            f" characters, the text has {len(text)}",
            code="regex",
            hint="use fewer repetitions",
        )
    return expression


@lru_cache(maxsize=256)
def _compiled(pattern: str, flags: str) -> tuple[re.Pattern[str], int]:
    bits = re.DOTALL
    for flag in flags:
        if flag not in _FLAGS:
            raise EvaluationError(f"unknown regular expression flag '{flag}'", code="regex")
        bits |= _FLAGS[flag]
    problem = check(pattern)
    if isinstance(problem, str):
        raise EvaluationError(f"the regular expression '{pattern}' {problem}", code="regex")
    return re.compile(python_pattern(pattern), bits), problem.longest_text()


def check(pattern: str) -> Effort | str:
    """How much work a pattern can be, or what is wrong with it as the end of a sentence."""
    if len(pattern) > MAX_PATTERN:
        return f"is longer than {MAX_PATTERN} characters"
    try:
        tree = sre_parser.parse(python_pattern(pattern), re.DOTALL)
        effort = _effort(tree, repeated=False)
    except (re.error, ValueError, OverflowError, RecursionError) as error:
        return f"is not valid: {error}"
    except _Refused as refused:
        return str(refused)
    return effort if effort.ways <= MAX_WAYS // 100 else "has too many ways to match"


def _effort(tree: Any, *, repeated: bool) -> Effort:
    total = Effort()
    for operator, argument in tree:
        part = _effort_of(operator, argument, repeated=repeated)
        total = Effort(total.ways * part.ways, total.degree + part.degree)
    return total


def _effort_of(operator: Any, argument: Any, *, repeated: bool) -> Effort:
    if operator in _SINGLE or operator is sre.AT:
        return Effort()
    if operator in _REPEATS:
        return _repeat_effort(*argument, repeated=repeated)
    if operator is sre.SUBPATTERN:
        return _effort(argument[3], repeated=repeated)
    if operator is sre.BRANCH:
        return _branch_effort(argument[1], repeated=repeated)
    if operator in {sre.GROUPREF, sre.GROUPREF_EXISTS}:
        raise _Refused("refers back to a group, which can take exponential time")
    raise _Refused("uses a construct that is not supported here")


def _repeat_effort(least: int, most: int, body: Any, *, repeated: bool) -> Effort:
    if most > 1 and not repeated and _is_punctuated(body):
        return Effort(degree=1)
    if least == most:
        return _effort(body, repeated=True) if most > 1 else _effort(body, repeated=repeated)
    if repeated:
        raise _Refused("repeats a repetition, which can take exponential time")
    inner = _effort(body, repeated=most > 1)
    if most > _MANY:
        return Effort(inner.ways, inner.degree + 1)
    return Effort(inner.ways * (most - least + 1), inner.degree)


def _branch_effort(branches: list[Any], *, repeated: bool) -> Effort:
    starts = [_starts(branch) for branch in branches]
    apart = all(
        one is not None and other is not None and one.is_apart_from(other)
        for index, one in enumerate(starts)
        for other in starts[:index]
    )
    if repeated and not apart:
        raise _Refused("repeats alternatives that can start alike, which can take exponential time")
    efforts = [_effort(branch, repeated=repeated) for branch in branches]
    return Effort(
        sum(e.ways for e in efforts) if not apart else max(e.ways for e in efforts),
        max(e.degree for e in efforts),
    )


def _starts(tree: Any) -> Characters | None:
    """The characters that a part can start with; None when it may match nothing."""
    for operator, argument in tree:
        if operator is sre.AT:
            continue
        if operator in _REPEATS and argument[0] == 0:
            return None
        return _starts_of(operator, argument)
    return None


def _starts_of(operator: Any, argument: Any) -> Characters | None:
    if operator is sre.SUBPATTERN:
        return _starts(argument[3])
    if operator in _REPEATS:
        return _starts(argument[2])
    if operator is sre.BRANCH:
        return _joint([_starts(branch) for branch in argument[1]])
    return characters_of(operator, argument)


def _joint(parts: list[Characters | None]) -> Characters | None:
    joint = Characters()
    for part in parts:
        if part is None:
            return None
        joint = joint.with_those_of(part)
    return joint


def _is_punctuated(body: Any) -> bool:
    r"""Whether a repeated part can be told into its repetitions in one way only.

    It is a row of single characters in which one is repeated, and what follows that one, in this
    repetition or the next, is never one of it: `(,\w+)*`, `(\d+;)*`.
    """
    while len(body) == 1 and body[0][0] is sre.SUBPATTERN:
        body = body[0][1][3]
    row = [_link(operator, argument) for operator, argument in body]
    loose = [index for index, link in enumerate(row) if link is not None and link[1]]
    if None in row or len(loose) != 1 or len(row) < 2:
        return False
    links = [link for link in row if link is not None]
    here, following = links[loose[0]], links[(loose[0] + 1) % len(links)]
    return here[0].is_apart_from(following[0])


def _link(operator: Any, argument: Any) -> tuple[Characters, bool] | None:
    """The characters of one part of a row and whether their number varies; None for more."""
    if operator in _SINGLE:
        return characters_of(operator, argument), False
    if operator in _REPEATS and len(argument[2]) == 1 and argument[2][0][0] in _SINGLE:
        least, most, (inner,) = argument
        return (characters_of(*inner), least != most) if least or most != least else None
    return None
