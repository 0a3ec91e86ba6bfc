"""The switch that rewrites the golden answers."""

from __future__ import annotations


def pytest_addoption(parser):
    parser.addoption(
        "--write-golden",
        action="store_true",
        help="rewrite examples/responses, examples/collection.json and docs/guideline.md",
    )
