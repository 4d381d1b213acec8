"""What pools and queues are called in metrics: a bounded number of names, whoever makes up more."""

from dataclasses import dataclass, field
from functools import cache
from typing import Final

from prometheus_client import Counter

MOST_POOLS: Final = 200
MOST_QUEUES: Final = 1_000
"""Unless the setting `metrics_queues` says otherwise. A queue has 57 series, which take about 40 KB."""
OTHER: Final = "other"


@dataclass(slots=True)
class Named:
    """The names that this process has met and that are labels. They are never given up: counters keep their series."""

    most_queues: int = MOST_QUEUES
    pools: set[str] = field(default_factory=set)
    queues: set[tuple[str, str]] = field(default_factory=set)
    """(pool, queue)."""


_named = Named()


def set_most_queues(number: int) -> None:
    """Let so many queues of all pools together have labels of their own."""
    _named.most_queues = number


def pool_label(pool: str) -> str:
    """The pool's own name for the first `MOST_POOLS` that this process meets: anyone on the bus can make up more."""
    pools = _named.pools
    if pool not in pools and len(pools) < MOST_POOLS:
        pools.add(pool)
    return pool if pool in pools else OTHER


def queue_labels(pool: str, queue: str) -> tuple[str, str]:
    """The labels of a queue: its own name for the first queues that this process meets in pools that have a label."""
    if pool_label(pool) != pool:
        return OTHER, OTHER
    labels = (pool, queue)
    queues = _named.queues
    if labels in queues:
        return labels
    if len(queues) < _named.most_queues:
        queues.add(labels)
        return labels
    return pool, OTHER


@cache
def series(counter: Counter, *labels: str) -> Counter:
    """One counter of many. There are as many as label sets, which are bounded; the library's own look-up takes 1 us."""
    return counter.labels(*labels)
