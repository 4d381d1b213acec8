"""Where Faust reads on: after the last record that the tables took."""

from collections.abc import Mapping
from typing import Any, ClassVar

from faust.transport.drivers import aiokafka as driver

from switchboard.kafka.topics import Topic
from switchboard.monitor.tables import Tables


class FollowingConsumer(driver.Consumer):  # type: ignore[misc] # Faust is untyped
    """Faust's consumer, whose "committed" offsets are those that the tables have applied.

    While a rebalance is under way Faust throws away the records that it is handed, and sets the consumer back to the
    offsets that the group committed. Nothing is ever committed here, and for such a partition aiokafka's
    `seek_to_committed` does nothing at all: what was thrown away would be missing for good.
    """

    async def seek_to_committed(self) -> Mapping[Any, int]:
        """Set every partition to the record after the last one applied; these offsets, by partition."""
        places: dict[Any, int] = {place: self.transport.next_offset(place) for place in self.assignment()}
        await self.seek_wait(places)
        return places


# Faust has each class log under its module's name, so that what this one says would pass for ours.
FollowingConsumer.logger = driver.Consumer.logger


class FollowingTransport(driver.Transport):  # type: ignore[misc] # Faust is untyped
    """Faust's way to the cluster, with that consumer."""

    Consumer: ClassVar[type[FollowingConsumer]] = FollowingConsumer

    def __init__(self, app: Any, tables: Tables, topics: Mapping[str, Topic]) -> None:
        super().__init__(app.conf.broker_consumer, app)
        self._tables = tables
        self._topics = topics

    def next_offset(self, place: Any) -> int:
        """Where to read on in a partition (a Faust TP); 0, the beginning, while nothing of it was applied.

        An offset that is gone, because it was deleted, is for `consumer_auto_offset_reset`.
        """
        return self._tables.applied.get((self._topics[place.topic], place.partition), -1) + 1
