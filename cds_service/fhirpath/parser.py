"""Text to syntax tree: a precedence-climbing parser for the FHIRPath grammar (section 10).

Infix operators are left-associative. Depth is limited, so that no text can exhaust the stack.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

from cds_service.errors import ExpressionError, did_you_mean
from cds_service.fhirpath.lexer import Token, tokens
from cds_service.fhirpath.quantity import CALENDAR_UNITS, Quantity, literal_quantity
from cds_service.fhirpath.syntax import (
    Call,
    Index,
    Literal,
    Member,
    Operation,
    Path,
    Polarity,
    Special,
    Syntax,
    TypeTest,
    Variable,
)

MAX_DEPTH = 100
"""How many levels an expression may nest, counting parentheses, path steps and operators."""

_INFIX = {
    "implies": 1,
    "or": 2,
    "xor": 2,
    "and": 3,
    "in": 4,
    "contains": 4,
    "=": 5,
    "~": 5,
    "!=": 5,
    "!~": 5,
    "<": 6,
    "<=": 6,
    ">": 6,
    ">=": 6,
    "|": 7,
    "is": 8,
    "as": 8,
    "+": 9,
    "-": 9,
    "&": 9,
    "*": 10,
    "/": 10,
    "div": 10,
    "mod": 10,
}
_POLARITY = 11
_FLAT = frozenset({"and", "or", "|"})
_DOUBLED = {"&": "and", "|": "or", "=": "="}
"""What other languages write with two of these signs."""
_SPECIALS = ("$this", "$index", "$total")
RESERVED = frozenset(
    {"true", "false", "and", "or", "xor", "implies", "div", "mod", *CALENDAR_UNITS}
)
"""The keywords that are a name only between backticks; `as`, `is`, `in`, `contains` are (8.5)."""
_LITERALS = frozenset({"number", "string", "temporal", "long"})


def parse(text: str) -> Syntax:
    """The syntax tree of `text`; ExpressionError with an offset when it is not FHIRPath."""
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens(text)
        self.position = 0
        self.open = 0

    def whole(self) -> Syntax:
        if self.peek().kind == "end":
            self.fail("the expression is empty", self.peek())
        tree = self.expression(0)
        if self.peek().kind != "end":
            self.unexpected()
        return tree

    def peek(self) -> Token:
        return self.tokens[self.position]

    def take(self) -> Token:
        token = self.tokens[self.position]
        self.position += 1
        return token

    def at(self, symbol: str) -> bool:
        token = self.peek()
        return token.kind == "symbol" and token.value == symbol

    def expect(self, symbol: str, opened: Token) -> Token:
        if not self.at(symbol):
            if self.peek().kind == "end":
                self.fail(f"this '{opened.value}' is never closed with '{symbol}'", opened)
            self.unexpected()
        return self.take()

    def fail(self, message: str, token: Token, hint: str | None = None) -> NoReturn:
        raise ExpressionError(message, expression=self.text, offset=token.offset, hint=hint)

    def unexpected(self) -> NoReturn:
        token = self.peek()
        if token.kind == "end":
            self.fail("the expression ends too early", token)
        if token.kind == "symbol" and token.value in ")]}":
            self.fail(f"this '{token.value}' closes nothing", token)
        raw = self.text[token.offset : token.end]
        before = self.tokens[self.position - 1] if self.position else None
        self.fail(f"unexpected '{raw}'", token, self.meant(raw, before))

    def meant(self, raw: str, before: Token | None) -> str | None:
        """What the author may have meant by a token that cannot stand behind `before`."""
        said = "" if before is None else self.text[before.offset : before.end]
        if raw.lower() in _INFIX and raw not in _INFIX:
            return f"write '{raw.lower()}': operators have small letters"
        if raw == said and raw in _DOUBLED:
            return f"write '{_DOUBLED[raw]}'"
        if said == "not":
            return f"write not() behind what it is of: {raw}.not()"
        if before is not None and before.kind == "number":
            close = did_you_mean(raw, [*CALENDAR_UNITS, *_INFIX])
            return close or "a unit other than those of the calendar stands in quotes: 38 'Cel'"
        return did_you_mean(raw, _INFIX)

    def height(self, offset: int, *parts: Syntax) -> int:
        depth = 1 + max((part.depth for part in parts), default=0)
        if depth > MAX_DEPTH:
            raise self.too_deep(offset)
        return depth

    def too_deep(self, offset: int) -> ExpressionError:
        return ExpressionError(
            f"the expression nests deeper than {MAX_DEPTH} levels",
            expression=self.text,
            offset=offset,
            hint="split it into definitions",
        )

    def expression(self, minimum: int) -> Syntax:
        self.open += 1
        if self.open > MAX_DEPTH:
            raise self.too_deep(self.peek().offset)
        left = self.operand()
        while True:
            operator = self.infix()
            if operator is None or _INFIX[operator] <= minimum:
                break
            self.take()
            left = self.infix_rest(left, operator)
        self.open -= 1
        return left

    def infix(self) -> str | None:
        token = self.peek()
        if token.kind in {"symbol", "name"} and token.value in _INFIX:
            return str(token.value)
        return None

    def infix_rest(self, left: Syntax, operator: str) -> Syntax:
        if operator in {"is", "as"}:
            name, end = self.type_specifier()
            return TypeTest(left.offset, end, self.height(left.offset, left), operator, left, name)
        right = self.expression(_INFIX[operator])
        operands: tuple[Syntax, ...]
        if isinstance(left, Operation) and left.operator == operator and operator in _FLAT:
            operands = (*left.operands, right)
        else:
            operands = (left, right)
        depth = self.height(left.offset, *operands)
        return Operation(left.offset, right.end, depth, operator, operands)

    def type_specifier(self) -> tuple[str, int]:
        first = self.name_token("a type name")
        if not self.at("."):
            return str(first.value), first.end
        following = self.tokens[self.position + 1]
        is_call = self.tokens[min(self.position + 2, len(self.tokens) - 1)].value == "("
        if following.kind not in {"name", "delimited"} or is_call:
            return str(first.value), first.end
        self.take()
        second = self.take()
        return f"{first.value}.{second.value}", second.end

    def name_token(self, what: str) -> Token:
        token = self.peek()
        if token.kind not in {"name", "delimited"}:
            self.fail(f"expected {what} here", token)
        if token.kind == "name" and token.value in RESERVED:
            self.fail(f"'{token.value}' is a keyword", token, f"write `{token.value}`")
        return self.take()

    def operand(self) -> Syntax:
        token = self.peek()
        if token.kind == "symbol" and token.value in {"+", "-"}:
            self.take()
            inner = self.expression(_POLARITY)
            depth = self.height(token.offset, inner)
            return Polarity(token.offset, inner.end, depth, token.value, inner)
        return self.postfix(self.term())

    def postfix(self, left: Syntax) -> Syntax:
        while True:
            if self.at("."):
                self.take()
                right = self.invocation()
                depth = self.height(left.offset, left, right)
                left = Path(left.offset, right.end, depth, left, right)
            elif self.at("["):
                opened = self.take()
                index = self.expression(0)
                end = self.expect("]", opened).end
                left = Index(left.offset, end, self.height(left.offset, left, index), left, index)
            else:
                return left

    def invocation(self) -> Member | Call | Special:
        token = self.peek()
        if token.kind == "special":
            return self.special()
        name = self.name_token("an element or a function")
        if self.at("(") and name.kind in {"name", "delimited"}:
            return self.call(name)
        return Member(name.offset, name.end, 1, str(name.value))

    def special(self) -> Special:
        token = self.take()
        if token.value not in _SPECIALS:
            self.fail(f"unknown '{token.value}'", token, did_you_mean(token.value, _SPECIALS))
        return Special(token.offset, token.end, 1, token.value)

    def call(self, name: Token) -> Call:
        opened = self.take()
        arguments: list[Syntax] = []
        if not self.at(")") and self.peek().kind != "end":
            arguments.append(self.argument(name))
            while self.at(","):
                self.take()
                arguments.append(self.argument(name))
        end = self.expect(")", opened).end
        depth = self.height(name.offset, *arguments)
        return Call(name.offset, end, depth, str(name.value), tuple(arguments))

    def argument(self, function: Token) -> Syntax:
        """One argument; `asc` or `desc` after a key of sort() is kept as its sign."""
        node = self.expression(0)
        token = self.peek()
        if function.value != "sort" or token.kind != "name" or token.value not in {"asc", "desc"}:
            return node
        self.take()
        depth = self.height(node.offset, node)
        return Polarity(node.offset, token.end, depth, token.value, node)

    def term(self) -> Syntax:
        token = self.peek()
        if token.kind == "symbol":
            return self.bracketed(token)
        if token.kind in _LITERALS:
            return self.literal()
        if token.kind == "variable":
            self.take()
            return Variable(token.offset, token.end, 1, token.value)
        if token.kind == "name" and token.value in {"true", "false"}:
            self.take()
            return Literal(token.offset, token.end, 1, (token.value == "true",))
        if token.kind == "name" and token.value in RESERVED:
            self.unexpected()
        if token.kind == "end":
            self.unexpected()
        return self.invocation()

    def bracketed(self, token: Token) -> Syntax:
        if token.value == "(":
            opened = self.take()
            inner = self.expression(0)
            end = self.expect(")", opened).end
            return replace(inner, offset=opened.offset, end=end)
        if token.value == "{":
            opened = self.take()
            return Literal(token.offset, self.expect("}", opened).end, 1, ())
        return self.unexpected()

    def literal(self) -> Literal:
        token = self.take()
        if token.kind != "number":
            return Literal(token.offset, token.end, 1, (token.value,))
        unit = self.peek()
        if unit.kind == "string" or (unit.kind == "name" and unit.value in CALENDAR_UNITS):
            self.take()
            quantity: Quantity = literal_quantity(token.value, unit.value)
            return Literal(token.offset, unit.end, 1, (quantity,))
        return Literal(token.offset, token.end, 1, (token.value,))
