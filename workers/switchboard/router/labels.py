"""What pools and queues are called in metrics: a bounded number of names, whoever makes up more."""

from dataclasses import dataclass, field
from functools import cache
from typing import Final

import prometheus_client

MOST_POOLS: Final = 200
MOST_MADE_UP: Final = 100
"""Of these, pools that were not known to be configured when they were met: anyone on the bus can make them up."""
MOST_QUEUES: Final = 1_000
"""Unless the setting `metrics_queues` says otherwise. A queue has 57 series, which take about 40 KB."""
OTHER: Final = "other"


@dataclass(slots=True)
class Named:
    """The names that this process has met and that are labels. They are never given up: counters keep their series."""

    most_queues: int = MOST_QUEUES
    pools: set[str] = field(default_factory=set)
    made_up: int = 0
    """How many of the pools were not known to be configured."""
    queues: set[tuple[str, str]] = field(default_factory=set)
    """(pool, queue)."""


_named = Named()


def set_most_queues(number: int) -> None:
    """Let so many queues of all pools together have labels of their own."""
    _named.most_queues = number


def pool_label(pool: str) -> str:
    """The pool's own name for the first pools that this process meets, else `OTHER`."""
    pools = _named.pools
    if pool not in pools and len(pools) < MOST_POOLS and _named.made_up < MOST_MADE_UP:
        pools.add(pool)
        _named.made_up += 1
    return pool if pool in pools else OTHER


def name_configured(pool: str) -> None:
    """Let a configured pool have its own name: half of the names are for such pools alone."""
    if pool not in _named.pools and len(_named.pools) < MOST_POOLS:
        _named.pools.add(pool)


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
def series(counter: prometheus_client.Counter, *labels: str) -> prometheus_client.Counter:
    """One counter of many. There are as many as label sets, which are bounded; the library's own look-up takes 1 us."""
    return counter.labels(*labels)
