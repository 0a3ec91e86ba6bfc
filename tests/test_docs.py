"""The documents are complete: every command, setting, code and module stands in them, and no other.

What the documents show is executed in `test_readme.py`.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from cds_service import cli, config
from cds_service.authoring.lint import WARNINGS
from cds_service.data import plan_library
from cds_service.errors import CdsError
from cds_service.hooks.languages import LANGUAGES
from cds_service.hooks.service import PROFILES

if TYPE_CHECKING:
    from cds_service.data.plan_library import PlanLibrary

REPOSITORY = Path(__file__).parent.parent
PACKAGE = REPOSITORY / "cds_service"
DOCS = REPOSITORY / "docs"
PAGES = [
    *sorted(REPOSITORY.glob("*.md")),
    *sorted(DOCS.rglob("*.md")),
    *(REPOSITORY / folder / "README.md" for folder in ("bench", "examples")),
]


def page(name: str) -> str:
    return (DOCS / name).read_text()


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    below = text.split(f"\n{heading}\n", 1)[1]
    table = re.search(r"^\|.*?\n\n", below + "\n\n", re.MULTILINE | re.DOTALL)
    assert table is not None, heading
    lines = table[0].strip().split("\n")[2:]
    return [[cell.strip() for cell in line[1:-1].split(" | ")] for line in lines]


# --- commands ---


def commands() -> list[click.Command]:
    context = click.Context(cli.main)
    names = cli.main.list_commands(context)
    return [command for name in names if (command := cli.main.get_command(context, name))]


@pytest.mark.parametrize("command", commands(), ids=lambda command: command.name)
def test_every_command_and_option_is_documented(command):
    documented = page("author-guide.md") + page("operations.md")

    assert f"`cds-service {command.name}" in documented
    for parameter in command.params:
        for option in parameter.opts if isinstance(parameter, click.Option) else ():
            assert f"`{option}" in documented, option


def test_no_command_is_documented_that_does_not_exist():
    named = {
        name for text in PAGES for name in re.findall(r"cds-service ([a-z]+)\b", text.read_text())
    }

    assert named <= {command.name for command in commands()}


# --- settings ---


def test_the_table_of_settings_is_that_of_the_code():
    documented = [tuple(row) for row in rows(page("operations.md"), "## Settings")]

    assert documented == [
        (f"`{item.variable}`", shown(item.default), item.meaning) for item in config.documentation()
    ]


def shown(default: str) -> str:
    """A value as code, a sentence as it is."""
    return default if " " in default or not default else f"`{default}`"


def test_no_setting_is_named_that_does_not_exist():
    known = {item.variable for item in config.documentation()}

    for text in PAGES:
        assert set(re.findall(r"\bCDS_[A-Z_]+\b", text.read_text())) <= known, text


# --- codes ---


def raised(*parts: str) -> set[str]:
    """Every `code=` in the source of these parts of the package, named constants resolved."""
    files = [
        path
        for part in parts
        for path in ([PACKAGE / part] if part.endswith(".py") else (PACKAGE / part).rglob("*.py"))
    ]
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_text()))]
    constants = {
        node.targets[0].id: node.value.value
        for node in nodes
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    values = [node.value for node in nodes if isinstance(node, ast.keyword) and node.arg == "code"]
    written = [
        either
        for value in values
        for either in ([value.body, value.orelse] if isinstance(value, ast.IfExp) else [value])
    ]
    literal = {node.value for node in written if isinstance(node, ast.Constant)}
    named = {constants.get(node.id) for node in written if isinstance(node, ast.Name)}
    return {code for code in literal | named if isinstance(code, str)}


def documented_codes(name: str) -> set[str]:
    return set(re.findall(r"^\| `([a-z-]+)` \|", page(name), re.MULTILINE))


CONTENT = ("engine", "fhirpath", "authoring", "terminology.py", "fhir_json.py")
CONTENT_DEFAULTS = {"content", "fhirpath", "evaluation"}


MECHANICAL = {"file-format", "stray-space", "repeated-entry", "missing-display"}
CASES_ONLY = {"always-true", "always-false", "never-evaluated"}


def lint_rules() -> dict[str, str]:
    """What the page says of each code, by the code."""
    parts = re.split(r"^#{2,3} (.*)\n", page("lint-rules.md"), flags=re.MULTILINE)
    named = dict(zip(parts[1::2], parts[2::2], strict=True))
    return {name: text for name, text in named.items() if re.fullmatch(r"[a-z-]+", name)}


def test_every_code_of_content_problems_is_documented():
    known = raised(*CONTENT, "data/plan_library.py") | CONTENT_DEFAULTS

    assert set(lint_rules()) == known | MECHANICAL | CASES_ONLY


@pytest.mark.parametrize("code", sorted(WARNINGS))
def test_a_warning_is_documented_as_one_that_can_be_silenced(code):
    told = lint_rules()[code]

    assert told.strip().startswith("A warning")
    assert "- Silence: not" not in told


@pytest.mark.parametrize(("code", "told"), lint_rules().items(), ids=lambda item: item[:20])
def test_a_lint_rule_says_what_to_avoid_and_prefer_why_and_how_to_silence_it(code, told):
    assert re.findall(r"^- (\w+): \S", told, re.MULTILINE) == ["Avoid", "Prefer", "Why", "Silence"]


def test_every_code_of_an_answer_is_documented():
    known = raised("web", "hooks", "data", "fhir_json.py") - raised("data/plan_library.py")
    known |= {error.default_code for error in subclasses(CdsError) if error.status < 500}
    known |= {"store-unavailable"}

    assert known <= documented_codes("integrator-guide.md")


def subclasses(kind: type[CdsError]) -> list[type[CdsError]]:
    return [each for child in kind.__subclasses__() for each in (child, *subclasses(child))]


# --- the services ---


@pytest.fixture(scope="module")
def library() -> PlanLibrary:
    return plan_library.load(REPOSITORY / "plan_definitions")


def test_the_prefetch_table_is_what_discovery_publishes(library):
    documented = [tuple(row) for row in rows(page("integrator-guide.md"), "## Prefetch")]

    known = {}
    for service in library.services.values():
        for item in service.requirements:
            known.setdefault((f"`{item.key}`", f"`{item.query}`"), {})[service.hook] = item.need
    assert documented == [(*names, told(needs)) for names, needs in known.items()]


def told(needs: dict[str, str]) -> str:
    """`must`, or `must on a, b; should on c, d` where hooks differ."""
    if len(set(needs.values())) == 1:
        return next(iter(needs.values()))
    by_need: dict[str, list[str]] = {}
    for hook, need in needs.items():
        by_need.setdefault(need, []).append(hook)
    return "; ".join(f"{need} on {', '.join(sorted(hooks))}" for need, hooks in by_need.items())


def test_every_service_profile_and_language_is_documented(library):
    guide = page("integrator-guide.md")

    for name in (*library.services, *PROFILES, *LANGUAGES):
        assert f"`{name}`" in guide, name


def test_every_recommendation_stands_in_the_changelog_with_its_version(library):
    rules = [plan for plan in library.content.plans.values() if plan.topic is not None]
    told = (REPOSITORY / "CHANGELOG.md").read_text()

    assert rules
    for plan in rules:
        assert f"| `{plan.id}` {plan.version} |" in told


# --- links and modules ---


FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def links() -> list[tuple[Path, str]]:
    found = [
        (page, link)
        for page in PAGES
        for link in re.findall(r"\]\(([^)\s]+)\)", FENCED.sub("", page.read_text()))
        if not link.startswith(("http:", "https:"))
        if not (page.name == "guideline.md" and link.startswith("#"))  # test_guideline_document
    ]
    return list(dict.fromkeys(found))


@pytest.mark.parametrize(
    ("source", "link"), links(), ids=[f"{page.name}-{link}" for page, link in links()]
)
def test_links_lead_somewhere(source, link):
    path, _, anchor = link.partition("#")
    target = (source.parent / path).resolve() if path else source

    assert target.exists()
    if anchor:
        text = target.read_text()
        headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        named = set(re.findall(r'<a id="([^"]+)"></a>', text))
        assert anchor in named | {slug(heading) for heading in headings}


def slug(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-")


def test_the_architecture_names_the_modules_that_exist_and_no_other():
    architecture = page("architecture.md")
    table = rows(architecture, "## Rooms (a lower one never imports a higher one)")
    named = set(re.findall(r"`([\w/]+(?:\.py|/))`", " ".join(row[1] for row in table)))

    assert {name for name in named if not (PACKAGE / name).exists()} == set()
    top = {path.name for path in PACKAGE.glob("*.py")} | {
        f"{path.name}/" for path in PACKAGE.iterdir() if (path / "__init__.py").exists()
    }
    told = {re.sub("/.*", "/", name) for name in named}
    assert top - told == {"__init__.py", "__main__.py"}


def test_decisions_are_numbered_without_gaps():
    numbers = [int(path.name[:4]) for path in sorted((DOCS / "decisions").glob("*.md"))]

    assert numbers == list(range(1, len(numbers) + 1))


def test_no_page_names_a_place_on_somebodys_machine():
    for text in PAGES:
        assert not re.search(r"(?<![\w.])/(home|root|work|Users)/\w", text.read_text()), text
