"""Python's cyclic garbage collector, held back where much is made and little is thrown away."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def paused() -> Iterator[None]:
    """No collection until the block, or the function decorated with it, ends.

    Compiling the guidelines makes some 200,000 objects that stay; looking through them again and
    again takes a third of the time. Not for what serves patients' data: it would pile up.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
