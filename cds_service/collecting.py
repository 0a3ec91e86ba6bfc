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
    What the block leaves counts as old afterwards: it is looked through when all is, not at once.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            _count_as_old()
            gc.enable()


def _count_as_old() -> None:
    """Move everything to the oldest generation; not where objects are frozen, as they stay so."""
    if not gc.get_freeze_count():
        gc.freeze()
        gc.unfreeze()
