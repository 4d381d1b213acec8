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


def availability(tables: Tables, queues: set[Queue]) -> dict[Queue, Availability]:
    """The figures of these queues; of a pool whose configuration is not known every agent serves every queue."""
    found: defaultdict[Queue, Availability] = defaultdict(Availability)
    of_pool: defaultdict[str, list[str]] = defaultdict(list)
    for pool, queue in queues:
        of_pool[pool].append(queue)
    for agent in tables.agents.values():
        if agent["status"] != "available":
            continue
        pool = agent["pool"]
        profiles = tables.profiles.get(pool, {})
        for queue in profiles.get(agent["profile"], of_pool[pool]):
            figures = found[pool, queue]
            figures.available += 1
            figures.free += agent["free"]
            figures.requesting += agent["request"] is not None and agent["free"] > 0
    return found
