"""Python's garbage collector, set for programs that hold a large state and make a lot of short-lived values."""

import gc
from typing import Final

THRESHOLDS: Final = (50_000, 50, 100)
"""Instead of 700, 10, 10: the engine makes next to no cycles, and a full collection looks at every chat there is."""


def relax_collector() -> None:
    """Collect rarely. Call once, at start."""
    gc.set_threshold(*THRESHOLDS)
