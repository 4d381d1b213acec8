"""Python's garbage collector, set for programs that hold a large state and make a lot of short-lived values."""

import gc
from typing import Final

THRESHOLDS: Final = (1_000_000, 20, 100)
"""Instead of 700, 10, 10. The engine makes next to no cycles, what a frame makes is freed with its commit, and a full
collection looks at every chat there is: with 50,000 a drain spent a fifth of its time in collections."""


MONITOR_THRESHOLDS: Final = (20_000, 10, 1_000)
"""Of the monitor: a full collection of 200,000 chats stops its loop for 0.2 s, and counting them brings one about. With
these, what is young is collected in steps of 20 ms at most, and all of it hardly ever."""


def relax_collector(thresholds: tuple[int, int, int] = THRESHOLDS) -> None:
    """Collect rarely. Call once, at start."""
    gc.set_threshold(*thresholds)
