"""`message(code)`: a text of the guideline with the facts it names, to be worded when shown.

Not of the specification. A placeholder `{name}` is `%name`, or `name()` of what the message is
called on where `name` is a definition that is called.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cds_service.errors import did_you_mean
from cds_service.fhirpath.code import Code
from cds_service.fhirpath.collection import facts_of
from cds_service.fhirpath.functions.registry import Table, merged, without
from cds_service.fhirpath.message import Message, reference
from cds_service.fhirpath.parser import parse
from cds_service.fhirpath.syntax import Literal

if TYPE_CHECKING:
    from cds_service.fhirpath.code import Compiling, Scope, Site
    from cds_service.fhirpath.evaluation import Frame
    from cds_service.messages import Text

TABLE = Table()


def _build_message(compiler: Compiling, site: Site) -> Code:
    code, text = _written(site)
    row = compiler.row(site.scope, site.receiver.types) if site.explicit else site.scope
    facts = {name: _fact(compiler, name, row) for name in sorted(text.placeholders)}
    runs = [(name, fact.run) for name, fact in facts.items()]
    source = site.receiver.run

    def run(frame: Frame, this: list[Any]) -> list[Any]:
        focus = source(frame, this)
        return [Message(code, text, {name: facts_of(fact(frame, focus)) for name, fact in runs})]

    found = merged(site.receiver, *facts.values())
    if site.explicit:
        found["uses"] = site.receiver.uses | without(found["uses"], row)
    return Code(run, None, **found)


def _written(site: Site) -> tuple[str, Text]:
    """The code of the message, and its text; ExpressionError where there is none."""
    node = site.call.arguments[0]
    code = node.values[0] if isinstance(node, Literal) and node.values else None
    if not isinstance(code, str):
        raise site.scope.error(node, "the code of a message must be a string literal")
    text = site.scope.names.message(code)
    if text is None:
        hint = did_you_mean(code, site.scope.names.message_codes())
        hint = hint or "write it as a concept of a CodeSystem of messages"
        raise site.scope.error(node, f"there is no message '{code}'", hint, code="unknown-message")
    return code, text


def _fact(compiler: Compiling, name: str, row: Scope) -> Code:
    """The value that `{name}` stands for at this place."""
    expression = reference(name, row.names)
    return compiler.operand(parse(expression), replace(row, source=expression))


TABLE.declare("message", _build_message, arity=(1, 1), section="guideline")
