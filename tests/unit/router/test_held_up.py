"""What a router says of partitions that an open transaction holds up."""

import logging

import pytest
from aiokafka import TopicPartition

from switchboard.kafka.open_transactions import Change, HeldUp, as_json, log, log_change, sentence

ZERO = 3_600.0
"""When the monotonic clock was at 0."""


def held_up(partition: int, *, records: int = 14, seconds: float = 94.6, since_before: bool = False) -> HeldUp:
    """A partition of the arrivals."""
    return HeldUp(TopicPartition("acme.chat-arrival", partition), 4711, records, 1000 - seconds, seconds, since_before)


def test_the_sentence_names_the_partition_since_when_and_what_waits() -> None:
    """To the second; "before" where the router has only just started to look."""
    assert sentence([], ZERO) == ""
    assert sentence([held_up(0)], ZERO) == (
        "acme.chat-arrival/0 is held up by an open transaction since 1970-01-01T01:15:05.000Z: 14 records, its own "
        "included, can't be read"
    )
    assert "since before 1970-01-01T01:15:05.000Z: 1 record, its own" in sentence(
        [held_up(0, records=1, since_before=True)], ZERO
    )


def test_the_sentence_stays_short_and_the_json_is_whole() -> None:
    """One transaction may hold up every partition of a topic."""
    many = [held_up(partition) for partition in range(12)]
    told = sentence(many, ZERO)
    assert told.count("is held up") == 3
    assert told.endswith("; and 9 partitions more")
    assert [each["partition"] for each in as_json(many, ZERO)] == list(range(12))
    assert as_json(many[:1], ZERO) == [
        {
            "topic": "acme.chat-arrival", "partition": 0, "offset": 4711, "since": "1970-01-01T01:15:05.000Z",
            "since_before": False, "seconds": 94, "records": 14,
        }
    ]  # fmt: skip


def test_sixteen_shards_that_see_the_same_log_it_once(caplog: pytest.LogCaptureFixture) -> None:
    """One line when it begins and one when it ends; another partition has its own."""
    with caplog.at_level(logging.WARNING, logger=log.name):
        for shard in range(16):
            log_change(Change(begun=(held_up(0), held_up(1))), shard)
        for shard in range(16):
            log_change(Change(ended=(held_up(0),)), shard)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 3
    assert lines[0].startswith("acme.chat-arrival/0 is held up at offset 4711 by an open transaction")
    assert lines[1].startswith("acme.chat-arrival/1 is held up at offset 4711")
    assert lines[2] == "acme.chat-arrival/0 is no longer held up at offset 4711: the open transaction has ended"
