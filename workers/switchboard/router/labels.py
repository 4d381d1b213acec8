"""What pools and queues are called in metrics: a bounded number of names, whoever makes up more."""

from functools import cache
from typing import Final

from prometheus_client import Counter

MOST_POOLS: Final = 200
OTHER: Final = "other"

_named: set[str] = set()


def pool_label(pool: str) -> str:
    """The pool's own name for the first `MOST_POOLS` that this process meets: anyone on the bus can make up more."""
    if pool not in _named and len(_named) < MOST_POOLS:
        _named.add(pool)
    return pool if pool in _named else OTHER


def queue_labels(pool: str, queue: str) -> tuple[str, str]:
    """The labels of a queue: its own name where its pool has one."""
    label = pool_label(pool)
    return label, queue if label == pool else OTHER


@cache
def series(counter: Counter, *labels: str) -> Counter:
    """One counter of many. There are as many as label sets, which are bounded; the library's own look-up takes 1 us."""
    return counter.labels(*labels)
