"""What the decisions tell that the rows don't: figures, stories and offers."""

import logging
from dataclasses import dataclass, field

from switchboard.monitor.counting import Counting
from switchboard.monitor.decisions import Decided
from switchboard.monitor.offers import Offers
from switchboard.monitor.stories import Stories

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Past:
    """Made from decisions alone, each counted once; bounded whatever comes."""

    counting: Counting = field(default_factory=Counting)
    stories: Stories = field(default_factory=Stories)
    offers: Offers = field(default_factory=Offers)
    counted: dict[tuple[int, str], tuple[int, int]] = field(default_factory=dict)
    """(partition, pool) -> (frame, n) of the last decision taken."""
    last_at: str | None = None
    """When the latest decision was made, as it says itself."""

    def take(self, partition: int, decided: Decided) -> None:
        """Take a decision; one that was taken before changes nothing.

        Ids ascend for each pool within a partition, so the last one tells whether one was taken: should the same
        decision ever stand twice on the topic, it counts once.
        """
        mark = (partition, decided.pool)
        last = self.counted.get(mark)
        if last is not None and decided.place <= last:
            log.warning("decision %s comes after %s: not counted again", decided.fields["id"], last)
            return
        self.counted[mark] = decided.place
        self.last_at = max(self.last_at or "", decided.fields["at"])
        self.counting.count(decided)
        self.stories.take(decided)
        self.offers.take(decided)

    def forget(self, now: float) -> None:
        """Drop what nobody can ask for any more."""
        self.counting.windows.forget(now)
        self.stories.forget(now)
