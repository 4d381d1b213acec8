"""What a test does to the brokers of a cluster, and waiting until they are whole again."""

import asyncio
import os
import time
from collections.abc import Sequence
from itertools import count

from switchboard.dev.local_broker import LocalBroker
from switchboard.dev.local_cluster import LocalCluster
from switchboard.kafka.acl import COORDINATOR_OF_GROUP, COORDINATOR_OF_TRANSACTIONS
from switchboard.kafka.broker_wait import BrokerWait
from switchboard.kafka.clients import Connection, session
from switchboard.kafka.topics import routers_group
from tests.waiting import eventually

WHOLE_SECONDS = 60
ALL = bool(os.environ.get("EVERY_OUTAGE"))
"""Every outage for every test, as `make cluster` has it, and not a choice of them."""


class Outage:
    """What a test does to some of the brokers.

    Args:
        how: "killed" or "frozen".
        *numbers: which, from 0.
    """

    def __init__(self, how: str, *numbers: int) -> None:
        self.how = how
        self.numbers = numbers

    def __repr__(self) -> str:
        return f"{self.how}-{'-'.join(map(str, self.numbers))}"

    def away(self, cluster: LocalCluster) -> list[LocalBroker]:
        """The brokers that it takes away."""
        return [cluster.nodes[number] for number in self.numbers]

    def begin(self, cluster: LocalCluster) -> None:
        """Take them away; returns at once."""
        for node in self.away(cluster):
            if self.how == "killed":
                node.kill()
            else:
                node.suspend()


async def coordinate(cluster: LocalCluster) -> None:
    """Have the brokers make the topics of their coordinators, as they do for the first group and transaction."""
    conn = Connection(cluster.bootstrap)

    async def look() -> None:
        async with session(conn) as client:
            for kind in (COORDINATOR_OF_GROUP, COORDINATOR_OF_TRANSACTIONS):
                await client.find_coordinator("first", kind)

    await BrokerWait(conn, WHOLE_SECONDS).retry("looking for the coordinators", look)


async def prefix_coordinated_by(cluster: LocalCluster, numbers: Sequence[int], prefix: str) -> str:
    """A prefix that begins with `prefix`, whose routers have a coordinator among these brokers (from 0)."""
    async with session(Connection(cluster.bootstrap)) as client:
        for attempt in count():
            name = f"{prefix}{attempt}."
            node_id = await client.find_coordinator(routers_group(f"{name}group"), COORDINATOR_OF_GROUP)
            if node_id - 1 in numbers:
                return name
    raise AssertionError("unreachable")


async def noticed(cluster: LocalCluster, number: int) -> None:
    """Wait until the brokers tell of no more than so many, so that what the others led has new leaders."""

    async def told() -> int:
        async with session(Connection(cluster.bootstrap)) as client:
            return len((await client.describe_cluster())["brokers"])

    await eventually(told, lambda found: found <= number, WHOLE_SECONDS)


async def whole(cluster: LocalCluster) -> None:
    """Wait until every partition on the brokers has all its replicas in sync, and is led by the one meant to lead."""
    until = time.monotonic() + WHOLE_SECONDS
    while left := await _not_in_sync(cluster):
        assert time.monotonic() < until, f"not in sync within {WHOLE_SECONDS} s: {left}"
        await asyncio.sleep(0.2)


async def _not_in_sync(cluster: LocalCluster) -> list[str]:
    async with session(Connection(cluster.bootstrap)) as client:
        topics = await client.describe_topics()
        known = len(client._client.cluster.brokers())
    partitions = [(topic["topic"], each) for topic in topics for each in topic["partitions"]]
    behind = [
        f"{name}/{each['partition']} is led by {each['leader']} and in sync at {each['isr']} of {each['replicas']}"
        for name, each in partitions
        if set(each["isr"]) != set(each["replicas"]) or (len(each["isr"]) > 1 and each["leader"] != each["replicas"][0])
    ]
    return behind if known == len(cluster.nodes) else [f"{known} brokers", *behind]
