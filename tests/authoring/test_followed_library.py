"""A folder that is saved to: what is compiled again is the same as when all is loaded anew."""

from __future__ import annotations

import json
import shutil

import pytest
from plans import BASE, plan
from shared_data import REPOSITORY

from cds_service.authoring.followed_library import FollowedLibrary
from cds_service.data import plan_library
from cds_service.errors import ContentErrors

RULE = f"{BASE}/PlanDefinition/rule"


def rule(version="1.0.0", title="Says", **members):
    card = {"id": "card", "title": title}
    return plan("rule", card, **{"version": version, **members})


def strategy(named=RULE):
    below = [{"id": "a", "definitionCanonical": named}]
    root = {"id": "root", "groupingBehavior": "logical-group", "action": below}
    root["trigger"] = [{"type": "named-event", "name": "patient-view"}]
    return plan("trial", root, description="D")


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, "strategy.json", strategy())
    write(tmp_path, "rule.json", rule())
    return tmp_path.resolve()


def write(folder, name, value):
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value, indent=2))
    return path


def shown(library):
    """The version and the sentence of the rule that the service shows."""
    (service,) = library.services.values()
    (action,) = service.plan.actions[0].actions
    return action.definition.version, action.definition.actions[0].title.default


def test_a_saved_plan_alone_is_compiled_again(folder):
    followed = FollowedLibrary(folder)

    saved = followed.take_in([write(folder, "rule.json", rule(title="Says more"))])

    assert saved.change is not None
    assert shown(followed.library) == ("1.0.0", "Says more")


def test_a_raised_version_of_an_only_one_is_compiled_alone(folder):
    followed = FollowedLibrary(folder)

    saved = followed.take_in([write(folder, "rule.json", rule("1.1.0", "Says more"))])

    assert saved.change is not None
    assert shown(followed.library) == ("1.1.0", "Says more")
    assert followed.library.plan(f"{RULE}|1.1.0").title.default == "rule"


def test_a_raised_version_that_somebody_names_by_the_old_one_is_refused(folder):
    write(folder, "strategy.json", strategy(f"{RULE}|1.0.0"))
    followed = FollowedLibrary(folder)

    with pytest.raises(ContentErrors, match=r"not loaded in version 1\.0\.0"):
        followed.take_in([write(folder, "rule.json", rule("1.1.0"))])

    assert shown(followed.library) == ("1.0.0", "Says")


def test_a_next_version_in_a_new_file_takes_over(folder):
    followed = FollowedLibrary(folder)

    followed.take_in([write(folder, "next.json", rule("2.0.0", "Says more", id="rule-2"))])

    assert shown(followed.library) == ("2.0.0", "Says more")


def test_a_version_that_becomes_active_takes_over(folder):
    write(folder, "next.json", rule("0.9.0", "Says less", id="rule-0.9"))
    followed = FollowedLibrary(folder)
    active = rule("0.9.0", "Says less", id="rule-0.9", status="active")

    followed.take_in([write(folder, "next.json", active)])

    assert shown(followed.library) == ("0.9.0", "Says less")


def test_the_same_text_again_is_no_change(folder):
    followed = FollowedLibrary(folder)

    assert followed.take_in([write(folder, "rule.json", rule())]) is None


def test_a_broken_file_is_tried_again_with_the_next_save(folder):
    followed = FollowedLibrary(folder)
    with pytest.raises(ContentErrors):
        followed.take_in([write(folder, "rule.json", rule(title="x" * 200))])

    write(folder, "rule.json", rule(title="Mended"))
    followed.take_in([folder / "strategy.json"])

    assert shown(followed.library) == ("1.0.0", "Mended")


def test_a_file_that_was_saved_before_anybody_watched_is_found(folder):
    followed = FollowedLibrary(folder)
    path = write(folder, "rule.json", rule(title="Says more"))

    assert followed.prepare() == [path]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("urgent/R01/PlanDefinition.json", '"title": "Possible', '"title": "2 Possible'),
        ("urgent/R01/PlanDefinition.json", '"version": "1.0.0"', '"version": "1.0.1"'),
        ("shared/Library-lbp-definitions.json", '"expression": "42"', '"expression": "43"'),
        ("shared/ValueSet-VS-FEVER.json", '"status": "draft"', '"status": "active"'),
    ],
)
def test_what_is_compiled_alone_is_what_a_fresh_load_compiles(tmp_path, file, old, new):
    plans = tmp_path / "plans"
    left = shutil.ignore_patterns("cases", "patients", "exceptions")
    shutil.copytree(REPOSITORY / "plan_definitions", plans, ignore=left)
    followed = FollowedLibrary(plans)
    text = (plans / file).read_text()
    assert old in text

    followed.take_in([write(plans, file, text.replace(old, new, 1))])

    fresh = plan_library.load(plans)
    assert followed.library.revision == fresh.revision
    assert described(followed.library) == described(fresh)


def described(library):
    """Everything about plans and services that can be compared."""
    content = library.content
    plans = {name: [told(item) for item in plan.actions] for name, plan in content.plans.items()}
    return {name: plans[name] for name in sorted(plans)}, sorted(content.services)


def told(action):
    version = getattr(action.definition, "version", None)
    conditions = [item.text for item in action.conditions]
    below = [told(item) for item in action.actions]
    return action.key, action.title, conditions, sorted(action.placeholders), version, below
