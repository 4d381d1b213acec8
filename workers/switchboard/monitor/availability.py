"""Who can take a chat of a queue: the three availability figures."""

from collections import defaultdict
from dataclasses import dataclass

from switchboard.monitor.tables import Tables
from switchboard.monitor.windows import Queue


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
        """Count other agents as well."""
        self.requesting += other.requesting
        self.free += other.free
        self.available += other.available


def availability(tables: Tables, queues: set[Queue]) -> dict[Queue, Availability]:
    """The figures of these queues; of a pool whose configuration is not known every agent serves every queue."""
    found: defaultdict[Queue, Availability] = defaultdict(Availability)
    of_pool: defaultdict[str, list[str]] = defaultdict(list)
    for pool, queue in queues:
        of_pool[pool].append(queue)
    # First by profile, then by queue: 20,000 agents of a profile that serves 2,000 queues would be 40 million steps.
    by_profile: defaultdict[tuple[str, str], Availability] = defaultdict(Availability)
    for agent in tables.agents.values():
        if agent["status"] == "available":
            figures = by_profile[agent["pool"], agent["profile"]]
            figures.available += 1
            figures.free += agent["free"]
            figures.requesting += agent["request"] is not None and agent["free"] > 0
    for (pool, profile), figures in by_profile.items():
        for queue in tables.profiles.get(pool, {}).get(profile, of_pool[pool]):
            found[pool, queue].add(figures)
    return found
