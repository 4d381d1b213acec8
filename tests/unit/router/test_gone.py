"""What was read and is gone: which partitions a shard can't go on in, and how that is said."""

from aiokafka import TopicPartition

from switchboard.kafka.positions import cut, not_there

TP = TopicPartition("chat-arrival", 0)


def test_a_partition_is_read_on_as_long_as_it_holds_the_next_offset() -> None:
    """At its beginning, in its midst and at its end; one that was never read is begun wherever."""
    for known in ({}, {TP: 3}, {TP: 5}, {TP: 8}):
        assert list(cut({tuple(tp): at for tp, at in known.items()}, {TP: 3}, {TP: 8})) == []


def test_a_partition_that_begins_later_or_ends_sooner_is_told_with_the_command() -> None:
    """Retention has overtaken the router, or the topic was made anew: it looks much the same."""
    for read_to, holds in ((2, (3, 8)), (9, (0, 0))):
        (gone,) = cut({("chat-arrival", 0): read_to}, {TP: holds[0]}, {TP: holds[1]})
        assert str(gone) == (
            f"chat-arrival/0 holds {holds[0]} to {holds[1]}, and was read to {read_to}: the topic was deleted and made "
            "anew, or its retention has overtaken the router. Say where to go on with: switchboard topics reset "
            "chat-arrival --from earliest|latest|TIME"
        )
        assert gone.fatal


def test_a_partition_that_was_read_and_is_not_there_is_told() -> None:
    """The first one first."""
    known = {("chat-arrival", 1): 5, ("chat-arrival", 0): 5}
    assert [gone.what for gone in not_there(known, [])] == ["partition 0", "partition 1"]
    assert [gone.what for gone in not_there(known, [TP])] == ["partition 1"]
