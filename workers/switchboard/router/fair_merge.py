"""The router's merge: by timestamp, with a share of each frame for partitions that would otherwise wait without end.

A producer chooses its timestamps, so a merge by time alone would let one producer keep all others waiting.
"""

from collections import Counter
from heapq import heapify, heappop, heapreplace
from typing import Final

from switchboard.kafka.record_merge import Item, PartitionBuffer, Taken, merge, room_of

SHARE: Final = 4
"""One in so many records of a frame is for partitions that the order of time would keep waiting."""


def fair_merge(
    partitions: list[PartitionBuffer], most: int, most_bytes: int, *, oldest: int, overdue: float | None
) -> list[Item]:
    """Take the records of a frame.

    1. By time, from the partitions whose next record is not older than `oldest`: three quarters of the frame if other
       partitions are left for the next steps, else all of it.
    2. In turns, from the partitions whose next record is overdue; the one from which the fewest were taken comes first.
    3. By time, from the partitions whose next record is older than `oldest`.

    A record never comes before its predecessor in its partition.

    Args:
        partitions: their buffers; what is taken is removed.
        most: records taken at most, beside dropped ones.
        most_bytes: bytes of records after which no more are taken, about.
        oldest: record timestamp, ms. No outage explains an older record, so it does not come first.
        overdue: a next record that was read before this (monotonic, s) has waited too long. None while the shard
            catches up after an outage: all partitions then hold old records, and order matters more than a wait.
    """
    old = [each for each in partitions if each.is_older_than(oldest)]
    recent = [each for each in partitions if each not in old] if old else partitions
    is_shared = bool(old) or any(_is_overdue(each, overdue) for each in recent)
    kept, kept_bytes = (most // SHARE, most_bytes // SHARE) if is_shared else (0, 0)
    # 1. by time
    taken = merge(recent, most - kept, most_bytes - kept_bytes)
    if not is_shared:
        return taken
    # 2. in turns
    waiting = [each for each in partitions if _is_overdue(each, overdue)]
    if waiting:
        left_bytes = max(kept_bytes, most_bytes - _size_of(taken))
        taken += _in_turns(waiting, taken, most - _number_of(taken), left_bytes)
    # 3. old records
    number, size = _number_of(taken), _size_of(taken)
    if old and number < most and size < most_bytes:
        taken += merge(old, most - number, most_bytes - size)
    return taken


def _number_of(taken: list[Item]) -> int:
    return sum(isinstance(each, Taken) for each in taken)


def _size_of(taken: list[Item]) -> int:
    return sum(each.size for each in taken if isinstance(each, Taken))


def _is_overdue(partition: PartitionBuffer, overdue: float | None) -> bool:
    return overdue is not None and bool(partition.records) and partition.records[0].read_at < overdue


def _in_turns(waiting: list[PartitionBuffer], before: list[Item], most: int, most_bytes: int) -> list[Item]:
    """Take each record from the partition from which the fewest were taken; of several, the earliest record.

    Args:
        waiting: the buffers; what is taken is removed.
        before: records already taken for the frame.
        most: records taken at most, beside dropped ones.
        most_bytes: bytes of records after which no more are taken.
    """
    counts = Counter(each.place for each in before if isinstance(each, Taken))
    heads = [(counts[each.tp], each.records[0].timestamp, each.records[0].rank, each.order, each) for each in waiting]
    heapify(heads)
    taken: list[Item] = []
    number = size = 0
    while heads and number < most and size < most_bytes:
        count, _, _, order, partition = heads[0]
        item = partition.records.popleft()
        taken.append(item)
        if isinstance(item, Taken):
            number += 1
            count += 1
            size += room_of(item, most_bytes)
        if partition.records:
            head = partition.records[0]
            heapreplace(heads, (count, head.timestamp, head.rank, order, partition))
        else:
            heappop(heads)
    return taken
