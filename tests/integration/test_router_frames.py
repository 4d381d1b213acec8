"""What is read becomes frames: none too large for the journal, none lost though its commit failed."""

from switchboard.journal.frames import MAX_FRAME_BYTES
from switchboard.kafka.ledger import Ledger
from switchboard.kafka.topics import Topic, shard_id
from tests.routers import a_bus

LONG_ID = "\N{GRINNING FACE}" * 128
"""The longest CloudEvents id that is taken: 512 bytes."""


async def test_a_frame_stays_below_its_limit_whatever_the_events_hold(broker_bootstrap: str, bus_prefix: str) -> None:
    """2,000 small events with the longest ids came while no router was there: several frames, in order, none lost."""
    async with a_bus(broker_bootstrap, bus_prefix, bus_partitions=1) as bus:
        name = bus.names.of(Topic.CHAT_ARRIVAL)
        headers = [("ce_id", LONG_ID.encode())]
        sent = [
            await bus._producer.send(name, b'{"chat_id":"c-%d"}' % number, headers=headers) for number in range(2000)
        ]
        for each in sent:
            await each
        async with bus.router() as router:
            await bus.until(lambda: len(bus.ids("chat-queued")) == 2000, 40)
            await router.stop()
        assert max(len(each.value) for each in bus.seen[Topic.JOURNAL]) <= MAX_FRAME_BYTES
        assert bus.ids("chat-queued") == [f"c-{number}" for number in range(2000)]
        assert await bus.check() == 2000


async def test_an_event_whose_commit_failed_is_not_left_until_the_next_comes(
    broker_bootstrap: str, bus_prefix: str
) -> None:
    """Fenced in passing, with no timer pending and no further event: the shard is reopened and the event decided on."""
    async with a_bus(broker_bootstrap, bus_prefix, bus_partitions=1) as bus, bus.router() as router:
        await router.ready()
        passing = Ledger(bus.conn, shard_id(bus.group, 0), bus.names, 0)
        await passing.open()
        await passing.close()
        await bus.presence("agent-logged-in", "ana")
        await bus.until_decided("chat-requested", "ana", 30)
        metrics = await router.metrics()
        assert metrics['switchboard_fenced_total{shard="0"}'] == 1
        assert metrics['switchboard_commits_total{outcome="fenced"}'] == 1
        await router.stop()
        assert await bus.check() == 1
