"""Admission: which events a shard takes, given its limits.

An event beyond a limit becomes bad input (`over-limit`) before a frame is made of it, so that the engine, the journal
and every replay know nothing of limits. Only an event that would add a pool, an agent, a chat, a remembered ending or a
remembered pass, or a configuration that is too large, is ever refused.

Among events that are checked together, additions count at once and endings only when the events are applied, so that no
admitted event exceeds a limit. Passes of missed offers, which timers add, are counted and never refused. Between frames
the counts of a pool are exact; the totals of the shard may lag behind timers (see `ShardLimits`).

Measured on one core of the build machine: 0.1 us an event. Where the events at hand could reach a limit, and for agents
of pools with more than 1,900 agents: 0.5 us an event about something that exists, 2 us an event that adds something,
1.2 us a refused event.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Final, Literal, TypeAlias, get_args

from switchboard.domain.engine import Engine
from switchboard.domain.events import DEFAULT_POOL, Event
from switchboard.domain.pool import Pool
from switchboard.journal.limits import ConfiguredPools, Limit, Limits, Size
from switchboard.kafka.record_merge import Taken
from switchboard.router.limit_usage import limit_usage
from switchboard.router.pool_limits import CheckedPool, PoolLimits, pool_to_be
from switchboard.router.shard_history import LONGEST_MS
from switchboard.router.shard_limits import ITEM_SECONDS, OverLimit, ShardLimits, made_up_pools, over_limit

Addition: TypeAlias = Literal["agents", "chats", "passes", "configuration"]

ADDITIONS: Final[Mapping[str, Addition]] = {
    "agent-logged-in": "agents",
    "request-chat": "agents",
    "chat-arrival": "chats",
    "chat-abandoned": "chats",
    "chat-concluded": "chats",
    "chat-declined": "passes",
    "pool-configured": "configuration",
}
"""What events of a type may add to a pool that exists. Events of any other type add nothing, except an unknown pool."""

_FORGOTTEN_WITHIN: Final = 2 * LONGEST_MS
"""Service time, ms, that may pass before the last of the events that are checked together is applied: two frames of
time alone come before events that are applied one by one. Chats that may be forgotten by then count as unknown."""


class Admission:
    """Checks the events of one shard before a frame is made of them.

    Make a new one whenever the shard is opened: admitted events are taken to be applied.

    Args:
        engine: the shard's; only read.
        limits: what the shard may hold.
        now: monotonic, s.
        item_seconds: the time to assume for counting one pool or one agent id.
    """

    def __init__(self, engine: Engine, limits: Limits, now: float, item_seconds: float = ITEM_SECONDS) -> None:
        self._engine = engine
        self._limits = limits
        self._configured = ConfiguredPools(limits.max_pools)
        for pool in engine.pools.values():
            if pool.configured_at is not None:
                self._configured.set(pool.id, _size(pool))
        self._shard = ShardLimits(engine, limits, self._configured, now, item_seconds)
        self._pools = PoolLimits(limits, self._configured, item_seconds)
        self._checks: dict[str, Callable[[Event, CheckedPool], OverLimit | None]] = {
            "agent-logged-in": self._check_agent,
            "request-chat": self._check_agent,
            "chat-arrival": self._check_chat,
            "chat-abandoned": self._check_ending,
            "chat-concluded": self._check_ending,
            "chat-declined": self._check_decline,
            "pool-configured": self._check_configuration,
        }
        self._touched: set[str] = set()
        """Pools of the events that were checked last."""
        # For the present call of `check`:
        self._now = now
        self._checked: dict[str, CheckedPool] = {}
        self._new_pools: set[str] = set()
        """Pools to be added."""
        self._number = 0
        self._shard_has_room = False
        """Whether the shard has room even if each of the events adds something."""
        self._room: dict[Addition, dict[str, bool]] = {addition: {} for addition in get_args(Addition)}
        """Addition → pool id → whether the pool has room even if each of the events adds this."""

    def check(self, taken: Sequence[Taken], now: float) -> None:
        """Replace each event that is beyond a limit by `OverLimit`. All others are to be applied before the next call.

        Args:
            taken: this shard's records, in the order in which they will be applied.
            now: monotonic, s.
        """
        pools = self._engine.pools
        self._begin(len(taken), now)
        for each in taken:
            event = each.what
            if type(event) is not Event:
                continue
            self._touched.add(event.pool)
            pool = pools.get(event.pool)
            if pool is not None:
                # Most events add nothing to the pool, or the pool has room even if all others add the same.
                addition = ADDITIONS.get(event.type)
                if addition is None:
                    continue
                has_room = self._room[addition].get(event.pool)
                if has_room or (has_room is None and self._find_room(pool, addition)):
                    continue
            refusal = self._refusal(event, pool)
            if refusal is not None:
                each.what = refusal

    def usage(self) -> Generator[None, None, dict[Limit, tuple[int, int]]]:
        """The usage of each limit, as `limit_usage`; yields now and then, so that the caller may pause."""
        return limit_usage(self._engine.pools, self._configured, self._limits)

    def _begin(self, number: int, now: float) -> None:
        """Begin to check so many records."""
        self._now = now
        self._checked.clear()
        self._new_pools.clear()
        for room in self._room.values():
            room.clear()
        self._shard.count(self._touched)
        self._touched = set()
        self._number = number
        self._shard_has_room = self._shard.have_room(number, now)

    def _find_room(self, pool: Pool, addition: Addition) -> bool:
        """Whether a pool has room even if all of the events add this, so that no event needs to be counted."""
        found = False
        if self._shard_has_room and addition == "agents":
            found = self._pools.have_room_for_agents(pool, self._number)
        elif self._shard_has_room and addition == "chats":
            found = self._pools.have_room_for_chats(pool, self._number)
        self._room[addition][pool.id] = found
        return found

    def _refusal(self, event: Event, pool: Pool | None) -> OverLimit | None:
        """The refusal of an event beyond a limit; None: within the limits, and counted."""
        if pool is None and event.pool not in self._new_pools and event.type != "pool-configured":
            if (refusal := self._pool_refusal(event.pool)) is not None:
                return refusal
            self._new_pools.add(event.pool)
        checked = self._checked.get(event.pool)
        if checked is None:
            checked = CheckedPool(event.pool, pool_to_be(event.pool) if pool is None else pool)
            self._checked[event.pool] = checked
        check = self._checks.get(event.type)
        return None if check is None else check(event, checked)

    def _check_configuration(self, event: Event, checked: CheckedPool) -> OverLimit | None:
        config = event.data["config"]
        is_first = event.pool not in self._configured
        excess = self._configured.admit(event.pool, config)
        if excess is not None:
            return OverLimit("over-limit", f"{excess.limit}: {excess.detail}", event.pool, excess.limit)
        if is_first:
            self._shard.note_configured(event.pool)
        if event.pool not in self._engine.pools:
            self._new_pools.add(event.pool)
        checked.implicit_login = config.get("implicit_login", True)
        return None

    def _pool_refusal(self, pool: str) -> OverLimit | None:
        """The refusal of a new pool; None if there is room."""
        if pool in self._configured:
            return None  # a configuration among the events adds the pool
        if (refusal := self._pools.unconfigured_refusal(pool)) is not None:
            return refusal
        number = len(self._engine.pools) + len(self._new_pools)
        has_default = DEFAULT_POOL in self._engine.pools or DEFAULT_POOL in self._new_pools
        held, most = made_up_pools(number, self._configured, has_default=has_default), self._limits.max_pools
        if pool == DEFAULT_POOL or held < most:
            return None
        return over_limit(pool, "pools", held, most, "pools that were never configured", "max_pools")

    def _check_agent(self, event: Event, checked: CheckedPool) -> OverLimit | None:
        agent_id: str = event.data["agent_id"]
        if checked.has_agent(agent_id) or (event.type == "request-chat" and not checked.logs_in):
            return None
        refusal = (
            self._pools.agent_refusal(checked)
            or self._shard.refusal("agents", checked.name)
            or self._pools.agent_id_refusal(agent_id, checked, self._now)
        )
        if refusal is None:
            checked.agents.add(agent_id)
            self._shard.expect(checked.name, "agents")
        return refusal

    def _check_chat(self, event: Event, checked: CheckedPool) -> OverLimit | None:
        chat_id: str = event.data["chat_id"]
        if checked.has_chat(chat_id, self._engine.service + _FORGOTTEN_WITHIN):
            return None
        refusal = (
            self._pools.chat_refusal(checked)
            or self._shard.refusal("remembered", checked.name)
            or self._shard.refusal("chats", checked.name)
        )
        if refusal is None:
            checked.chats.add(chat_id)
            self._shard.expect(checked.name, "chats")
            self._shard.expect(checked.name, "remembered")
        return refusal

    def _check_ending(self, event: Event, checked: CheckedPool) -> OverLimit | None:
        """An ending of an unknown chat is remembered (R13); any other adds nothing."""
        chat_id: str = event.data["chat_id"]
        if checked.has_chat(chat_id, self._engine.service + _FORGOTTEN_WITHIN) or chat_id in checked.endings:
            return None
        refusal = self._pools.ending_refusal(checked) or self._shard.refusal("remembered", checked.name)
        if refusal is None:
            checked.endings.add(chat_id)
            self._shard.expect(checked.name, "remembered")
        return refusal

    def _check_decline(self, event: Event, checked: CheckedPool) -> OverLimit | None:
        """A decline of an open chat is remembered with the chat (R5); any other adds nothing."""
        agent_id, chat_id = event.data["agent_id"], event.data["chat_id"]
        if not checked.has_open_chat(chat_id) or chat_id in checked.pool.index.passings.get(agent_id, ()):
            return None
        refusal = self._pools.pass_refusal(agent_id, chat_id, checked) or self._shard.refusal("passes", checked.name)
        if refusal is None:
            checked.add_pass(agent_id, chat_id)
            self._shard.expect(checked.name, "passes")
        return refusal


def _size(pool: Pool) -> Size:
    """The size of a pool's configuration."""
    profiles = pool.config.profiles.values()
    return Size(len(pool.config.queues) + len(profiles), sum(len(profile.queues) for profile in profiles))
