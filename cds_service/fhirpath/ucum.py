"""Units of measure: what a UCUM unit is in base units, from a table of the units used in medicine.

A unit outside the table is not guessed at: `unit_of` answers None. Amount of substance and each
arbitrary unit (`[iU]`, `[arb'U]`, `[pH]`) are dimensions of their own, so that nothing of one
kind converts into another. Temperatures carry an offset.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

Dimensions = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as `factor` times its base units; a value x is `(x + offset) * factor` of them."""

    factor: Fraction
    dimensions: Dimensions
    offset: Fraction = Fraction(0)


_BASE = ("m", "s", "g", "rad", "K", "C", "cd", "mol", "[iU]", "[arb'U]", "[pH]", "B", "Np")

_PREFIXES = {
    "Y": 24, "Z": 21, "E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "da": 1,
    "d": -1, "c": -2, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15, "a": -18, "z": -21, "y": -24,
}  # fmt: skip

_METRIC = {
    "L": ("1", "dm3"), "l": ("1", "dm3"), "ar": ("100", "m2"), "t": ("1000000", "g"),
    "Hz": ("1", "s-1"), "N": ("1", "kg.m.s-2"), "Pa": ("1", "N/m2"), "J": ("1", "N.m"),
    "W": ("1", "J/s"), "A": ("1", "C/s"), "V": ("1", "J/C"), "F": ("1", "C/V"),
    "Ohm": ("1", "V/A"), "S": ("1", "A/V"), "Wb": ("1", "V.s"), "T": ("1", "Wb/m2"),
    "H": ("1", "Wb/A"), "lm": ("1", "cd"), "lx": ("1", "lm/m2"), "Bq": ("1", "s-1"),
    "Gy": ("1", "J/kg"), "Sv": ("1", "J/kg"), "kat": ("1", "mol/s"), "Ci": ("37000000000", "Bq"),
    "bar": ("100000", "Pa"), "m[Hg]": ("133322", "Pa"), "m[H2O]": ("9806.65", "Pa"),
    "cal": ("4.184", "J"), "eq": ("1", "mol"), "osm": ("1", "mol"), "eV": ("1.602176634E-19", "J"),
    "U": ("1/60000000", "mol/s"), "[IU]": ("1", "[iU]"), "u": ("1.66053906660E-24", "g"),
    "gf": ("9.80665", "g.m/s2"), "st": ("1", "m3"), "sr": ("1", "rad2"),
}  # fmt: skip

_PLAIN = {
    "min": ("60", "s"), "h": ("3600", "s"), "d": ("86400", "s"), "wk": ("604800", "s"),
    "mo": ("2629800", "s"), "mo_j": ("2629800", "s"), "a": ("31557600", "s"),
    "a_j": ("31557600", "s"), "10*": ("10", ""), "10^": ("10", ""), "%": ("1/100", ""),
    "[ppth]": ("1/1000", ""), "[ppm]": ("1/1000000", ""), "[ppb]": ("1/1000000000", ""),
    "deg": ("0.017453292519943295", "rad"), "g%": ("10", "g/L"), "atm": ("101325", "Pa"),
    "[in_i]": ("0.0254", "m"), "[ft_i]": ("0.3048", "m"), "[yd_i]": ("0.9144", "m"),
    "[mi_i]": ("1609.344", "m"), "[lb_av]": ("453.59237", "g"), "[oz_av]": ("28.349523125", "g"),
    "[stone_av]": ("6350.29318", "g"), "[gr]": ("0.06479891", "g"), "[drp]": ("0.05", "mL"),
    "[Cal]": ("4184", "J"), "[foz_us]": ("29.5735295625", "mL"), "[Ch]": ("1/3", "mm"),
    "[psi]": ("6894.757293168361", "Pa"), "[sft_i]": ("0.09290304", "m2"),
    "[tsp_us]": ("4.92892159375", "mL"), "[tbs_us]": ("14.78676478125", "mL"),
    "m[Hg]": ("133322", "Pa"), "[mesh_i]": ("1/0.0254", "m-1"),
}  # fmt: skip

_OFFSET = {
    "Cel": Unit(Fraction(1), (("K", 1),), Fraction("273.15")),
    "[degF]": Unit(Fraction(5, 9), (("K", 1),), Fraction("459.67")),
}

_COMPONENT = re.compile(
    r"(?P<open>\()|(?P<close>\))|(?P<operator>[./])|(?P<annotation>\{[^{}]*\})"
    r"|(?P<power>10[*^][+-]?\d+)|(?P<integer>\d+)(?![A-Za-z*^\[])"
    r"|(?P<atom>(?:[A-Za-z%'_*^]|\[[^\]]*\]|10[*^])+)(?P<exponent>[+-]?\d+)?"
)
_MAX_LENGTH = 80
_MAX_EXPONENT = 40


@lru_cache(maxsize=1024)
def unit_of(text: str) -> Unit | None:
    """The unit that a UCUM code denotes (case sensitive), or None when it is not known here."""
    if text in _OFFSET:
        return _OFFSET[text]
    if not text or len(text) > _MAX_LENGTH:
        return None
    tokens = _components(text)
    if tokens is None:
        return None
    position, unit = _term(tokens, 0)
    return unit if position == len(tokens) else None


def _components(text: str) -> list[re.Match[str]] | None:
    found: list[re.Match[str]] = []
    position = 0
    while position < len(text):
        match = _COMPONENT.match(text, position)
        if match is None:
            return None
        found.append(match)
        position = match.end()
    return found


def _term(tokens: list[re.Match[str]], position: int) -> tuple[int, Unit | None]:
    """A product or quotient from `position` on; stops at the end or before a closing bracket."""
    result = Unit(Fraction(1), ())
    sign = 1
    if position < len(tokens) and tokens[position][0] == "/":
        sign, position = -1, position + 1
    while position < len(tokens):
        position, factor = _factor(tokens, position)
        if factor is None:
            return position, None
        result = _product(result, factor, sign)
        if position >= len(tokens) or tokens[position].lastgroup != "operator":
            return position, result
        sign = 1 if tokens[position][0] == "." else -1
        position += 1
    return position, None


def _factor(tokens: list[re.Match[str]], position: int) -> tuple[int, Unit | None]:
    token = tokens[position]
    unit: Unit | None = None
    if token["open"]:
        position, unit = _term(tokens, position + 1)
        if unit is None or position >= len(tokens) or not tokens[position]["close"]:
            return position, None
    elif token["annotation"]:
        unit = Unit(Fraction(1), ())
    elif token["integer"]:
        unit = Unit(Fraction(int(token["integer"][:_MAX_EXPONENT])), ())
    elif token["power"]:
        unit = _raised(Unit(Fraction(10), ()), int(token["power"][3:]))
    elif token["atom"]:
        unit = _raised(_atom(token["atom"]), int(token["exponent"] or 1))
    position += 1
    if position < len(tokens) and tokens[position]["annotation"]:
        position += 1
    return position, unit


@lru_cache(maxsize=512)
def _atom(symbol: str) -> Unit | None:
    found = _known(symbol, metric=False)
    if found is not None:
        return found
    for length in (1, 2):
        power = _PREFIXES.get(symbol[:length])
        rest = _known(symbol[length:], metric=True) if power is not None else None
        if power is not None and rest is not None:
            return Unit(rest.factor * Fraction(10) ** power, rest.dimensions)
    return None


def _known(symbol: str, *, metric: bool) -> Unit | None:
    if symbol in _BASE:
        return Unit(Fraction(1), ((symbol, 1),))
    definition = _METRIC.get(symbol) or (None if metric else _PLAIN.get(symbol))
    if definition is None:
        return None
    number, expression = definition
    rest = unit_of(expression) if expression else Unit(Fraction(1), ())
    top, _, bottom = number.partition("/")
    return _product(rest, Unit(Fraction(top) / Fraction(bottom or 1), ()), 1) if rest else None


def _raised(unit: Unit | None, exponent: int) -> Unit | None:
    if unit is None or abs(exponent) > _MAX_EXPONENT:
        return None
    dimensions = tuple((name, power * exponent) for name, power in unit.dimensions if exponent)
    return Unit(unit.factor**exponent, dimensions)


def _product(left: Unit, right: Unit, sign: int) -> Unit:
    powers = dict(left.dimensions)
    for name, power in right.dimensions:
        powers[name] = powers.get(name, 0) + sign * power
    dimensions = tuple(sorted((name, power) for name, power in powers.items() if power))
    return Unit(left.factor * right.factor**sign, dimensions)


def product(left: str, right: str, sign: int) -> str:
    """The code of the product (sign 1) or quotient (-1) of two units: `cm2` for `cm` and `cm`."""
    powers = _powers(left)
    others = _powers(right)
    if powers is None or others is None:
        return f"{left}{'.' if sign == 1 else '/'}{_bracketed(right)}"
    for symbol, power in others.items():
        powers[symbol] = powers.get(symbol, 0) + sign * power
    above = [(symbol, power) for symbol, power in powers.items() if power > 0]
    below = [(symbol, power) for symbol, power in powers.items() if power < 0]
    if not above:
        return ".".join(f"{symbol}{power}" for symbol, power in below) or "1"
    top = ".".join(_raised_symbol(symbol, power) for symbol, power in above)
    return "".join([top, *[f"/{_raised_symbol(symbol, -power)}" for symbol, power in below]])


def _powers(text: str) -> dict[str, int] | None:
    """The symbols of a unit with their exponents; None for one that is more than a product."""
    powers: dict[str, int] = {}
    sign = 1
    for token in _components("" if text == "1" else text) or ():
        if token["operator"]:
            sign = 1 if token[0] == "." else -1
            continue
        if not token["atom"]:
            return None
        powers[token["atom"]] = powers.get(token["atom"], 0) + sign * int(token["exponent"] or 1)
    return powers if powers or text == "1" else None


def _raised_symbol(symbol: str, power: int) -> str:
    return symbol if power == 1 else f"{symbol}{power}"


def _bracketed(unit: str) -> str:
    return f"({unit})" if "." in unit or "/" in unit else unit
