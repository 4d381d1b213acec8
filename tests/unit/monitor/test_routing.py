"""Which shards are told as not routed, and since when."""

from collections.abc import Collection, Mapping

import pytest
from aiokafka import TopicPartition

from switchboard.kafka.open_transactions import HELD_UP_SECONDS, Ends
from switchboard.monitor.bus_watch import REPORT_AFTER_SECONDS, Offsets, RoutingStatus

ARRIVALS, ACCEPTED = TopicPartition("bus.chat-arrival", 0), TopicPartition("bus.chat-accepted", 0)
BEHIND: Mapping[int, Offsets] = {0: {ARRIVALS: 3}}
END: Offsets = {ARRIVALS: 5}


def a_routing(shards: int = 1) -> RoutingStatus:
    """Nothing was seen yet."""
    return RoutingStatus(shards, "bus.chat-arrival")


def look(
    routing: RoutingStatus,
    seconds: range,
    owned: Collection[int],
    read: Mapping[int, Offsets] | None = None,
    **ends: Offsets,
) -> list[int]:
    """A look every 2 s; when anything was told."""
    told = []
    for now in seconds[::2]:
        routing.observe(now, owned, read or {}, ends.get("ends", {}))
        if routing.unrouted(now):
            told.append(now)
    return told


def test_nothing_is_said_before_anything_was_seen() -> None:
    """And when it was seen last is told, so that not to know does not pass for all being well."""
    assert a_routing(2).as_json(1e9) == {
        "seen_at": None, "shards": 2, "not_known_yet": 2, "without_router": [], "standing_still": [], "since": None,
        "since_before": False, "arrivals": 0, "held_up": [],
    }  # fmt: skip


def test_a_shard_without_a_router_is_told_once_it_is_no_takeover() -> None:
    """With since when, and how many chats nobody has read; and no more once it has had a router for some looks."""
    routing = a_routing(2)
    read, ends = {0: {ARRIVALS: 5}, 1: {ARRIVALS: 3}}, {ARRIVALS: 5}
    assert look(routing, range(100, 200), {0}, read, ends=ends)[0] == 100 + REPORT_AFTER_SECONDS + 1
    assert routing.as_json(198) == {
        "seen_at": "1970-01-01T00:03:18.000Z", "shards": 2, "not_known_yet": 0, "without_router": [1],
        "standing_still": [], "since": "1970-01-01T00:01:40.000Z", "since_before": True, "arrivals": 2,
        "held_up": [],
    }  # fmt: skip
    assert look(routing, range(200, 206), {0, 1}, {**read, 1: {ARRIVALS: 5}}, ends=ends) == []  # it got on at once
    assert look(routing, range(206, 240), {0}, read, ends=ends)[0] == 206 + REPORT_AFTER_SECONDS + 1
    assert routing.as_json(240)["since_before"] is False


def test_a_router_that_comes_and_has_nothing_to_do_is_believed_after_some_looks() -> None:
    """One that dies whenever it has started would be the same for a look or two."""
    routing = a_routing()
    assert look(routing, range(100, 200), (), {0: END}, ends=END)
    assert look(routing, range(200, 300), {0}, {0: END}, ends=END) == [200, 202]


def test_a_monitor_that_has_just_started_does_not_know_yet() -> None:
    """Until it has seen the shard routed, or has missed a router for long enough."""
    routing = a_routing()
    look(routing, range(100, 110), (), BEHIND, ends=END)
    assert routing.as_json(110)["not_known_yet"] == 1
    look(routing, range(110, 120), (), BEHIND, ends=END)
    assert routing.as_json(120)["not_known_yet"] == 0
    routing = a_routing()
    look(routing, range(100, 102), {0}, {0: END}, ends=END)
    assert routing.as_json(102)["not_known_yet"] == 0


def test_a_router_that_reads_nothing_of_what_is_there_stands_still() -> None:
    """Whatever the topic; while it gets on with anything, it does not."""
    routing = a_routing()
    ends = {ARRIVALS: 5, ACCEPTED: 40}
    for now in range(100, 130, 2):
        routing.observe(now, {0}, {0: {ARRIVALS: 5, ACCEPTED: now - 99}}, ends)
        assert routing.unrouted(now) == {}
    assert look(routing, range(130, 160), {0}, {0: {ARRIVALS: 5, ACCEPTED: 30}}, ends=ends)
    assert routing.as_json(160)["standing_still"] == [0]
    assert look(routing, range(160, 200), {0}, {0: {ARRIVALS: 5, ACCEPTED: 40}}, ends=ends) == []


def test_a_router_that_dies_whenever_it_has_started_is_told_as_none() -> None:
    """It has the shard for a moment, and reads nothing."""
    routing = a_routing()
    told = []
    for turn in range(100, 200, 10):
        told += look(routing, range(turn, turn + 6), (), BEHIND, ends=END)
        told += look(routing, range(turn + 6, turn + 10), {0}, BEHIND, ends=END)
    assert told == list(range(116, 200, 2))
    assert routing.unrouted(199)[0].since == 100


def test_since_when_does_not_change_with_what_is_the_matter() -> None:
    """Nobody had it for long; then somebody has it who reads nothing."""
    routing = a_routing()
    look(routing, range(100, 200), (), BEHIND, ends=END)
    look(routing, range(200, 220), {0}, BEHIND, ends=END)
    told = routing.as_json(220)
    assert (told["without_router"], told["standing_still"], told["since"]) == ([], [0], "1970-01-01T00:01:40.000Z")


@pytest.mark.parametrize("ends", [{}, {ARRIVALS: 0}])
def test_a_topic_that_is_gone_or_was_made_anew_is_not_behind(ends: Offsets) -> None:
    """Its end is not known, or before what was read."""
    assert look(a_routing(), range(100, 200), {0}, {0: {ARRIVALS: 5}}, ends=ends) == []


def test_offsets_that_are_not_told_for_once_are_those_told_before() -> None:
    """The client takes an error of the group's coordinator for a group that has none."""
    routing = a_routing()
    look(routing, range(100, 110), {0}, BEHIND, ends=END)
    assert look(routing, range(110, 140), {0}, {}, ends=END)


def test_partitions_that_an_open_transaction_holds_up_are_told_with_since_when() -> None:
    """Once the last stable offset has not moved for 30 s; "before" is said where the first look already saw it."""
    routing = a_routing()
    for now in (100, 102, 100 + HELD_UP_SECONDS):
        ends = {ARRIVALS: Ends(7, 12), ACCEPTED: Ends(9, 9) if now == 100 else Ends(9, 10)}
        routing.transactions.see(now, ends)
    arrivals = {
        "topic": "bus.chat-arrival", "partition": 0, "since": "1970-01-01T00:01:40.000Z", "since_before": True,
        "records": 5,
    }  # fmt: skip
    assert routing.as_json(131)["held_up"] == [arrivals]
    routing.transactions.see(132, {ARRIVALS: Ends(7, 13), ACCEPTED: Ends(9, 10)})
    accepted = {
        "topic": "bus.chat-accepted", "partition": 0, "since": "1970-01-01T00:01:42.000Z", "since_before": False,
        "records": 1,
    }  # fmt: skip
    assert routing.as_json(132)["held_up"] == [arrivals | {"records": 6}, accepted]
    routing.transactions.see(134, {ARRIVALS: Ends(14, 14), ACCEPTED: Ends(11, 11)})
    assert routing.as_json(134)["held_up"] == []
