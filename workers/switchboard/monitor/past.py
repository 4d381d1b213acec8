"""What the decisions tell that the rows don't: figures, stories and offers."""

import logging
from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field
from sys import maxsize
from typing import Final

from switchboard.monitor.counting import Counting
from switchboard.monitor.decisions import Decided
from switchboard.monitor.offers import Offers
from switchboard.monitor.stories import Stories
from switchboard.web.answers import slices

MOST_POOLS: Final = 10_000
"""Whose last decision is known, of each partition; 3 MB. Anybody on the bus can make up names of pools."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Marks:
    """How far the decisions of one partition were taken.

    Ids ascend for each pool within a partition, so the last one tells whether one was taken: should the same decision
    ever stand twice on the topic, it counts once. Frames ascend over all pools, since a partition is one shard's: of
    the pools that were dropped, the latest frame tells the same.
    """

    latest: OrderedDict[str, tuple[int, int]] = field(default_factory=OrderedDict)
    """By pool: (frame, n) of its last decision. The pool that was taken last is the last."""
    dropped: int = -1
    """The latest frame of a pool that was dropped; all that comes is of a later one."""

    def take(self, pool: str, place: tuple[int, int]) -> bool:
        """Whether it was not taken before; it is now."""
        last = self.latest.get(pool, (self.dropped, maxsize))
        if place <= last:
            return False
        self.latest[pool] = place
        self.latest.move_to_end(pool)
        while len(self.latest) > MOST_POOLS:
            frame, _ = next(iter(self.latest.values()))
            if frame >= place[0]:
                break  # of the frame that is being taken: others of its decisions are to come
            self.latest.popitem(last=False)
            self.dropped = max(self.dropped, frame)
        return True


@dataclass(slots=True)
class Past:
    """Made from decisions alone, each counted once; bounded whatever comes."""

    counting: Counting = field(default_factory=Counting)
    stories: Stories = field(default_factory=Stories)
    offers: Offers = field(default_factory=Offers)
    marks: defaultdict[int, Marks] = field(default_factory=lambda: defaultdict(Marks))
    """By partition."""
    last_at: str | None = None
    """When the latest decision was made, as it says itself."""

    def take(self, partition: int, decided: Decided) -> None:
        """Take a decision; one that was taken before changes nothing."""
        if not self.marks[partition].take(decided.pool, decided.place):
            log.warning("decision %s was taken before: not counted again", decided.fields["id"])
            return
        self.last_at = max(self.last_at or "", decided.fields["at"])
        self.counting.count(decided)
        self.stories.take(decided)
        self.offers.take(decided)

    async def forget(self, now: float) -> None:
        """Drop what nobody can ask for any more, in short steps: of 200,000 queues it takes 0.1 s."""
        windows = self.counting.windows
        async for queues in slices(tuple({*windows.days, *windows.minutes})):
            windows.forget(now, queues)
        self.stories.forget(now)
