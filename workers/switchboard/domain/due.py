"""How much work a frame will be, so that it can be kept from getting more than it can hold."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice, takewhile
from typing import Any, Final

from switchboard.domain.events import Event
from switchboard.domain.pool import Pool

LEAVING: Final = frozenset(
    {"agent-logged-out", "agent-lost", "agent-absent", "agent-status-changed", "agent-logged-in"}
)
"""The types of events that may end all sessions of an agent, or all offers."""


def due_entries(heap: Sequence[tuple[Any, ...]], by: int) -> Iterator[tuple[Any, ...]]:
    """The entries of a heap whose first field is `by` at most, in no order; the others are not looked at."""
    left = [0]
    while left:
        place = left.pop()
        if place < len(heap) and heap[place][0] <= by:
            yield heap[place]
            left += (2 * place + 1, 2 * place + 2)


def timers_due(pool: Pool, by: int, most: int) -> int:
    """How many timers of a pool are due by a service time (ms), counted up to `most`; some may be stale."""
    forgets = (takewhile(lambda entry: entry[0] <= by, due) for due in (pool.forgets, pool.early_forgets))
    found = chain(due_entries(pool.timers, by), due_entries(pool.wakes, by), *forgets)
    return sum(1 for _ in islice(found, most))


def sessions_at_stake(pools: Mapping[str, Pool], events: Iterable[Event]) -> int:
    """How many sessions the agents hold whom events may take them from; of agents who are logged in already."""
    found = 0
    for event in events:
        if event.type in LEAVING and (pool := pools.get(event.pool)) is not None:
            agent = pool.agents.get(event.data["agent_id"])
            found += 0 if agent is None else len(agent.sessions)
    return found
