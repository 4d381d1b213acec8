"""Python's garbage collector, set for programs that hold a large state and make a lot of short-lived values."""

import gc
from typing import Final

THRESHOLDS: Final = (1_000_000, 20, 100)
"""Instead of 700, 10, 10. The engine makes next to no cycles, what a frame makes is freed with its commit, and a full
collection looks at every chat there is: with 50,000 a drain spent a fifth of its time in collections."""


def relax_collector() -> None:
    """Collect rarely. Call once, at start."""
    gc.set_threshold(*THRESHOLDS)
