"""Who can take a chat of a queue: the three availability figures."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from switchboard.monitor.tables import Tables
from switchboard.monitor.windows import Queue
from switchboard.web.answers import slices, steps


@dataclass(slots=True)
class Availability:
    """Of the agents whose profile serves a queue. An agent who serves several counts in each."""

    requesting: int = 0
    """Agents with an outstanding request and a session free for it."""
    free: int = 0
    """Sessions free with agents who are available."""
    available: int = 0
    """Agents who are available, whether or not they have a session free."""

    def add(self, other: "Availability") -> None:
        """Count the other's agents too."""
        self.requesting += other.requesting
        self.free += other.free
        self.available += other.available


async def availability(
    tables: Tables, agents: Sequence[dict[str, Any]], queues: Collection[Queue]
) -> dict[Queue, Availability]:
    """The figures of these queues; of a pool whose configuration is not known every agent serves every queue.

    Agents are added up by profile before profiles are by queue: 10,000 agents who serve 2,100 queues each are 2,100
    additions for each profile, and not 21 million.
    """
    of_profile: defaultdict[tuple[str, str], Availability] = defaultdict(Availability)
    async for part in slices(agents):
        for agent in part:
            if agent["status"] == "available":
                is_asking = agent["request"] is not None and agent["free"] > 0
                of_profile[agent["pool"], agent["profile"]].add(Availability(is_asking, agent["free"], 1))
    of_pool: defaultdict[str, list[str]] = defaultdict(list)
    async for keys in slices(tuple(queues)):
        for pool, queue in keys:
            of_pool[pool].append(queue)
    served = (
        ((pool, queue), figures)
        for (pool, profile), figures in of_profile.items()
        for queue in tables.profiles.get(pool, {}).get(profile, of_pool[pool])
    )
    found: defaultdict[Queue, Availability] = defaultdict(Availability)
    async for pairs in steps(served):
        for key, figures in pairs:
            found[key].add(figures)
    return found
