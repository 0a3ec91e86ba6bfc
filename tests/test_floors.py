"""Versions of libraries below which known holes are open; `pyproject.toml` and the lock may not."""

from __future__ import annotations

from importlib.metadata import version

import pytest


@pytest.mark.requirement("C2", "K1")
@pytest.mark.parametrize(
    ("library", "floor"),
    [
        ("PyJWT", (2, 13, 0)),
        ("Flask", (3, 1, 3)),
        ("Werkzeug", (3, 1, 6)),
        ("urllib3", (2, 6, 3)),
    ],
)
def test_no_library_is_older_than_its_last_known_hole(library, floor):
    assert tuple(int(part) for part in version(library).split(".")[:3]) >= floor
