"""The ids of a pool's agents: how many bytes they would take in one row.

Any chat may be passed over by all agents whom a pool knows, and the chat's row then holds all their ids. A row that is
too large to be written stops the shard for good if a timer made it so, since no event is to blame: 2,000 agents with
made-up ids of 500 bytes are enough.
"""

import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Final

import orjson

from switchboard.domain.pool import Pool
from switchboard.router.holdings import RECOUNT_SHARE
from switchboard.router.packing import MAX_ROW_BYTES

_BYTES_BESIDE_ID: Final = 16
"""In a chat's row, of each agent who passed it over: the service time, colon and comma."""
MAX_ID_BYTES: Final = MAX_ROW_BYTES - 8_192
"""The rest of a chat's row takes 4 KB at most."""
ANY_IDS: Final = MAX_ID_BYTES // (4 * 128 + 2 + _BYTES_BESIDE_ID)
"""So many agents have room in a row, whatever their ids of up to 128 characters."""


class AgentIds:
    """What the ids take in pools with more than `ANY_IDS` agents.

    A pool's sum is never less than what its ids take: those who leave are subtracted by a recount, when there seems to
    be no room, and in a twentieth of the time at most.

    Args:
        now: the time, in s.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._due = 0.0
        self._bytes: dict[str, int] = {}
        """By pool."""

    def forget(self, pool: str) -> None:
        """Agents are about to be added to a pool without being counted; later the pool is counted afresh."""
        self._bytes.pop(pool, None)

    def excess(self, agent_id: str, name: str, pool: Pool | None, added: AbstractSet[str]) -> int | None:
        """What a pool's ids take, if that leaves no room for one more; None: the id is counted, and has room.

        Args:
            agent_id: of the agent who is to be added.
            name: the pool's.
            pool: None if it is to be made.
            added: agents who are about to be added as well.
        """
        known = len(added) + (0 if pool is None else len(pool.agents) + len(pool.passings))
        if known < ANY_IDS:
            return None
        size = _bytes_in_row(agent_id)
        held = self._bytes.get(name)
        if held is None or (held + size > MAX_ID_BYTES and self._now() >= self._due):
            held = self._bytes[name] = self._count(pool, added)
        if held + size > MAX_ID_BYTES:
            return held
        self._bytes[name] = held + size
        return None

    def _count(self, pool: Pool | None, added: AbstractSet[str]) -> int:
        """About 0.2 us an agent."""
        began = self._now()
        ids = set(added) if pool is None else added | pool.agents.keys() | pool.passings.keys()
        size = sum(map(_bytes_in_row, ids))
        ended = self._now()
        self._due = ended + (ended - began) / RECOUNT_SHARE
        return size


def _bytes_in_row(agent_id: str) -> int:
    return len(orjson.dumps(agent_id)) + _BYTES_BESIDE_ID
