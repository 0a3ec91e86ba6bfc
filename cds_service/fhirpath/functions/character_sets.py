"""What single characters a part of a regular expression can match, and whether two never agree.

Conservative: where it is not certain that two sets have nothing in common, they may have.
"""

from __future__ import annotations

from dataclasses import dataclass
from re import _constants as sre  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_WIDEST_RANGE = 1000
_NOTHING: frozenset[Any] = frozenset()


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


_TESTS: dict[Any, Callable[[str], bool]] = {
    sre.CATEGORY_DIGIT: str.isdecimal,
    sre.CATEGORY_SPACE: str.isspace,
    sre.CATEGORY_WORD: _is_word,
    sre.CATEGORY_NOT_DIGIT: lambda character: not character.isdecimal(),
    sre.CATEGORY_NOT_SPACE: lambda character: not character.isspace(),
    sre.CATEGORY_NOT_WORD: lambda character: not _is_word(character),
}
_APART = frozenset(
    frozenset(pair)
    for pair in (
        (sre.CATEGORY_SPACE, sre.CATEGORY_DIGIT),
        (sre.CATEGORY_SPACE, sre.CATEGORY_WORD),
        (sre.CATEGORY_SPACE, sre.CATEGORY_NOT_SPACE),
        (sre.CATEGORY_DIGIT, sre.CATEGORY_NOT_DIGIT),
        (sre.CATEGORY_DIGIT, sre.CATEGORY_NOT_WORD),
        (sre.CATEGORY_WORD, sre.CATEGORY_NOT_WORD),
    )
)
"""The categories that have no character in common."""


@dataclass(frozen=True, slots=True)
class Characters:
    """These characters and those of these categories; or, when `negated`, all others."""

    listed: frozenset[str] = _NOTHING
    categories: frozenset[Any] = _NOTHING
    negated: bool = False

    def names(self, character: str) -> bool:
        """Whether a character is listed or of a category, negated or not."""
        return character in self.listed or any(_TESTS[each](character) for each in self.categories)

    def is_apart_from(self, other: Characters) -> bool:
        """Whether no character is certainly in both."""
        if self.negated and other.negated:
            return False
        if self.negated or other.negated:
            some, rest = (other, self) if self.negated else (self, other)
            return all(map(rest.names, some.listed)) and some.categories <= rest.categories
        if any(map(self.names, other.listed)) or any(map(other.names, self.listed)):
            return False
        pairs = (frozenset({a, b}) for a in self.categories for b in other.categories)
        return all(pair in _APART for pair in pairs)

    def with_those_of(self, other: Characters) -> Characters:
        """What is in either."""
        if self.negated or other.negated:
            return ANYTHING
        return Characters(self.listed | other.listed, self.categories | other.categories)


ANYTHING = Characters(negated=True)


def characters_of(operator: Any, argument: Any) -> Characters:
    """What a part that matches one character can match; `anything` where that is not certain."""
    if operator is sre.LITERAL:
        return Characters(_in_any_case(chr(argument)))
    if operator is sre.NOT_LITERAL:
        return Characters(frozenset({chr(argument)}), negated=True)
    return _of_set(argument) if operator is sre.IN else ANYTHING


def _of_set(items: list[tuple[Any, Any]]) -> Characters:
    is_negated = bool(items) and items[0][0] is sre.NEGATE
    listed: set[str] = set()
    categories: set[Any] = set()
    for operator, argument in items[1:] if is_negated else items:
        if operator is sre.LITERAL:
            listed.add(chr(argument))
        elif operator is sre.RANGE and argument[1] - argument[0] < _WIDEST_RANGE:
            listed.update(map(chr, range(argument[0], argument[1] + 1)))
        elif operator is sre.CATEGORY and argument in _TESTS:
            categories.add(argument)
        elif not is_negated:
            return ANYTHING
    if is_negated:  # what was not understood is left in, so that this is rather too much
        return Characters(frozenset(listed), frozenset(categories), negated=True)
    wide = frozenset().union(*map(_in_any_case, listed)) if listed else _NOTHING
    return Characters(wide, frozenset(categories))


def _in_any_case(character: str) -> frozenset[str]:
    """The character, and those that it may match when case is ignored."""
    return frozenset(
        {
            character,
            character.lower(),
            character.upper(),
            character.swapcase(),
            character.casefold(),
        }
    )
