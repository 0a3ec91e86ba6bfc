"""How the documentation becomes a site: `make docs` (Sphinx, MyST, furo)."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent))

import reference  # noqa: E402  beside this file

project = "cds_service"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "Low back pain decision support"
html_show_sphinx = False
html_show_copyright = False
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
# Named places in the guideline are HTML anchors; tests/test_docs.py follows every link.
suppress_warnings = ["myst.xref_missing"]

reference.write(HERE / "_generated", HERE / "decisions")
