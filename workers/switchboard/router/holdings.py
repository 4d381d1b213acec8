"""What the pools of a shard hold, all together: counted as they change, since there may be 10,000 of them."""

import time
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from typing import Final, Literal, TypeAlias

import orjson

from switchboard.domain.engine import Engine
from switchboard.domain.pool import Pool
from switchboard.journal.limits import ConfiguredPools
from switchboard.router.commits import MAX_ROW_BYTES

Held: TypeAlias = Literal["agents", "chats", "remembered", "passings"]
"""What is counted: agents, open chats, chats that are open or remembered, and pairs of an agent and an open chat that
it passed over."""
Totals: TypeAlias = dict[Held, int]

RECOUNT_SHARE: Final = 0.05
"""Of the time that recounts may take. What timers have ended is noticed that much later: 0.2 s for 10,000 pools."""


class Holdings:
    """Counts what all pools of a shard hold, and what those hold that were never configured.

    The totals are never less than what the pools hold, but for offers that expired in a pool without an event since:
    what was passed over so is counted with the pool's next event. They are exact for pools that were looked at since
    their last event; what timers end elsewhere is subtracted by a recount.

    Args:
        engine: the shard's; it is only looked at.
        configured: the pools that are configured; kept up to date by the caller.
        now: the time, in s.
    """

    def __init__(self, engine: Engine, configured: ConfiguredPools, now: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._configured = configured
        self._now = now
        self._due = 0.0
        self._by_pool: dict[str, Totals] = {}
        self.all = nothing()
        self.unconfigured = nothing()
        self.recount()

    def look_at(self, pools: Iterable[str]) -> None:
        """Count these pools again."""
        for name in pools:
            pool = self._engine.pools.get(name)
            if pool is None:
                continue
            now, before = held_by(pool), self._by_pool.get(name)
            if now != before:
                self._by_pool[name] = now
                add(self.all, now)
                subtract(self.all, before or nothing())
                if name not in self._configured:
                    add(self.unconfigured, now)
                    subtract(self.unconfigured, before or nothing())

    def expect(self, pool: str, what: Held) -> None:
        """Count something that an admitted event is about to add."""
        held = self._by_pool.get(pool)
        if held is None:
            held = self._by_pool[pool] = nothing()
        held[what] += 1
        self.all[what] += 1
        if pool not in self._configured:
            self.unconfigured[what] += 1

    def note_configured(self, pool: str) -> None:
        """A pool that was never configured now is."""
        subtract(self.unconfigured, self._by_pool.get(pool, nothing()))

    def recount(self) -> bool:
        """Count all pools again, if that is due; never while something is expected.

        It takes about 1 us a pool, and a twentieth of the time at most: at a limit each frame would ask for it.
        """
        began = self._now()
        if began < self._due:
            return False
        self.all, self.unconfigured = nothing(), nothing()
        self._by_pool = {name: held_by(pool) for name, pool in self._engine.pools.items()}
        for name, held in self._by_pool.items():
            add(self.all, held)
            if name not in self._configured:
                add(self.unconfigured, held)
        ended = self._now()
        self._due = ended + (ended - began) / RECOUNT_SHARE
        return True


def nothing() -> Totals:
    """No totals yet."""
    return {"agents": 0, "chats": 0, "remembered": 0, "passings": 0}


def held_by(pool: Pool) -> Totals:
    """What a pool holds."""
    chats = len(pool.chats)
    remembered = chats + len(pool.remembered)
    return {"agents": len(pool.agents), "chats": chats, "remembered": remembered, "passings": pool.index.passed}


def add(totals: Totals, held: Totals) -> None:
    """Count what a pool holds."""
    for what, number in held.items():
        totals[what] += number


def subtract(totals: Totals, held: Totals) -> None:
    """No longer count what a pool held."""
    for what, number in held.items():
        totals[what] -= number


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
        known = len(added) + (0 if pool is None else len(pool.agents) + len(pool.index.passings))
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
        ids = set(added) if pool is None else added | pool.agents.keys() | pool.index.passings.keys()
        size = sum(map(_bytes_in_row, ids))
        ended = self._now()
        self._due = ended + (ended - began) / RECOUNT_SHARE
        return size


def _bytes_in_row(agent_id: str) -> int:
    return len(orjson.dumps(agent_id)) + _BYTES_BESIDE_ID
