"""One guideline file on disk: read with a tag of its bytes, written whole and only over that tag.

The text that was read is what the author's changes were made to. If the file has changed since,
nothing is written.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path


class Changed(Exception):
    """The file on disk is not the one that was read."""


@dataclass(frozen=True, slots=True)
class Saved:
    """The text of a file, and the tag of its bytes."""

    text: str
    etag: str


def read(path: Path) -> Saved:
    """The file as it is now; raises OSError where it cannot be read."""
    data = path.read_bytes()
    return Saved(data.decode("utf-8"), _tag(data))


def write(path: Path, text: str, *, over: str) -> Saved:
    """Put the text in place of the file with the tag `over`; readers see the old file or the new.

    Raises Changed, with nothing written, where the file has another tag, and OSError.
    """
    if read(path).etag != over:
        raise Changed
    data = text.encode()
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False
    ) as part:
        written = Path(part.name)
        try:
            part.write(data)
            part.close()
            shutil.copymode(path, written)
            written.replace(path)
        finally:
            written.unlink(missing_ok=True)
    return Saved(text, _tag(data))


def _tag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
