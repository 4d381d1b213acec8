"""Which shards are reported as not routed, and since when."""

from collections.abc import Collection, Mapping

import pytest
from aiokafka import TopicPartition

from switchboard.kafka.open_transactions import HELD_UP_SECONDS, Ends
from switchboard.monitor.bus_watch import REPORT_AFTER_SECONDS, Offsets, RoutingStatus

ARRIVALS, ACCEPTED = TopicPartition("bus.chat-arrival", 0), TopicPartition("bus.chat-accepted", 0)
BEHIND: Mapping[int, Offsets] = {0: {ARRIVALS: 3}}
END: Offsets = {ARRIVALS: 5}


def a_routing(shards: int = 1) -> RoutingStatus:
    """A status before the first check."""
    return RoutingStatus(shards, "bus.chat-arrival")


def check(
    routing: RoutingStatus,
    seconds: range,
    owned: Collection[int],
    read: Mapping[int, Offsets] | None = None,
    **ends: Offsets,
) -> list[int]:
    """Check every 2 s; the times at which an unrouted shard was reported."""
    reported = []
    for now in seconds[::2]:
        routing.observe(now, owned, read or {}, ends.get("ends", {}))
        if routing.unrouted(now):
            reported.append(now)
    return reported


def test_nothing_is_reported_before_the_first_check() -> None:
    """The time of the last check is served, so that an unknown state is not taken for a good one."""
    assert a_routing(2).as_json(1e9) == {
        "seen_at": None, "shards": 2, "not_known_yet": 2, "without_router": [], "standing_still": [], "since": None,
        "since_before": False, "arrivals": 0, "held_up": [],
    }  # fmt: skip


def test_a_shard_without_a_router_is_reported_after_longer_than_a_takeover() -> None:
    """The report has the beginning and the unread arrivals. It ends once the shard has had a router for some checks."""
    routing = a_routing(2)
    read, ends = {0: {ARRIVALS: 5}, 1: {ARRIVALS: 3}}, {ARRIVALS: 5}
    assert check(routing, range(100, 200), {0}, read, ends=ends)[0] == 100 + REPORT_AFTER_SECONDS + 1
    assert routing.as_json(198) == {
        "seen_at": "1970-01-01T00:03:18.000Z", "shards": 2, "not_known_yet": 0, "without_router": [1],
        "standing_still": [], "since": "1970-01-01T00:01:40.000Z", "since_before": True, "arrivals": 2,
        "held_up": [],
    }  # fmt: skip
    assert (
        check(routing, range(200, 206), {0, 1}, {**read, 1: {ARRIVALS: 5}}, ends=ends) == []
    )  # the router read on at once
    assert check(routing, range(206, 240), {0}, read, ends=ends)[0] == 206 + REPORT_AFTER_SECONDS + 1
    assert routing.as_json(240)["since_before"] is False


def test_a_new_router_without_records_counts_as_routing_after_some_checks() -> None:
    """A router that dies after each start looks the same for one or two checks."""
    routing = a_routing()
    assert check(routing, range(100, 200), (), {0: END}, ends=END)
    assert check(routing, range(200, 300), {0}, {0: END}, ends=END) == [200, 202]


def test_a_monitor_that_has_just_started_does_not_know_yet() -> None:
    """A shard is unknown until it was seen routed, or has had no router for long enough."""
    routing = a_routing()
    check(routing, range(100, 110), (), BEHIND, ends=END)
    assert routing.as_json(110)["not_known_yet"] == 1
    check(routing, range(110, 120), (), BEHIND, ends=END)
    assert routing.as_json(120)["not_known_yet"] == 0
    routing = a_routing()
    check(routing, range(100, 102), {0}, {0: END}, ends=END)
    assert routing.as_json(102)["not_known_yet"] == 0


def test_a_router_that_reads_none_of_the_records_stands_still() -> None:
    """A router that reads on in any partition does not stand still."""
    routing = a_routing()
    ends = {ARRIVALS: 5, ACCEPTED: 40}
    for now in range(100, 130, 2):
        routing.observe(now, {0}, {0: {ARRIVALS: 5, ACCEPTED: now - 99}}, ends)
        assert routing.unrouted(now) == {}
    assert check(routing, range(130, 160), {0}, {0: {ARRIVALS: 5, ACCEPTED: 30}}, ends=ends)
    assert routing.as_json(160)["standing_still"] == [0]
    assert check(routing, range(160, 200), {0}, {0: {ARRIVALS: 5, ACCEPTED: 40}}, ends=ends) == []


def test_a_router_that_dies_after_each_start_is_reported_as_missing() -> None:
    """Such a router owns the shard for a moment, and reads nothing."""
    routing = a_routing()
    reported = []
    for turn in range(100, 200, 10):
        reported += check(routing, range(turn, turn + 6), (), BEHIND, ends=END)
        reported += check(routing, range(turn + 6, turn + 10), {0}, BEHIND, ends=END)
    assert reported == list(range(116, 200, 2))
    assert routing.unrouted(199)[0].since == 100


def test_the_beginning_stays_when_the_kind_of_fault_changes() -> None:
    """First no router owns the shard, then a router owns it and reads nothing."""
    routing = a_routing()
    check(routing, range(100, 200), (), BEHIND, ends=END)
    check(routing, range(200, 220), {0}, BEHIND, ends=END)
    status = routing.as_json(220)
    assert (status["without_router"], status["standing_still"], status["since"]) == (
        [],
        [0],
        "1970-01-01T00:01:40.000Z",
    )


@pytest.mark.parametrize("ends", [{}, {ARRIVALS: 0}])
def test_a_topic_that_is_gone_or_was_made_anew_is_not_behind(ends: Offsets) -> None:
    """The end of such a topic is unknown, or below the offsets read."""
    assert check(a_routing(), range(100, 200), {0}, {0: {ARRIVALS: 5}}, ends=ends) == []


def test_an_empty_answer_keeps_the_offsets_of_the_previous_one() -> None:
    """The client returns no offsets on an error of the group's coordinator."""
    routing = a_routing()
    check(routing, range(100, 110), {0}, BEHIND, ends=END)
    assert check(routing, range(110, 140), {0}, {}, ends=END)


def test_partitions_held_up_by_an_open_transaction_are_reported_with_the_beginning() -> None:
    """Reported once the last stable offset has not moved for 30 s. `since_before`: the first check already saw it."""
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
