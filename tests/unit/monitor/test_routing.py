"""Which shards are told as not routed, and since when."""

from aiokafka import TopicPartition

from switchboard.monitor.routing import TOLD_AFTER_SECONDS, Routing, Unrouted

ARRIVALS, ACCEPTED = TopicPartition("bus.chat-arrival", 0), TopicPartition("bus.chat-accepted", 0)


def a_routing(shards: int = 2) -> Routing:
    """Nothing was seen yet."""
    return Routing(shards, "bus.chat-arrival")


def test_nothing_is_said_before_anything_was_seen() -> None:
    """A bus that can't be asked is another fault."""
    assert a_routing().told(1e9) == {"shards": 2, "unrouted": [], "why": None, "since": None, "arrivals": 0}


def test_a_shard_without_a_router_is_told_once_it_is_no_takeover() -> None:
    """With since when, and how many chats arrived for nobody."""
    routing = a_routing()
    for now in range(100, 100 + int(TOLD_AFTER_SECONDS)):
        routing.see(now, {0}, {0: {ARRIVALS: 5}, 1: {ARRIVALS: 3}}, {ARRIVALS: 5})
        assert routing.unrouted(now) == {}
    assert routing.unrouted(100 + TOLD_AFTER_SECONDS) == {1: Unrouted("no-router", 100, 2)}
    assert routing.told(110) == {
        "shards": 2, "unrouted": [1], "why": "no-router", "since": "1970-01-01T00:01:40.000Z", "arrivals": 2,
    }  # fmt: skip
    routing.see(120, {0, 1}, {0: {ARRIVALS: 5}, 1: {ARRIVALS: 5}}, {ARRIVALS: 5})
    assert routing.unrouted(1000) == {}


def test_a_router_that_reads_nothing_of_what_is_there_stands_still() -> None:
    """Whatever the topic; while it gets on with anything, it does not."""
    routing = a_routing(1)
    for now in (100, 102):
        routing.see(now, {0}, {0: {ARRIVALS: 5, ACCEPTED: 1}}, {ARRIVALS: 5, ACCEPTED: 4})
    assert routing.unrouted(112) == {0: Unrouted("stands-still", 100, 0)}
    routing.see(114, {0}, {0: {ARRIVALS: 5, ACCEPTED: 2}}, {ARRIVALS: 5, ACCEPTED: 4})
    assert routing.unrouted(123) == {}
    routing.see(120, {0}, {0: {ARRIVALS: 5, ACCEPTED: 4}}, {ARRIVALS: 5, ACCEPTED: 4})
    assert routing.unrouted(1000) == {}


def test_a_topic_made_anew_or_never_told_is_not_behind() -> None:
    """Its end is before what was read, or not known."""
    routing = a_routing(1)
    routing.see(100, {0}, {0: {ARRIVALS: 5, ACCEPTED: 1}}, {ARRIVALS: 0})
    assert routing.unrouted(1000) == {}


def test_what_was_seen_before_the_bus_was_away_is_forgotten() -> None:
    """The bus's own fault is told meanwhile, and a router may come back with it."""
    routing = a_routing(1)
    routing.see(100, (), {}, {})
    routing.forget()
    assert routing.unrouted(1000) == {}
    routing.see(1000, (), {}, {})
    assert routing.unrouted(1001) == {}
    assert list(routing.unrouted(1010)) == [0]
