"""What was read of a source topic and is no longer in it: the topic was made anew, or its retention was too short."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from aiokafka import TopicPartition

from switchboard.kafka.admin import Difference

Offsets = dict[tuple[str, int], int]
"""(topic on the bus, partition) -> next offset."""


@dataclass(frozen=True, slots=True)
class Gone(Difference):
    """A partition in which a shard can't go on: a router that meets it stops with these words."""

    said: str

    def __str__(self) -> str:
        return self.said


def not_there(known: Offsets, found: Collection[TopicPartition]) -> Iterator[Gone]:
    """The partitions that were read and are not among those found, in order."""
    for topic, partition in sorted(known):
        if TopicPartition(topic, partition) not in found:
            yield _gone(topic, partition, "missing", "there", f"{topic}/{partition} is no longer there")


def cut(known: Offsets, beginnings: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]) -> Iterator[Gone]:
    """The partitions that were read to where there is nothing to go on with, given what each of them holds."""
    for tp, beginning in beginnings.items():
        read_to = known.get((tp.topic, tp.partition))
        if read_to is not None and not beginning <= read_to <= ends[tp]:
            holds = f"holds {beginning} to {ends[tp]}"
            said = f"{tp.topic}/{tp.partition} {holds}, and was read to {read_to}"
            yield _gone(tp.topic, tp.partition, holds, f"to hold {read_to}, to which it was read", said)


def unreadable(tp: TopicPartition) -> Gone:
    """A partition that was cut while it was read."""
    said = f"what was to be read of {tp.topic}/{tp.partition} is gone"
    return _gone(tp.topic, tp.partition, "cut", "there", said)


def _gone(topic: str, partition: int, found: str, expected: str, said: str) -> Gone:
    remedy = f"switchboard topics reset {topic} --from earliest|latest|TIME"
    told = (
        f"{said}: the topic was deleted and made anew, or its retention has overtaken the router. "
        f"Say where to go on with: {remedy}"
    )
    return Gone(topic, f"partition {partition}", found, expected, remedy, fatal=True, said=told)
