"""A cluster of three small Apache Kafka brokers on loopback; each can be killed, suspended and started again.

Each node is a broker and a controller. So the cluster survives the loss of one node, and the loss of two stops the
cluster until one of them is back: a single controller can't elect a leader for a partition.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self

from switchboard.dev.local_broker import LocalBroker, free_port

NODES: Final = 3

PROPERTIES: Final = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
    # One partition for each node: then every node is a coordinator, and the death of any node needs a new coordinator.
    "offsets.topic.num.partitions": "3",
    "transaction.state.log.num.partitions": "3",
    # A dead or suspended follower blocks writes with acks=all until it counts as out of sync: 30 s with the default.
    "replica.lag.time.max.ms": "3000",
    # A node that is back leads its partitions again at once: an outage in one test does not change the next test.
    "leader.imbalance.check.interval.seconds": "1",
}

SMALL_JVM: Final = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""Options of a node's Java machine: with these a node takes about 340 MB of memory."""


class LocalCluster:
    """Three brokers; also a context manager. All calls block. `bootstrap` names all three."""

    def __init__(self) -> None:
        ports: list[int] = []
        while len(ports) < 2 * NODES:
            port = free_port()
            if port not in ports:
                ports.append(port)
        own, controllers = ports[:NODES], ports[NODES:]
        voters = ",".join(f"{number}@127.0.0.1:{port}" for number, port in enumerate(controllers, 1))
        self.nodes = tuple(
            LocalBroker(
                port,
                properties=PROPERTIES | {"node.id": str(number), "controller.quorum.voters": voters},
                controller_port=controller_port,
                jvm=SMALL_JVM,
            )
            for number, (port, controller_port) in enumerate(zip(own, controllers, strict=True), 1)
        )
        """The brokers in the order of their node ids, from 1."""
        self.bootstrap = ",".join(node.bootstrap for node in self.nodes)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start the nodes that are not running, and return when all are ready.

        Raises:
            BrokerUnavailableError: a tool is missing, or a node did not come up; the message says which.
        """
        try:
            # At the same time, because a node is ready only after a majority of the controllers has started.
            _at_once([node.start for node in self.nodes if not node.is_running])
        except BaseException:
            self.stop()
            raise

    def resume(self) -> None:
        """Make every node run: resume suspended nodes, start killed nodes."""
        for node in self.nodes:
            if node.is_running:
                node.resume()
        self.start()

    def stop(self) -> None:
        """Stop all nodes and remove their folders."""
        _at_once([node.stop for node in self.nodes])


def _at_once(calls: list[Callable[[], None]]) -> None:
    """Run all calls at the same time; raise the error of the first that failed."""
    with ThreadPoolExecutor(NODES) as threads:
        for done in [threads.submit(call) for call in calls]:
            done.result()
