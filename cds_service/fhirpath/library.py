"""The names that expressions can use, and the compiled definitions that they share.

A `Library` is one compile session. `extend` makes a nested one: what it adds is visible there,
and the definitions around it keep the meaning that they had.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from cds_service.errors import ContentError, ContentErrors, ExpressionError, Where
from cds_service.fhirpath.code import Scope, Types
from cds_service.fhirpath.compiler import Compiler
from cds_service.fhirpath.expansion import RowShared, Shared
from cds_service.fhirpath.functions import FUNCTIONS
from cds_service.fhirpath.model import ABSTRACT, is_fhir_type
from cds_service.fhirpath.parser import parse
from cds_service.fhirpath.program import Program
from cds_service.fhirpath.references import STANDARD
from cds_service.fhirpath.syntax import names_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cds_service.fhirpath.code import Code, Compiling
    from cds_service.fhirpath.definition import Definition, Membership, ValueSets
    from cds_service.fhirpath.syntax import Syntax
    from cds_service.messages import Text

EMPTY: Mapping[str, Any] = MappingProxyType({})


class Library:
    """Definitions, variable types and value sets, and everything compiled against them.

    Args:
        definitions: definitions by name.
        types: environment variables and the FHIR type of their items, None when not known.
        value_sets: where `memberOf` looks value sets up.
        messages: the texts that `message` names, by code.
        strict_variables: refuse `%name` that is not declared anywhere.
        root_type: the FHIR type of the focus of definitions that are names.
    """

    def __init__(
        self,
        definitions: Mapping[str, Definition] = EMPTY,
        types: Mapping[str, str | None] = EMPTY,
        value_sets: ValueSets | None = None,
        *,
        messages: Mapping[str, Text] = EMPTY,
        strict_variables: bool = False,
        root_type: str | None = None,
    ) -> None:
        self.definitions = dict(definitions)
        self.types = dict(types)
        self.value_sets = value_sets
        self.messages = messages
        self.strict_variables = strict_variables
        self.root_type = root_type
        self.parent: Library | None = None
        self._trees: dict[str, Syntax] = {}
        self._shared: dict[tuple[str, bool], Shared] = {}
        self._calls: dict[tuple[str, bool], Shared | None] = {}
        self._row_calls: dict[tuple[str, Types], RowShared | None] = {}
        self._programs: dict[tuple[str, str | None, bool], Program] = {}
        self._parsed: dict[str, tuple[Syntax, frozenset[str]]] = {}
        for definition in self.definitions.values():
            _refuse_built_in(definition)

    def extend(
        self, definitions: Mapping[str, Definition] = EMPTY, types: Mapping[str, Any] = EMPTY
    ) -> Library:
        """A nested library that sees these names as well; its own come first."""
        nested = Library(
            definitions,
            types,
            self.value_sets,
            messages=self.messages,
            strict_variables=self.strict_variables,
            root_type=self.root_type,
        )
        nested.parent = self
        nested._parsed = self._parsed
        return nested

    def compile(
        self, expression: str, *, root_type: str | None = None, traced: bool = False
    ) -> Program:
        """The program of an expression; ExpressionError with the place of what is wrong.

        It is made in the outermost library where the text means the same, so that nested ones
        have one program, and an evaluation one value, for the same question.
        """
        key = (expression, root_type, traced)
        program = self._programs.get(key)
        if program is None:
            tree, names = self._parsed.get(expression) or self._parse(expression)
            place = self._outermost(names)
            program = place._programs.get(key) or self._program(key, tree, place)  # noqa: SLF001
            self._programs[key] = place._programs[key] = program  # noqa: SLF001
        return program

    def _parse(self, expression: str) -> tuple[Syntax, frozenset[str]]:
        """The syntax tree of a text and the names in it, known to nested libraries as well."""
        tree = parse(expression)
        found = self._parsed[expression] = tree, names_in(tree)
        return found

    def _program(self, key: tuple[str, str | None, bool], tree: Syntax, place: Library) -> Program:
        expression, root_type, traced = key
        try:
            scope, compiler = place._root(expression, root_type, traced=traced)
            code = _compiled(compiler, tree, scope)
        except ExpressionError:
            if place is self:
                raise
            return self._program(key, tree, self)  # its hints name what is known here as well
        return Program(expression, _reads(code), traced, root_type, code, compiler.size)

    def _outermost(self, names: frozenset[str]) -> Library:
        """The outermost library around this one where these names mean what they mean here."""
        place = self
        while place.parent is not None and names.isdisjoint(place.definitions):
            if not names.isdisjoint(place.types):
                break
            place = place.parent
        return place

    def check(self) -> None:
        """Compile every definition; ContentErrors with all that is wrong with them."""
        problems: list[ContentError] = []
        for definition in self.definitions.values():
            try:
                self._check(definition)
            except ContentError as problem:
                problems.append(problem)
        if problems:
            raise ContentErrors(problems)

    def _check(self, definition: Definition) -> None:
        if definition.parameters is None:
            self.shared(definition, (), traced=False)  # and there it is when it is used
            return
        names = self.extend(types=dict.fromkeys(definition.parameters))
        scope, compiler = names._root(definition.expression, None, traced=False)  # noqa: SLF001
        body = _named(scope, definition, (definition.name,), None)
        _compiled(compiler, self.tree(definition), body)

    def _root(
        self, expression: str, root_type: str | None, *, traced: bool
    ) -> tuple[Scope, Compiler]:
        compiler = Compiler(traced=traced)
        types = _static(root_type)
        return Scope(compiler.identity(), expression, self, types, traced=traced), compiler

    def definition(self, name: str) -> tuple[Definition, Library] | None:
        """The definition of this name and the library it stands in, nearest first."""
        place: Library | None = self
        while place is not None:
            if name in place.definitions:
                return place.definitions[name], place
            if name in place.types:
                return None
            place = place.parent
        return None

    def variable_type(self, name: str) -> tuple[bool, str | None]:
        """Whether an environment variable is declared, and the type of its items."""
        place: Library | None = self
        while place is not None:
            if name in place.types:
                return True, place.types[name]
            place = place.parent
        return False, None

    def known_names(self) -> list[str]:
        """The names of all variables and definitions."""
        around = [] if self.parent is None else self.parent.known_names()
        return [*self.definitions, *self.types, *around]

    def membership(self, reference: str) -> Membership | None:
        """The membership test of a value set by canonical URL or id."""
        return None if self.value_sets is None else self.value_sets.resolve(reference)

    def value_set_names(self) -> list[str] | None:
        """The ids of the value sets, None where none were given."""
        return None if self.value_sets is None else self.value_sets.names

    def message(self, code: str) -> Text | None:
        """The text of a message."""
        return self.messages.get(code)

    def message_codes(self) -> Iterable[str]:
        """The codes of all messages."""
        return self.messages

    def tree(self, definition: Definition) -> Syntax:
        """The syntax tree of a definition's expression, parsed once."""
        tree = self._trees.get(definition.name)
        if tree is None:
            try:
                tree = parse(definition.expression)
            except ExpressionError as error:
                raise _in_definition(definition, error) from error
            self._trees[definition.name] = tree
        return tree

    def shared(self, definition: Definition, active: tuple[str, ...], *, traced: bool) -> Shared:
        """The compiled definition that is a name; made at its first use."""
        key = (definition.name, traced)
        found = self._shared.get(key)
        if found is None:
            scope, compiler = self._root(definition.expression, self.root_type, traced=traced)
            body = _named(scope, definition, (*active, definition.name), scope.types)
            code = _compiled(compiler, self.tree(definition), body)
            found = self._shared[key] = Shared(
                text=f"%{definition.name}",
                definition=definition.name,
                run=code.run,
                size=compiler.size,
                reads=_reads(code),
                types=code.types,
                traced=traced,
                constant=code.constant,
                barren=code.barren,
            )
        return found

    def shared_call(
        self, key: str, name: str, build: Callable[[Compiling], Code], *, traced: bool
    ) -> Shared | None:
        """The compiled call of a definition, None when its body depends on its focus."""
        place = (key, traced)
        if place not in self._calls:
            compiler = Compiler(traced=traced)
            code = build(compiler)
            shared = Shared(
                key, name, code.run, compiler.size, code.reads, code.types, traced,
                barren=code.barren,
            )  # fmt: skip
            self._calls[place] = shared if code.closed else None
        return self._calls[place]

    def row_call(
        self,
        name: str,
        key: tuple[str, Types],
        build: Callable[[Compiling], tuple[Code, int]],
    ) -> RowShared | None:
        """The compiled body of a call, None when it depends on more than its focus."""
        if key not in self._row_calls:
            compiler = Compiler(traced=False)
            code, identity = build(compiler)
            shared = RowShared(name, code, compiler.size)
            self._row_calls[key] = shared if code.uses <= {identity} else None
        return self._row_calls[key]


def _named(scope: Scope, definition: Definition, active: tuple[str, ...], types: Types) -> Scope:
    return Scope(
        scope.identity,
        definition.expression,
        scope.names,
        types,
        definition=definition,
        active=active,
        traced=scope.traced,
    )


def _compiled(compiler: Compiler, tree: Syntax, scope: Scope) -> Code:
    try:
        return compiler.compile(tree, scope)
    except RecursionError:
        raise scope.error(tree, "the expression and its definitions nest too deeply") from None


def _reads(code: Code) -> frozenset[str]:
    """The environment variables that a whole expression reads; its focus is of `%resource`."""
    return code.reads | {"resource"} if code.uses else code.reads


def _static(root_type: str | None) -> Types:
    if root_type is None or root_type in ABSTRACT or not is_fhir_type(root_type):
        return None
    return frozenset({root_type})


def is_built_in(definition: Definition) -> bool:
    """Whether a definition has the name of something that every expression knows already."""
    is_function = definition.parameters is not None and definition.name in FUNCTIONS
    return is_function or definition.name in STANDARD


def _refuse_built_in(definition: Definition) -> None:
    if not is_built_in(definition):
        return
    raise ExpressionError(
        f"the definition '{definition.name}' has the name of something built in",
        expression=definition.expression,
        where=Where(file=definition.where) if definition.where else None,
        code="shadowed",
        hint="give it another name",
    )


def _in_definition(definition: Definition, error: ExpressionError) -> ExpressionError:
    return ExpressionError(
        f"in definition '{definition.name}': {error.message}",
        expression=error.expression,
        offset=error.offset,
        code=error.code,
        hint=error.hint,
        where=Where(file=definition.where) if definition.where else None,
    )
