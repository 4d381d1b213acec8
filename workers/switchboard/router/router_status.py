"""What a router reports about itself: whether it is alive, ready and healthy, with the reason as a sentence."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from switchboard.kafka.open_transactions import HeldUp, as_json, longest, sentence
from switchboard.kafka.topics import routers_group
from switchboard.router.served_shards import ServedShard


@dataclass(slots=True, frozen=True)
class RouterStatus:
    """The status of a router at one moment."""

    now: float
    """Monotonic, s."""
    zero: float
    """When the monotonic clock was at 0, s since 1970."""
    bootstrap: str
    """The brokers to connect to, as set."""
    group: str
    """The installation's group id."""
    served: Mapping[int, ServedShard] = field(default_factory=dict)
    """The shards that are assigned to this router, by index."""
    bus_found: bool = False
    """Whether rights and topics were checked at the start."""
    is_member: bool = False
    """Whether the router is a member of the group of the routers."""
    waiting_for: str | None = None
    """What the start waits for, as a sentence."""

    @property
    def health(self) -> dict[int, str]:
        """The fault of each shard that a human has to mend; none while shards are served or wait for a broker."""
        return {index: fault for index, served in self.served.items() if (fault := served.fault(self.now)) is not None}

    @property
    def is_alive(self) -> bool:
        """Whether no shard is stuck. A shard that stopped for a human does not count: a restart would not help it."""
        return not any(served.is_stuck for served in self.served.values())

    @property
    def is_ready(self) -> bool:
        """Whether the router is a member of the group, and each shard assigned to it is restored."""
        return self.is_member and all(each.shard is not None for each in self.served.values())

    @property
    def shards(self) -> dict[int, dict[str, object]]:
        """State and last frame of each shard that is assigned to this router."""
        return {index: self.served[index].summary() for index in sorted(self.served)}

    @property
    def held_up(self) -> list[HeldUp]:
        """The source partitions that an open transaction holds up, as the router's shards see them, longest first."""
        histories = [served.history for served in self.served.values()]
        return longest(each for history in histories for each in history.transactions.held_up(self.now))

    @property
    def held_up_json(self) -> list[dict[str, object]]:
        """`held_up` for programs."""
        return as_json(self.held_up, self.zero)

    @property
    def reason(self) -> str:
        """Why the router is ready or not, healthy or not, and which partitions a transaction holds up; a sentence."""
        return "; ".join(filter(None, (self._reason, sentence(self.held_up, self.zero))))

    @property
    def _reason(self) -> str:
        """Why the router is ready or not, healthy or not."""
        if not self.bus_found:
            return self.waiting_for or f"waiting for the broker at {self.bootstrap}"
        if not self.is_member:
            joining = f"waiting for shards: the router is not yet a member of group {routers_group(self.group)}"
            return self.waiting_for or joining
        hindered = [
            f"shard {index} {why}"
            for index in sorted(self.served)
            if (why := self.served[index].hindrance(self.now)) is not None
        ]
        if hindered:
            return "; ".join(hindered)
        if not self.served:
            return "standing by: no shard is assigned to this router"
        return "every shard that is assigned to this router is served"
