"""Hypothesis strategies: FHIRPath expressions of right arity and type, and R4 resources with data.

A symbol of the grammar stands for a type of result; `<symbol>` in a template is expanded in turn.
Where no depth is left a symbol becomes one of its leaves: a literal, or a path of the resource.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]

LEAVES: dict[str, list[str]] = {
    "boolean": ["true", "false", "{}"],
    "integer": ["0", "1", "2", "3", "7", "10", "(-5)", "{}"],
    "decimal": ["0.5", "1.0", "1.50", "2.25", "(-3.75)", "100.0", "0.001"],
    "string": ["'abc'", "''", "'Anna'", "'a b'", "'12'", "'1.5'", "'true'", "'2024-02-29'", "'É'"],
    "date": ["@2024-02-29", "@2023-12-31", "@2024-02", "@2024", "@1980-05-01"],
    "dateTime": ["@2024-02-29T10:30:00Z", "@2024-02-29T12:30:00+02:00", "@2024-03-31T23:59:59Z",
                 "@2024-01-15T08:00:00.000Z", "@2024-02-29T10:30:00"],
    "time": ["@T10:30:00", "@T23:59:59", "@T08:15", "@T10"],
    "quantity": ["4 days", "1 week", "28 days", "1 year", "12 months", "5 'mg'", "0.005 'g'",
                 "70 'kg'", "1.5 'm'", "150 'cm'", "3 'mg'"],
    "duration": ["1 day", "2 weeks", "1 month", "13 months", "1 year", "4 years", "36 hours",
                 "45 minutes"],
    "items": ["(1 | 2 | 3)", "('a' | 'b')", "{}", "(1 | 'a' | true)", "(2).combine(2)"],
    "type": ["Integer", "Decimal", "String", "Boolean", "System.String", "FHIR.string", "Quantity",
             "HumanName", "Coding", "CodeableConcept", "Patient", "Period", "dateTime", "date"],
    "pattern": ["'a.*'", "'^[A-Z]'", "'\\\\d+'", "'b$'", "'(n)+'"],
    "order": ["<", "<=", ">", ">="],
    "equal": ["=", "!=", "~", "!~"],
    "logic": ["and", "or", "xor", "implies"],
    "kind": ["Boolean", "Integer", "Decimal", "String", "Date", "DateTime", "Time", "Quantity"],
}  # fmt: skip

RULES: dict[str, list[str]] = {
    "boolean": [
        "<boolean> <logic> <boolean>", "<boolean>.not()", "<items>.exists()", "<items>.empty()",
        "<items>.exists(<row>)", "<items>.all(<row>)", "<items> <equal> <items>",
        "<integer> <order> <decimal>", "<decimal> <equal> <integer>", "<string> <order> <string>",
        "<string> <equal> <string>", "<date> <order> <date>", "<date> <equal> <date>",
        "<dateTime> <order> <dateTime>", "<dateTime> <equal> <dateTime>", "<time> <order> <time>",
        "<time> <equal> <time>", "<quantity> <order> <quantity>", "<quantity> <equal> <quantity>",
        "<items>.first() is <type>", "<items>.first().is(<type>)", "<string>.startsWith(<string>)",
        "<string>.endsWith(<string>)", "<string>.contains(<string>)", "<string>.matches(<pattern>)",
        "<items>.isDistinct()", "<items>.subsetOf(<items>)", "<items>.supersetOf(<items>)",
        "<integer> in <items>", "<items> contains <string>", "<string>.convertsTo<kind>()",
        "<integer>.convertsTo<kind>()", "<decimal>.convertsTo<kind>()", "<string>.toBoolean()",
        "<integer>.toBoolean()", "(<boolean> | <boolean>).allTrue()",
        "(<boolean> | <boolean>).anyFalse()", "iif(<boolean>, <boolean>, <boolean>)",
        "<date> <order> <dateTime>", "<items>.select(<row>).anyTrue()",
        "<items>.select(<row>).allFalse()",
    ],
    "integer": [
        "<integer> + <integer>", "<integer> - <integer>", "<integer> * <integer>",
        "<integer> div <integer>", "<integer> mod <integer>", "<items>.count()",
        "<string>.length()", "<string>.indexOf(<string>)", "<string>.toInteger()",
        "<boolean>.toInteger()", "<decimal>.floor()", "<decimal>.ceiling()", "<decimal>.truncate()",
        "<integer>.abs()", "iif(<boolean>, <integer>, <integer>)", "-<integer>",
        "(<integer> | <integer>).sum()", "(<integer> | <integer>).max()",
        "(<integer> | <integer>).aggregate($this + $total, 0)", "<integer>.power(2)",
    ],
    "decimal": [
        "<decimal> + <decimal>", "<decimal> - <integer>", "<decimal> * <decimal>",
        "<integer> / <integer>", "<decimal> / <decimal>", "<decimal> mod <decimal>",
        "<decimal> div <decimal>", "<decimal>.abs()", "<decimal>.round(1)", "<decimal>.round()",
        "<decimal>.sqrt()", "<decimal>.ln()", "<decimal>.exp()", "<decimal>.log(10)",
        "<decimal>.power(2)", "<string>.toDecimal()", "<integer>.toDecimal()",
        "(<decimal> | <decimal>).min()", "(<decimal> | <integer>).avg()", "<quantity>.value",
    ],
    "string": [
        "<string> + <string>", "<string> & <string>", "<string>.upper()", "<string>.lower()",
        "<string>.substring(<integer>)", "<string>.substring(1, 2)", "<string>.trim()",
        "<string>.replace(<string>, <string>)", "<string>.replaceMatches(<pattern>, 'z')",
        "<integer>.toString()", "<decimal>.toString()", "<boolean>.toString()", "<date>.toString()",
        "<dateTime>.toString()", "<string>.toChars().first()", "<string>.split('b').join('-')",
        "<string>.encode('base64')", "<string>.encode('hex').decode('hex')",
        "iif(<boolean>, <string>, <string>)", "<quantity>.toString()", "<time>.toString()",
    ],
    "date": ["<date> + <duration>", "<date> - <duration>", "<string>.toDate()", "<date>.toDate()",
             "<dateTime>.toDate()"],
    "dateTime": ["<dateTime> + <duration>", "<dateTime> - <duration>", "<date>.toDateTime()"],
    "time": ["<time> + 45 minutes", "<time> - 3 hours", "'10:30:00'.toTime()"],
    "quantity": ["<quantity> + <quantity>", "<quantity> - <quantity>", "<integer>.toQuantity()",
                 "<decimal>.toQuantity()", "<string>.toQuantity()", "-<quantity>"],
    "items": [
        "<items>.where(<row>)", "<items>.select(<each>)", "<items>.first()", "<items>.last()",
        "<items>.tail()", "<items>.skip(<integer>)", "<items>.take(<integer>)",
        "<items>[<integer>]", "<items>.distinct()", "(<items> | <items>)", "<items>.union(<items>)",
        "<items>.combine(<items>)", "<items>.intersect(<items>)", "<items>.exclude(<items>)",
        "<items>.ofType(<type>)", "<items>.single()", "<items>.first() as <type>",
        "<items>.repeat(children())", "<items>.children()", "<items>.first().descendants()",
        "iif(<boolean>, <items>, <items>)", "coalesce(<items>, <items>)", "<items>.trace('t')",
        "<integer>", "<string>", "<decimal>", "<boolean>", "<date>", "<dateTime>", "<quantity>",
        "<string>.toChars()", "<items>.where($index > 0)", "<items>.extension('u:x')",
    ],
}  # fmt: skip

ROWS: dict[str, list[str]] = {
    "row": ["true", "$this = <item>", "$this is <type>", "$index > 0", "$this.exists()",
            "<item> = $this", "($this is String) and true", "children().exists()",
            "$this in <items>"],
    "each": ["$this", "$index", "$this | <item>", "{}", "$this is String", "<item>"],
    "item": ["1", "2", "'a'", "'Anna'", "true"],
}  # fmt: skip

PATHS: dict[str, dict[str, list[str]]] = {
    "Patient": {
        "boolean": ["active", "deceased.ofType(boolean)", "Patient.active"],
        "integer": ["multipleBirth.ofType(integer)", "Patient.name.count()", "contact.count()"],
        "string": ["name.family.first()", "gender", "id", "name.first().given.first()",
                   "telecom.where(system = 'phone').value.first()", "address.city.first()"],
        "date": ["birthDate", "Patient.birthDate"],
        "dateTime": ["deceased.ofType(dateTime)", "name.period.start.first()"],
        "items": ["name", "name.given", "telecom", "telecom.value", "Patient.name.family",
                  "maritalStatus.coding", "deceased", "multipleBirth", "contact.name", "name[0]",
                  "name.where(use = 'official').given", "name.select(given | family)", "extension",
                  "telecom.system | telecom.use", "contained", "Patient"],
    },
    "Observation": {
        "boolean": ["value.ofType(boolean)", "status = 'final'"],
        "integer": ["value.ofType(integer)", "component.count()",
                    "component.value.ofType(integer)"],
        "decimal": ["value.ofType(Quantity).value", "referenceRange.low.value.first()"],
        "string": ["status", "value.ofType(string)", "code.text", "code.coding.code.first()"],
        "dateTime": ["effective.ofType(dateTime)", "effective.ofType(Period).start", "issued"],
        "quantity": ["value.ofType(Quantity)", "(value as Quantity)"],
        "items": ["code.coding", "code.coding.code", "value", "effective", "component",
                  "component.value", "component.code.coding.system", "Observation.value",
                  "component.where(value.exists()).code", "category.coding.code", "interpretation",
                  "value.ofType(CodeableConcept).coding"],
    },
    "Condition": {
        "boolean": ["clinicalStatus.coding.exists(code = 'active')"],
        "integer": ["code.coding.count()", "stage.count()"],
        "decimal": ["onset.ofType(Age).value"],
        "string": ["code.text", "subject.reference", "code.coding.display.first()", "id"],
        "date": ["recordedDate.toString().substring(0, 10).toDate()"],
        "dateTime": ["recordedDate", "onset.ofType(dateTime)", "onset.ofType(Period).end"],
        "quantity": ["onset.ofType(Age)"],
        "items": ["code.coding", "code.coding.system", "bodySite.coding.code", "onset", "category",
                  "clinicalStatus.coding.code", "Condition.code", "note.text", "bodySite",
                  "subject"],
    },
}  # fmt: skip

_SYMBOL = re.compile(r"<(\w+)>")
_ATOM = re.compile(r"[\w.$@]+|'[^']*'|\(.*\)|\{\}|[\w.]+\(.*\)")


@dataclass(frozen=True)
class Question:
    """An expression and the resource that it is asked of."""

    expression: str
    resource: Json


@st.composite
def questions(draw: st.DrawFn, depth: int = 3) -> Question:
    """An expression over a resource of one of the types of `PATHS`."""
    kind = draw(st.sampled_from(sorted(PATHS)))
    symbol = draw(st.sampled_from(sorted(RULES)))
    expression = _expanded(draw, symbol, kind, draw(st.integers(1, depth)))
    return Question(expression, draw(_RESOURCES[kind]()))


def _expanded(draw: st.DrawFn, symbol: str, kind: str, depth: int) -> str:
    leaves = LEAVES.get(symbol, []) + PATHS[kind].get(symbol, [])
    rules = ROWS.get(symbol, RULES.get(symbol, []))
    if depth <= 0 and leaves:
        rules = []
    options = rules or leaves
    if rules and leaves and draw(st.integers(0, 3)) == 0:
        options = leaves
    template = draw(st.sampled_from(options))
    is_rule = template in rules

    def part(match: re.Match[str]) -> str:
        text = _expanded(draw, match[1], kind, depth - 1)
        alone = match[1] in {"order", "equal", "logic", "type", "kind", "pattern"}
        return text if alone or _ATOM.fullmatch(text) or not is_rule else f"({text})"

    return _SYMBOL.sub(part, template)


# --- resources ---

_MAYBE = st.none()


def _object(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """An object; a member that is drawn as None or as an empty list is left out."""
    return st.fixed_dictionaries(members).map(
        lambda found: {key: value for key, value in found.items() if value not in (None, [])}
    )


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return _MAYBE | strategy


def _some(*values: Any) -> st.SearchStrategy[Any]:
    return _MAYBE | st.sampled_from(values)


def _many(strategy: st.SearchStrategy[Any], most: int = 2) -> st.SearchStrategy[list[Any]]:
    return st.lists(strategy, max_size=most)


def _choice(name: str, **kinds: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """One JSON key of a choice element, or none."""
    options = [
        strategy.map(lambda value, key=f"{name}{kind}": {key: value})
        for kind, strategy in kinds.items()
    ]
    return st.one_of(st.just({}), *options)


def _coding() -> st.SearchStrategy[Json]:
    return _object(
        system=_some("http://snomed.info/sct", "http://loinc.org"),
        code=st.sampled_from(["1", "a", "active", "3141-9"]),
        display=_some("Anna", "Back pain"),
    )


def _concept() -> st.SearchStrategy[Json]:
    return _object(coding=_many(_coding()), text=_some("a", "back pain"))


def _quantity() -> st.SearchStrategy[Json]:
    coded = st.sampled_from([("mg", "mg"), ("kg", "kg"), ("cm", "cm"), ("days", "d")])
    number = st.sampled_from([4, 70, 28, 6.25, 0.5])
    return st.tuples(number, coded).map(
        lambda found: {
            "value": found[0],
            "unit": found[1][0],
            "system": "http://unitsofmeasure.org",
            "code": found[1][1],
        }
    )


_DATES = st.sampled_from(["2024-02-29", "2023-12-31", "1980-05", "1980", "2024-03-01"])
_MOMENTS = st.sampled_from(
    ["2024-02-29T10:30:00Z", "2024-02-29T12:30:00+02:00", "2024-02-29", "2024-02", "2024",
     "2024-03-31T23:30:00.000-05:00"]
)  # fmt: skip


def _period() -> st.SearchStrategy[Json]:
    return _object(start=_maybe(_MOMENTS), end=_maybe(_MOMENTS))


def _resource(kind: str, choices: list[Any], **members: Any) -> st.SearchStrategy[Json]:
    return st.tuples(_object(**members), *choices).map(
        lambda found: {"resourceType": kind, **{k: v for part in found for k, v in part.items()}}
    )


def patients() -> st.SearchStrategy[Json]:
    """Patients."""
    names = _object(
        use=_some("official", "usual"),
        family=_some("Berg", "a"),
        given=_many(st.sampled_from(["Anna", "a", "Bo"])),
        period=_maybe(_period()),
    )
    contact = _object(system=_some("phone", "email"), value=_some("12", "a@b"), use=_some("home"))
    return _resource(
        "Patient",
        [
            _choice("deceased", Boolean=st.booleans(), DateTime=_MOMENTS),
            _choice("multipleBirth", Integer=st.integers(1, 3), Boolean=st.booleans()),
        ],
        id=_some("p", "1"),
        active=_maybe(st.booleans()),
        gender=_some("female", "male"),
        birthDate=_maybe(_DATES),
        name=_many(names, 3),
        telecom=_many(contact),
        maritalStatus=_maybe(_concept()),
        extension=_many(st.just({"url": "u:x", "valueString": "a"}), 1),
    )


def observations() -> st.SearchStrategy[Json]:
    """Observations with a value of any common type, and components."""
    values = {
        "Quantity": _quantity(),
        "String": st.sampled_from(["a", "12"]),
        "Integer": st.integers(0, 3),
        "Boolean": st.booleans(),
        "CodeableConcept": _concept(),
    }
    component = st.tuples(_object(code=_concept()), _choice("value", **values)).map(
        lambda found: {**found[0], **found[1]}
    )
    return _resource(
        "Observation",
        [_choice("value", **values), _choice("effective", DateTime=_MOMENTS, Period=_period())],
        status=st.sampled_from(["final", "preliminary"]),
        code=_concept(),
        category=_many(_concept(), 1),
        issued=_some("2024-02-29T10:30:00Z"),
        component=_many(component),
        referenceRange=_many(_object(low=_quantity()), 1),
    )


def conditions() -> st.SearchStrategy[Json]:
    """Conditions with every kind of onset."""
    age = st.integers(1, 90).map(
        lambda years: {"value": years, "system": "http://unitsofmeasure.org", "code": "a"}
    )
    return _resource(
        "Condition",
        [_choice("onset", DateTime=_MOMENTS, Age=age, Period=_period(), String=st.just("a"))],
        id=_some("c"),
        clinicalStatus=_maybe(_concept()),
        code=_concept(),
        bodySite=_many(_concept()),
        subject=st.just({"reference": "Patient/p"}),
        recordedDate=_maybe(_MOMENTS),
        note=_many(_object(text=st.sampled_from(["a", "Anna"])), 1),
    )


_RESOURCES = {"Patient": patients, "Observation": observations, "Condition": conditions}
