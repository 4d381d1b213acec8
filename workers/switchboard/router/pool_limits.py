"""The limits of a pool: the agents, chats and passes that a pool holds or is about to add, and the refusal of more."""

from dataclasses import dataclass, field
from typing import Final

import orjson

from switchboard.domain import configuration
from switchboard.domain.pool import Pool
from switchboard.journal.limits import EARLY_ENDINGS_SHARE, MAX_DECLINES, ConfiguredPools, Limits
from switchboard.router.commits import MAX_ROW_BYTES
from switchboard.router.shard_limits import ITEM_SECONDS, RECOUNT_SHARE, OverLimit, over_limit

_BYTES_BESIDE_ID: Final = 16
"""In a chat's row, beside the id of each agent who passed the chat over: service time, colon and comma."""
MAX_ID_BYTES: Final = MAX_ROW_BYTES - 8_192
"""Bytes of agent ids in a chat's row. The rest of the row takes 4 KB at most."""
ANY_IDS: Final = MAX_ID_BYTES // (4 * 128 + 2 + _BYTES_BESIDE_ID)
"""Number of agents whose ids always fit into a row. An id has up to 128 characters of up to 4 bytes."""


_UNCONFIGURED: Final = configuration.read(configuration.UNCONFIGURED)


def pool_to_be(name: str) -> Pool:
    """A stand-in for a pool that the engine does not have yet: empty, and never configured."""
    return Pool(name, 0, _UNCONFIGURED)


@dataclass(slots=True)
class CheckedPool:
    """A pool as the engine has it, and what the events checked so far are about to add."""

    name: str
    """The pool's id."""
    pool: Pool
    agents: set[str] = field(default_factory=set)
    """Agent ids to be added."""
    chats: set[str] = field(default_factory=set)
    """Ids of chats to be opened."""
    endings: set[str] = field(default_factory=set)
    """Ids of chats that ended before their arrival, and are to be remembered (R13)."""
    passes_by_agent: dict[str, int] = field(default_factory=dict)
    """Agent id → number of passes to be remembered (R5)."""
    passes_by_chat: dict[str, int] = field(default_factory=dict)
    """Chat id → number of passes to be remembered."""
    implicit_login: bool | None = None
    """What a configuration among the events sets (R12); None: there is none."""

    @property
    def logs_in(self) -> bool:
        """Whether `request-chat` logs in an agent who is not logged in (R12)."""
        return self.pool.config.implicit_login if self.implicit_login is None else self.implicit_login

    def has_agent(self, agent_id: str) -> bool:
        """Whether the agent is logged in, or about to be."""
        return agent_id in self.pool.agents or agent_id in self.agents

    def has_open_chat(self, chat_id: str) -> bool:
        """Whether the chat is open, or about to be."""
        return chat_id in self.pool.chats or chat_id in self.chats

    def has_chat(self, chat_id: str, service: int) -> bool:
        """Whether the chat is open, about to be, or still remembered at this service time, ms."""
        if self.has_open_chat(chat_id):
            return True
        found = self.pool.remembered.get(chat_id)
        return found is not None and found.until > service

    def add_pass(self, agent_id: str, chat_id: str) -> None:
        """Count a pass to be remembered."""
        self.passes_by_agent[agent_id] = self.passes_by_agent.get(agent_id, 0) + 1
        self.passes_by_chat[chat_id] = self.passes_by_chat.get(chat_id, 0) + 1


class PoolLimits:
    """Refuses events beyond the limits of a pool.

    Methods that return a refusal return None if there is room.

    Args:
        limits: what each pool may hold.
        configured: the configured pools; the caller keeps them up to date.
        item_seconds: the time to assume for counting one agent id.
    """

    def __init__(self, limits: Limits, configured: ConfiguredPools, item_seconds: float = ITEM_SECONDS) -> None:
        self._limits = limits
        self._configured = configured
        self._ids = AgentIds(item_seconds)

    def have_room_for_agents(self, pool: Pool, number: int) -> bool:
        """Whether a pool may add so many agents, whatever their ids. If so, the caller need not count each of them.

        If so, the sum of the pool's ids is forgotten, because ids that are not counted may follow.
        """
        agents, passers = len(pool.agents), len(pool.index.passings)
        if (
            max(agents, passers) + number > self._limits.max_agents
            or agents + passers + number > ANY_IDS
            or self._is_refused(pool.id)
        ):
            return False
        self._ids.forget(pool.id)
        return True

    def have_room_for_chats(self, pool: Pool, number: int) -> bool:
        """Whether a pool may add so many chats and endings. If so, the caller need not count each of them."""
        limits = self._limits
        chats = len(pool.chats) + number
        return (
            chats <= limits.max_chats
            and chats + len(pool.remembered) <= limits.max_remembered
            and len(pool.index.early_forgets) + number <= limits.max_early_endings
            and not self._is_refused(pool.id)
        )

    def unconfigured_refusal(self, pool: str) -> OverLimit | None:
        """The refusal of anything in a pool that was never configured, if `unconfigured_pools` is `refuse`."""
        if not self._is_refused(pool):
            return None
        detail = f"unconfigured-pools: pool {pool} was never configured, and unconfigured_pools is refuse"
        return OverLimit("over-limit", detail, pool, "unconfigured-pools")

    def agent_refusal(self, checked: CheckedPool) -> OverLimit | None:
        """The refusal of one more agent."""
        if (refusal := self.unconfigured_refusal(checked.name)) is not None:
            return refusal
        # Agents who passed over an open chat stay in `passings` after logout (R5).
        held = max(len(checked.pool.agents), len(checked.pool.index.passings)) + len(checked.agents)
        most = self._limits.max_agents
        if held < most:
            return None
        return over_limit(checked.name, "agents", held, most, f"agents in pool {checked.name}", "max_agents")

    def agent_id_refusal(self, agent_id: str, checked: CheckedPool, now: float) -> OverLimit | None:
        """The refusal of an agent whose id does not fit into the rows of the pool's chats. An id that fits is counted.

        Args:
            agent_id: of the agent to be added.
            checked: the pool.
            now: monotonic, s.
        """
        held = self._ids.excess(agent_id, checked, now)
        if held is None:
            return None
        what, setting = f"bytes in the ids of the agents of pool {checked.name}", "what a row holds: use shorter ids"
        return over_limit(checked.name, "agent-ids", held, MAX_ID_BYTES, what, setting)

    def chat_refusal(self, checked: CheckedPool) -> OverLimit | None:
        """The refusal of one more open chat."""
        if (refusal := self.unconfigured_refusal(checked.name)) is not None:
            return refusal
        held, most = len(checked.pool.chats) + len(checked.chats), self._limits.max_chats
        if held >= most:
            return over_limit(checked.name, "chats", held, most, f"open chats in pool {checked.name}", "max_chats")
        return self._remembered_refusal(checked)

    def ending_refusal(self, checked: CheckedPool) -> OverLimit | None:
        """The refusal of one more ending to remember until its chat arrives."""
        if (refusal := self.unconfigured_refusal(checked.name)) is not None:
            return refusal
        held = len(checked.pool.index.early_forgets) + len(checked.endings)
        most = self._limits.max_early_endings
        if held >= most:
            what = f"endings in pool {checked.name} of chats that never came"
            return over_limit(
                checked.name, "early-endings", held, most, what, f"max_remembered / {EARLY_ENDINGS_SHARE}"
            )
        return self._remembered_refusal(checked)

    def pass_refusal(self, agent_id: str, chat_id: str, checked: CheckedPool) -> OverLimit | None:
        """The refusal of one more pass by this agent, or on this chat."""
        chat = checked.pool.chats.get(chat_id)
        by_agent = len(checked.pool.index.passings.get(agent_id, ())) + checked.passes_by_agent.get(agent_id, 0)
        by_chat = (0 if chat is None else len(chat.passed or ())) + checked.passes_by_chat.get(chat_id, 0)
        for held, what in (
            (by_agent, "open chats that this agent passed over"),
            (by_chat, "agents who passed it over"),
        ):
            if held >= MAX_DECLINES:
                return over_limit(checked.name, "declines", held, MAX_DECLINES, what, "not a setting")
        return None

    def _remembered_refusal(self, checked: CheckedPool) -> OverLimit | None:
        """The refusal of one more chat, open or remembered."""
        held = len(checked.pool.chats) + len(checked.pool.remembered) + len(checked.chats) + len(checked.endings)
        most = self._limits.max_remembered
        if held < most:
            return None
        what = f"chats open or remembered in pool {checked.name}"
        return over_limit(checked.name, "remembered-chats", held, most, what, "max_remembered")

    def _is_refused(self, pool: str) -> bool:
        return self._limits.unconfigured_pools == "refuse" and pool not in self._configured


class AgentIds:
    """The bytes that agent ids may take in a chat's row, for pools with more than `ANY_IDS` agents.

    All agents of a pool may pass over the same chat, whose row then holds all their ids. A pool's sum may be too high
    and never too low: the ids of agents who left are subtracted only by a recount, made when there seems to be no room.

    Args:
        item_seconds: the time to assume for counting one id.
    """

    def __init__(self, item_seconds: float) -> None:
        self._item_seconds = item_seconds
        self._recount_due = float("-inf")
        self._bytes: dict[str, int] = {}
        """By pool."""

    def forget(self, pool: str) -> None:
        """Forget a pool's sum: the caller is about to add agents whose ids are not counted."""
        self._bytes.pop(pool, None)

    def excess(self, agent_id: str, checked: CheckedPool, now: float) -> int | None:
        """The bytes that the ids of a pool take, if there is no room for one more id.

        Args:
            agent_id: the id to be added.
            checked: the pool.
            now: monotonic, s.

        Returns:
            None: the id fits, and is counted.
        """
        pool = checked.pool
        if len(pool.agents) + len(pool.index.passings) + len(checked.agents) < ANY_IDS:
            return None
        size = _bytes_in_row(agent_id)
        held = self._bytes.get(pool.id)
        if held is None or (held + size > MAX_ID_BYTES and now >= self._recount_due):
            held = self._bytes[pool.id] = self._recount(checked, now)
        if held + size > MAX_ID_BYTES:
            return held
        self._bytes[pool.id] = held + size
        return None

    def _recount(self, checked: CheckedPool, now: float) -> int:
        """The bytes that the ids of a pool take, counted anew."""
        ids = checked.agents | checked.pool.agents.keys() | checked.pool.index.passings.keys()
        self._recount_due = now + len(ids) * self._item_seconds / RECOUNT_SHARE
        return sum(map(_bytes_in_row, ids))


def _bytes_in_row(agent_id: str) -> int:
    return len(orjson.dumps(agent_id)) + _BYTES_BESIDE_ID
