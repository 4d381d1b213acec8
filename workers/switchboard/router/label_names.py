"""The names of pools and queues that are labels of metrics; all others share the label `other`.

Anyone on the bus can make up names of pools, and each label set takes memory for good. So their number is bounded.
"""

from dataclasses import dataclass, field
from typing import Final

MOST_POOLS: Final = 200
"""Pools that are labels, configured and made-up ones together."""
MOST_MADE_UP: Final = 100
"""Labels for pools that were not known to be configured when first named. The others of `MOST_POOLS` are for
configured pools."""
MOST_QUEUES: Final = 1_000
"""Queues that are labels, unless the setting `metrics_queues` says otherwise. A queue has 54 series, which take about
40 KB."""
OTHER: Final = "other"
"""The label of all pools and queues without a label of their own."""


@dataclass(slots=True)
class LabelNames:
    """The names that are labels in one router. A name stays a label for good, because counters keep their series."""

    most_queues: int = MOST_QUEUES
    """Queues of all pools together that may have labels of their own."""
    _pools: set[str] = field(default_factory=set)
    _made_up: int = 0
    """Number of pools that were not known to be configured when they got their label."""
    _queues: set[tuple[str, str]] = field(default_factory=set)
    """(pool, queue)."""

    def pool(self, pool: str) -> str:
        """The label of a pool: its own name for the first pools that are seen, else `OTHER`."""
        if pool in self._pools:
            return pool
        if len(self._pools) < MOST_POOLS and self._made_up < MOST_MADE_UP:
            self._pools.add(pool)
            self._made_up += 1
            return pool
        return OTHER

    def add_configured(self, pool: str) -> None:
        """Make a configured pool a label, if there is room: half of the labels are for configured pools alone."""
        if len(self._pools) < MOST_POOLS:
            self._pools.add(pool)

    def queue(self, pool: str, queue: str) -> tuple[str, str]:
        """The labels (pool, queue) of a queue: its own name for the first queues seen in labelled pools."""
        if self.pool(pool) != pool:
            return OTHER, OTHER
        labels = (pool, queue)
        if labels in self._queues:
            return labels
        if len(self._queues) < self.most_queues:
            self._queues.add(labels)
            return labels
        return pool, OTHER
