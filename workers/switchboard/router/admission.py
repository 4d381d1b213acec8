"""Admission: which events a shard takes, given its limits.

An event beyond a limit becomes bad input (`over-limit`) before a frame is made of it, so that the engine, the journal
and every replay know nothing of limits. What exists is always served: only an event that would add a pool, an agent, a
chat, a remembered ending or a remembered decline is ever refused.

Counting is exact from frame to frame. Within the records that are checked together it is pessimistic: what is added
counts, what ends in between does not, so that no limit is ever exceeded.

Measured on one core of the build machine: 0.1 us an event. Where a limit is so near that the records at hand could
reach it, and for agents of pools with more than 1,900: 0.5 us an event about what exists, 2 us one that adds something,
1.2 us one that is refused.
"""

import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from switchboard.domain.engine import Engine
from switchboard.domain.events import DEFAULT_POOL, Event
from switchboard.domain.pool import Pool
from switchboard.journal.codec import BadInput
from switchboard.journal.limits import (
    EARLY_ENDINGS_SHARE,
    MAX_DECLINES,
    MAX_PAIRS,
    MAX_SHARD_PAIRS,
    MAX_SHARD_ROWS,
    SHARD_AGENTS,
    SHARD_CHATS,
    SHARD_DECLINES,
    UNCONFIGURED_SHARE,
    ConfiguredPools,
    Limit,
    Limits,
    Size,
)
from switchboard.kafka.merged_reader import Taken
from switchboard.router.holdings import ANY_IDS, MAX_ID_BYTES, AgentIds, Held, Holdings, Totals, add, held_by, nothing
from switchboard.router.shard_history import LONGEST_MS

ADDING_AGENTS: Final = frozenset({"agent-logged-in", "request-chat"})
ADDING_CHATS: Final = frozenset({"chat-arrival", "chat-abandoned", "chat-concluded"})
ADDING_DECLINES: Final = frozenset({"chat-declined"})
"""The types of events that may add something to a pool that exists, without `pool-configured`. An event of any type
adds its pool if the pool is new.
"""

_KIND: Final[Mapping[str, str]] = {
    **dict.fromkeys(ADDING_AGENTS, "agents"),
    **dict.fromkeys(ADDING_CHATS, "chats"),
    **dict.fromkeys(ADDING_DECLINES, "declines"),
    "pool-configured": "configuration",
}
"""Event type → what such an event may add to a pool that exists. Other types add nothing."""

_FORGOTTEN_WITHIN: Final = 2 * LONGEST_MS
"""A closed chat may be forgotten while the records that are checked are applied: as much service time may pass before
the last of them (twice one frame's, where events are tried one by one)."""

_SHARD: Final[Mapping[Held, tuple[str, str, Limit]]] = {
    "agents": (f"{SHARD_AGENTS} * max_agents", "agents", "shard-agents"),
    "chats": (f"{SHARD_CHATS} * max_chats", "open chats", "shard-chats"),
    "remembered": (f"{SHARD_CHATS} * max_remembered", "chats open or remembered", "shard-remembered-chats"),
    "passings": (f"{SHARD_DECLINES} * max_chats", "pairs of an agent and a chat that it passed over", "shard-declines"),
}
"""The setting that each is bounded by, the words for it, and the limit's name."""

_NOBODY: Final = frozenset[str]()
_PAUSE: Final = 500
"""Pools that are looked at between two turns of the event loop."""


@dataclass(slots=True)
class OverLimit(BadInput):
    """An event that is beyond a limit."""

    limit: Limit = "pools"


@dataclass(slots=True)
class _Additions:
    """What the events checked so far add to one pool."""

    agents: set[str] = field(default_factory=set)
    chats: set[str] = field(default_factory=set)
    endings: set[str] = field(default_factory=set)
    """Chats that ended before they came."""
    declines: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By ("agent", its id) and ("chat", its id)."""
    implicit_login: bool | None = None
    """As a configuration among these events sets it."""


class Admission:
    """Checks the events of one shard before a frame is made of them.

    Make a new one whenever the shard is opened: what is admitted is taken to be applied.

    Args:
        engine: the shard's; it is only looked at.
        limits: what the shard may hold.
        now: the time, in s.
    """

    def __init__(self, engine: Engine, limits: Limits, now: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._limits = limits
        self._configured = ConfiguredPools(limits.max_pools)
        for pool in engine.pools.values():
            if pool.configured_at is not None:
                self._configured.set(pool.id, _size(pool))
        self._additions: dict[str, _Additions] = {}
        """By pool, of the events that are being checked."""
        self._new_pools: set[str] = set()
        """Likewise: pools that they add."""
        self._ids = AgentIds(now)
        self._most: Totals = {
            "agents": limits.shard_agents,
            "chats": limits.shard_chats,
            "remembered": limits.shard_remembered,
            "passings": limits.shard_declines,
        }
        self._holdings = Holdings(engine, self._configured, now)
        self._checks: dict[str, Callable[[Event, Pool | None], OverLimit | None]] = {
            "chat-arrival": self._chat,
            "chat-abandoned": self._ending,
            "chat-concluded": self._ending,
            "agent-logged-in": self._agent,
            "request-chat": self._agent,
            "chat-declined": self._decline,
        }
        self._touched: set[str] = set()
        """The pools that the events checked last are about."""

    def check(self, taken: Sequence[Taken]) -> None:
        """Replace each event that is beyond a limit by `OverLimit`. All others are to be applied before the next call.

        Args:
            taken: this shard's records, in the order in which they will be applied.
        """
        pools, number = self._engine.pools, len(taken)
        self._additions.clear()
        self._new_pools.clear()
        self._holdings.look_at(self._touched)
        touched = self._touched = set()
        shard_has_room = self._all_have_room(number)
        roomy: set[tuple[str, str]] = set()
        """(kind, pool id): the pool may take `number` more of the kind, so its events need not be counted."""
        for each in taken:
            event = each.what
            if type(event) is not Event:
                continue
            touched.add(event.pool)
            pool = pools.get(event.pool)
            if pool is not None:
                kind = _KIND.get(event.type)
                if kind is None or (kind, event.pool) in roomy:
                    continue
                if shard_has_room and self._is_roomy(kind, pool, number):
                    roomy.add((kind, event.pool))
                    continue
            refusal = self._refusal(event, pool)
            if refusal is not None:
                each.what = refusal

    def used(self) -> Generator[None, None, dict[Limit, tuple[int, int]]]:
        """What is used of each limit, and the limit. Of limits by pool it is the fullest pool's.

        It takes about 1 us for each pool, and yields now and then so that others may have their turn.
        """
        agents = chats = remembered = endings = 0
        every, unconfigured = nothing(), nothing()
        for number, pool in enumerate(list(self._engine.pools.values())):
            agents = max(agents, len(pool.agents), len(pool.index.passings))
            chats = max(chats, len(pool.chats))
            remembered = max(remembered, len(pool.chats) + len(pool.remembered))
            endings = max(endings, len(pool.index.early_forgets))
            held = held_by(pool)
            add(every, held)
            if pool.id not in self._configured:
                add(unconfigured, held)
            if number % _PAUSE == 0:
                yield
        limits, configured = self._limits, self._configured
        is_default = DEFAULT_POOL in self._engine.pools and DEFAULT_POOL not in configured
        made_up = len(self._engine.pools) - len(configured) - is_default
        for what in every:
            every[what] = max(every[what], UNCONFIGURED_SHARE * unconfigured[what])
        return {
            "pools": (max(len(configured), made_up), limits.max_pools),
            "agents": (agents, limits.max_agents),
            "chats": (chats, limits.max_chats),
            "remembered-chats": (remembered, limits.max_remembered),
            "early-endings": (endings, limits.max_early_endings),
            "shard-agents": (every["agents"], limits.shard_agents),
            "shard-chats": (every["chats"], limits.shard_chats),
            "shard-remembered-chats": (every["remembered"], limits.shard_remembered),
            "shard-declines": (every["passings"], limits.shard_declines),
            "configuration": (max((size.pairs for size in configured.sizes.values()), default=0), MAX_PAIRS),
            "shard-configuration": (
                max(configured.pairs, configured.rows * (MAX_SHARD_PAIRS // MAX_SHARD_ROWS)),
                MAX_SHARD_PAIRS,
            ),
        }

    def _refusal(self, event: Event, pool: Pool | None) -> OverLimit | None:
        """Why an event is beyond a limit; if it is not, note what it adds."""
        if event.type == "pool-configured":
            return self._configure(event, pool)
        if pool is None and event.pool not in self._new_pools:
            refusal = self._pool(event.pool)
            if refusal is not None:
                return refusal
            self._new_pools.add(event.pool)
        check = self._checks.get(event.type)
        return None if check is None else check(event, pool)

    def _configure(self, event: Event, pool: Pool | None) -> OverLimit | None:
        config = event.data["config"]
        is_first = event.pool not in self._configured
        excess = self._configured.admit(event.pool, config)
        if excess is not None:
            return OverLimit("over-limit", f"{excess.limit}: {excess.detail}", event.pool, excess.limit)
        if is_first:
            self._holdings.note_configured(event.pool)
        if pool is None:
            self._new_pools.add(event.pool)
        self._of(event.pool).implicit_login = config.get("implicit_login", True)
        return None

    def _pool(self, pool: str) -> OverLimit | None:
        """Why a pool can't be added."""
        limits = self._limits
        if pool in self._configured:
            return None  # a configuration has been admitted and adds it
        if limits.unconfigured_pools == "refuse":
            return self._unconfigured_pool(pool)
        held = self._made_up()
        if pool != DEFAULT_POOL and held >= limits.max_pools:
            return _refused(pool, "pools", held, "pools that were never configured", limits.max_pools, "max_pools")
        return None

    def _made_up(self) -> int:
        """How many pools were never configured. `default` does not count: made-up names must not shut it out."""
        held = len(self._engine.pools) + len(self._new_pools) - len(self._configured)
        is_held = DEFAULT_POOL in self._engine.pools or DEFAULT_POOL in self._new_pools
        return held - (is_held and DEFAULT_POOL not in self._configured)

    def _unconfigured_pool(self, pool: str) -> OverLimit:
        detail = f"unconfigured-pools: pool {pool} was never configured, and unconfigured_pools is refuse"
        return OverLimit("over-limit", detail, pool, "unconfigured-pools")

    def _agent(self, event: Event, pool: Pool | None) -> OverLimit | None:
        agent_id: str = event.data["agent_id"]
        added = self._additions.get(event.pool)
        if (pool is not None and agent_id in pool.agents) or (added is not None and agent_id in added.agents):
            return None
        if event.type == "request-chat" and not _logs_in(pool, added):
            return None
        refusal = self._agent_refusal(agent_id, event.pool, pool, added)
        if refusal is None:
            self._of(event.pool).agents.add(agent_id)
            self._holdings.expect(event.pool, "agents")
        return refusal

    def _agent_refusal(self, agent_id: str, name: str, pool: Pool | None, added: _Additions | None) -> OverLimit | None:
        """Why a pool can't take this agent."""
        if self._is_refused(name):
            return self._unconfigured_pool(name)
        # Agents who passed a chat over are remembered with it, logged in or not (R5).
        new = _NOBODY if added is None else added.agents
        held = len(new) + (0 if pool is None else max(len(pool.agents), len(pool.index.passings)))
        most = self._limits.max_agents
        if held >= most:
            return _refused(name, "agents", held, f"agents in pool {name}", most, "max_agents")
        if (refusal := self._shard_refusal("agents", name)) is not None:
            return refusal
        excess = self._ids.excess(agent_id, name, pool, new)
        if excess is None:
            return None
        what = f"bytes in the ids of the agents of pool {name}"
        return _refused(name, "agent-ids", excess, what, MAX_ID_BYTES, "what a row holds: use shorter ids")

    def _chat(self, event: Event, pool: Pool | None) -> OverLimit | None:
        chat_id: str = event.data["chat_id"]
        added = self._additions.get(event.pool)
        if self._is_known(pool, chat_id) or (added is not None and chat_id in added.chats):
            return None
        refusal = self._chat_refusal(event.pool, pool, added)
        if refusal is None:
            self._of(event.pool).chats.add(chat_id)
            self._holdings.expect(event.pool, "chats")
            self._holdings.expect(event.pool, "remembered")
        return refusal

    def _chat_refusal(self, name: str, pool: Pool | None, added: _Additions | None) -> OverLimit | None:
        """Why a pool can't take one open chat more."""
        if self._is_refused(name):
            return self._unconfigured_pool(name)
        most = self._limits.max_chats
        held = (0 if pool is None else len(pool.chats)) + (0 if added is None else len(added.chats))
        if held >= most:
            return _refused(name, "chats", held, f"open chats in pool {name}", most, "max_chats")
        return self._remembered_refusal(name, pool, added) or self._shard_refusal("chats", name)

    def _ending(self, event: Event, pool: Pool | None) -> OverLimit | None:
        """An ending of a chat that is not known is remembered (R13); any other adds nothing."""
        chat_id: str = event.data["chat_id"]
        added = self._additions.get(event.pool)
        if self._is_known(pool, chat_id):
            return None
        if added is not None and (chat_id in added.chats or chat_id in added.endings):
            return None
        refusal = self._ending_refusal(event.pool, pool, added)
        if refusal is None:
            self._of(event.pool).endings.add(chat_id)
            self._holdings.expect(event.pool, "remembered")
        return refusal

    def _ending_refusal(self, name: str, pool: Pool | None, added: _Additions | None) -> OverLimit | None:
        """Why a pool can't remember one ending more of a chat that has not come."""
        if self._is_refused(name):
            return self._unconfigured_pool(name)
        most = self._limits.max_early_endings
        held = (0 if pool is None else len(pool.index.early_forgets)) + (0 if added is None else len(added.endings))
        if held >= most:
            what = f"endings in pool {name} of chats that never came"
            setting = f"max_remembered / {EARLY_ENDINGS_SHARE}"
            return _refused(name, "early-endings", held, what, most, setting)
        return self._remembered_refusal(name, pool, added)

    def _decline(self, event: Event, pool: Pool | None) -> OverLimit | None:
        """A decline is remembered with the chat while it is open (R5). A chat that is not open adds nothing."""
        agent_id, chat_id = event.data["agent_id"], event.data["chat_id"]
        chat = None if pool is None else pool.chats.get(chat_id)
        added = self._additions.get(event.pool)
        if chat is None and (added is None or chat_id not in added.chats):
            return None
        passings = {} if pool is None else pool.index.passings.get(agent_id, {})
        if chat_id in passings:
            return None
        declines = self._of(event.pool).declines
        by_agent = len(passings) + declines["agent", agent_id]
        by_chat = (0 if chat is None else len(chat.passed or ())) + declines["chat", chat_id]
        for held, what in (
            (by_agent, "open chats that this agent passed over"),
            (by_chat, "agents who passed it over"),
        ):
            if held >= MAX_DECLINES:
                return _refused(event.pool, "declines", held, what, MAX_DECLINES, "not a setting")
        if (refusal := self._shard_refusal("passings", event.pool)) is not None:
            return refusal
        declines["agent", agent_id] += 1
        declines["chat", chat_id] += 1
        self._holdings.expect(event.pool, "passings")
        return None

    def _remembered_refusal(self, name: str, pool: Pool | None, added: _Additions | None) -> OverLimit | None:
        """Why a pool can't remember one chat more."""
        most = self._limits.max_remembered
        held = 0 if pool is None else len(pool.chats) + len(pool.remembered)
        held += 0 if added is None else len(added.chats) + len(added.endings)
        if held >= most:
            what = f"chats open or remembered in pool {name}"
            return _refused(name, "remembered-chats", held, what, most, "max_remembered")
        return self._shard_refusal("remembered", name)

    def _is_known(self, pool: Pool | None, chat_id: str) -> bool:
        """Whether a chat is open, or remembered for longer than it takes to apply what is being checked."""
        if pool is None:
            return False
        if chat_id in pool.chats:
            return True
        found = pool.remembered.get(chat_id)
        return found is not None and found.until > self._engine.service + _FORGOTTEN_WITHIN

    def _is_refused(self, pool: str) -> bool:
        return self._limits.unconfigured_pools == "refuse" and pool not in self._configured

    def _of(self, pool: str) -> _Additions:
        added = self._additions.get(pool)
        if added is None:
            added = self._additions[pool] = _Additions()
        return added

    def _shard_refusal(self, what: Held, pool: str) -> OverLimit | None:
        """Why the pools of the shard leave no room for one more in this pool."""
        if self._has_room(what, pool):
            return None
        setting, described, limit = _SHARD[what]
        held, most = self._holdings.all[what], self._most[what]
        if held >= most:
            return _refused(pool, limit, held, f"{described} in this shard", most, setting)
        held, most = self._holdings.unconfigured[what], most // UNCONFIGURED_SHARE
        described += " in this shard's pools that were never configured"
        return _refused(pool, limit, held, described, most, f"{setting} / {UNCONFIGURED_SHARE}")

    def _has_room(self, what: Held, pool: str) -> bool:
        holdings, most = self._holdings, self._most[what]
        if holdings.all[what] >= most:
            return False
        return holdings.unconfigured[what] < most // UNCONFIGURED_SHARE or pool in self._configured

    def _all_have_room(self, number: int) -> bool:
        """Whether all pools of the shard may take so many more of everything, by a recount if need be."""
        return self._have_room(number) or (self._holdings.recount() and self._have_room(number))

    def _have_room(self, number: int) -> bool:
        holdings = self._holdings
        return all(
            holdings.all[what] + number <= most and UNCONFIGURED_SHARE * (holdings.unconfigured[what] + number) <= most
            for what, most in self._most.items()
        )

    def _is_roomy(self, kind: str, pool: Pool, number: int) -> bool:
        """True if a pool may take `number` more of a kind, whatever their ids."""
        match kind:
            case "agents":
                return self._is_roomy_for_agents(pool, number)
            case "chats":
                return self._is_roomy_for_chats(pool, number)
            case _:
                return False

    def _is_roomy_for_agents(self, pool: Pool, number: int) -> bool:
        """Whether a pool may take so many more agents, whatever their ids: then they need not be counted one by one."""
        agents, remembered = len(pool.agents), len(pool.index.passings)
        if (
            max(agents, remembered) + number > self._limits.max_agents
            or agents + remembered + number > ANY_IDS
            or self._is_refused(pool.id)
        ):
            return False
        self._ids.forget(pool.id)
        return True

    def _is_roomy_for_chats(self, pool: Pool, number: int) -> bool:
        """Whether a pool may take so many more chats and endings: then they need not be counted one by one."""
        limits = self._limits
        chats = len(pool.chats) + number
        return (
            chats <= limits.max_chats
            and chats + len(pool.remembered) <= limits.max_remembered
            and len(pool.index.early_forgets) + number <= limits.max_early_endings
            and not self._is_refused(pool.id)
        )


def _logs_in(pool: Pool | None, added: _Additions | None) -> bool:
    """Whether `request-chat` logs an agent in who is not (R12)."""
    if added is not None and added.implicit_login is not None:
        return added.implicit_login
    return pool is None or pool.config.implicit_login


def _size(pool: Pool) -> Size:
    profiles = pool.config.profiles.values()
    return Size(len(pool.config.queues) + len(profiles), sum(len(profile.queues) for profile in profiles))


def _refused(pool: str, limit: Limit, held: int, what: str, most: int, setting: str) -> OverLimit:
    return OverLimit("over-limit", f"{limit}: {held:,} of at most {most:,} {what} ({setting})", pool, limit)
