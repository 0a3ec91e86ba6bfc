"""Texts with facts in them, in a subset of ICU MessageFormat: `{name}` and `{name, plural, …}`.

A text is parsed once into a frozen pattern. What a fact looks like is not known here: rendering
asks its caller. Pure; knows neither languages nor FHIR.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from cds_service.errors import ExpressionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

DEFAULT_LANGUAGE = "en"
"""The language of a text without translation."""

FACT_WIDTH = 3
"""What a fact counts for where the length of a text is limited (safety F.6: `{w}`)."""

CATEGORIES = ("zero", "one", "two", "few", "many", "other")
"""The plural categories of Unicode CLDR; `other` is always needed."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SELECTOR = re.compile(r"=\d+|[a-z]+")
_SPACE = re.compile(r"\s*")
_LITERAL = re.compile(r"[^{}]+")
_COUNTED = re.compile(r"[^{}#]+")


@dataclass(frozen=True, slots=True)
class Fact:
    """The place of a fact: `{name}`."""

    name: str


@dataclass(frozen=True, slots=True)
class Count:
    """The number that the surrounding plural depends on: `#`."""

    name: str


@dataclass(frozen=True, slots=True)
class Plural:
    """One of several wordings, by a number: `{name, plural, =0 {…} one {…} other {…}}`.

    `branches` are by category, or by `=n` for exactly that number; `other` is always there.
    """

    name: str
    branches: Mapping[str, tuple[Part, ...]]


Part: TypeAlias = str | Fact | Count | Plural


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed text: literal parts and places for facts; `names` are the facts it needs.

    `words` are the literal parts: all of it where it needs no fact.
    """

    parts: tuple[Part, ...]
    names: frozenset[str]
    words: str

    def render(
        self, fact: Callable[[str], str], choose: Callable[[str, Sequence[str]], str]
    ) -> str:
        """The text with its facts.

        `fact` says what a name is shown as; `choose` says which of a plural's branches fits.
        """
        return "".join(_rendered(self.parts, fact, choose))


@dataclass(frozen=True, slots=True)
class Text:
    """A text a reader sees: the default (English), and its translations by language code."""

    default: str
    translations: Mapping[str, str]

    def in_language(self, language: str) -> str:
        """The text in this language, or the default text."""
        return self.translations.get(language, self.default)

    def pattern(self, language: str) -> Pattern:
        """The pattern in this language, or of the default text."""
        return parse(self.in_language(language))

    def language_for(self, wanted: str) -> str:
        """`wanted`, or English where there is no such translation."""
        return wanted if wanted in self.translations else DEFAULT_LANGUAGE

    def is_complete(self, values: Mapping[str, Sequence[object]]) -> bool:
        """Whether every fact that the text names is there."""
        return all(values.get(name) for name in self.placeholders)

    @property
    def placeholders(self) -> frozenset[str]:
        """The names of the facts; translations have no others (that is checked at load)."""
        return parse(self.default).names


@lru_cache(maxsize=65536)
def parse(text: str) -> Pattern:
    """The pattern of a text; ExpressionError with the offset of what is wrong in it."""
    reader = _Reader(text)
    parts = tuple(reader.parts(counted=None))
    if reader.offset < len(text):
        raise reader.error("a '}' without its '{'")
    words = "".join(part for part in parts if isinstance(part, str))
    return Pattern(parts, frozenset(reader.names), words)


def shape(pattern: Pattern) -> frozenset[tuple[str, tuple[str, ...]]]:
    """What a translation must keep: each fact, with the branches of the plural on it, if one."""
    return frozenset(_shapes(pattern.parts))


def longest(pattern: Pattern) -> int:
    """Characters of the text in its longest wording, a fact counted as `FACT_WIDTH`."""
    return _longest(pattern.parts)


def _longest(parts: Sequence[Part]) -> int:
    length = 0
    for part in parts:
        if isinstance(part, str):
            length += len(part)
        elif isinstance(part, Plural):
            length += max(_longest(branch) for branch in part.branches.values())
        else:
            length += FACT_WIDTH
    return length


def _shapes(parts: Sequence[Part]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for part in parts:
        if isinstance(part, Plural):
            yield part.name, tuple(sorted(part.branches))
            for branch in part.branches.values():
                yield from _shapes(branch)
        elif isinstance(part, Fact):
            yield part.name, ()


def _rendered(
    parts: Sequence[Part],
    fact: Callable[[str], str],
    choose: Callable[[str, Sequence[str]], str],
) -> Iterator[str]:
    for part in parts:
        if isinstance(part, str):
            yield part
        elif isinstance(part, Plural):
            branch = part.branches[choose(part.name, tuple(part.branches))]
            yield from _rendered(branch, fact, choose)
        else:
            yield fact(part.name)


class _Reader:
    """Reads one text from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.offset = 0
        self.names: set[str] = set()

    def error(self, message: str, hint: str | None = None) -> ExpressionError:
        return ExpressionError(
            message, expression=self.text, offset=self.offset, code="message", hint=hint
        )

    def parts(self, counted: str | None) -> Iterator[Part]:
        """The parts up to the end or to a closing brace; `#` is a number inside a plural only."""
        literal = _COUNTED if counted else _LITERAL
        while self.offset < len(self.text) and self.text[self.offset] != "}":
            found = literal.match(self.text, self.offset)
            if found:
                self.offset = found.end()
                yield found[0]
            elif self.text[self.offset] == "#":
                self.offset += 1
                yield Count(str(counted))
            else:
                yield self._placeholder()

    def _placeholder(self) -> Fact | Plural:
        self.offset += 1
        name = self._take(_NAME, "the name of a fact", "write a fact as {name}")
        self.names.add(name)
        if self._next() == "}":
            self.offset += 1
            return Fact(name)
        self._expect(",")
        kind = self._take(_NAME, "'plural'")
        if kind != "plural":
            raise self.error(f"'{kind}' is not known here", "only plural is: {name, plural, …}")
        self._expect(",")
        return Plural(name, self._branches(name))

    def _branches(self, name: str) -> dict[str, tuple[Part, ...]]:
        branches: dict[str, tuple[Part, ...]] = {}
        while self._next() != "}":
            selector = self._take(_SELECTOR, "one, other or =0")
            if selector in branches or not (selector[0] == "=" or selector in CATEGORIES):
                known = f"a number such as =0, or one of {', '.join(CATEGORIES)}, each once"
                raise self.error(f"'{selector}' is no branch of a plural here", known)
            self._expect("{")
            branches[selector] = tuple(self.parts(counted=name))
            self._expect("}")
        if "other" not in branches:
            raise self.error("a plural needs the branch 'other'", "add other {…}")
        self.offset += 1
        return branches

    def _next(self) -> str:
        """The next character that is not white space; the offset stands on it."""
        space = _SPACE.match(self.text, self.offset)
        self.offset = space.end() if space else self.offset
        if self.offset >= len(self.text):
            raise self.error("the text ends inside a placeholder", "close it with '}'")
        return self.text[self.offset]

    def _take(self, wanted: re.Pattern[str], what: str, hint: str | None = None) -> str:
        self._next()
        found = wanted.match(self.text, self.offset)
        if not found:
            raise self.error(f"expected {what} here", hint)
        self.offset = found.end()
        return found[0]

    def _expect(self, character: str) -> None:
        if self._next() != character:
            raise self.error(f"expected '{character}' here")
        self.offset += 1
