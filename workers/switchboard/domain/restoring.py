"""Pools rebuilt from their rows: they decide from there on what those that wrote them would have (I9)."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, cast

from switchboard.domain import asking, timers
from switchboard.domain.pool import Pool
from switchboard.domain.reconfiguration import new_pool
from switchboard.domain.rows import ROW_FORMAT, Row
from switchboard.domain.state import Agent, Chat, Remembered, Request

Value = dict[str, Any]


class OtherFormatError(ValueError):
    """Rows of a format that this version does not read."""


class Restoration:
    """Pools that are being rebuilt from their rows, one row after the other.

    Nothing is kept of a row but what a pool holds of it: the values of 200,000 agents' rows would take 700 MB.
    """

    def __init__(self, shard: int) -> None:
        self.shard = shard
        self.pools: dict[str, Pool] = {}
        self.clock = 0
        """ms since 1970."""
        self.service = 0
        """ms of service time."""
        self.frame = -1
        """Number of the last frame applied."""
        self._seats: defaultdict[str, list[tuple[Agent, str]]] = defaultdict(list)
        """By pool: agents, and the ids of the chats that they hold."""

    def add(self, row: Row) -> None:
        """Take one row. A pool's own comes before those of its agents and chats; what is not the engine's is left out.

        Raises:
            OtherFormatError: the row is of a format that this version does not read.
            ValueError: a pool's own row comes after one of its agents or chats.
        """
        value = row.value
        if value is None:
            return
        if row.table == "agent-capacity":
            self._add_agent(value)
        elif row.table == "open-chats":
            self._add_chat(value)
        elif row.key == "clock":
            self._set_clock(value)
        elif row.key.startswith("pool/"):
            pool_id = row.key.removeprefix("pool/")
            if pool_id in self.pools:
                raise ValueError(f"the row of pool {pool_id} comes after one of its agents or chats")
            self._pool(pool_id, value["config"]).configured_at = value["configured_at"]

    def finish(self) -> Iterator[None]:
        """Once all rows are there: put each pool together. It yields after each one."""
        for pool in self.pools.values():
            self._finish(pool)
            yield

    def _pool(self, pool_id: str, config: Value | None = None) -> Pool:
        pool = self.pools.get(pool_id)
        if pool is None:
            pool = self.pools[pool_id] = new_pool(pool_id, self.shard, config)
        return pool

    def _set_clock(self, value: Value) -> None:
        if value["format"] != ROW_FORMAT:
            raise OtherFormatError(
                f"the rows of shard {self.shard} are of format {value['format']}, and this version reads "
                f"{ROW_FORMAT}: run the version that wrote them, or one that says it reads both"
            )
        self.clock, self.service, self.frame = value["clock"], value["service"], value["frame"]

    def _add_agent(self, value: Value) -> None:
        pool = self._pool(value["pool"])
        agent = _agent(pool, value)
        pool.agents[agent.id] = agent
        if value["sessions"]:
            self._seats[pool.id] += [(agent, session["chat_id"]) for session in value["sessions"]]

    def _add_chat(self, value: Value) -> None:
        pool = self._pool(value["pool"])
        if value["stage"] == "closed":
            _remember(pool, value)
            return
        chat = _chat(value)
        pool.chats[chat.id] = chat
        pool.passed += len(chat.passed or ())
        for agent_id, at in (chat.passed or {}).items():
            pool.passings.setdefault(agent_id, {})[chat.id] = at
        if chat.stage == "waiting":
            pool.waiting[chat.queue].chats.add((chat.arrived_at, *chat.position, chat))

    def _finish(self, pool: Pool) -> None:
        pool.set_time(self.clock, self.service)
        kept = pool.remembered.items()
        pool.forgets.extend(sorted((each.until, key) for key, each in kept if each.arrived))
        pool.early_forgets.extend(sorted((each.until, key) for key, each in kept if not each.arrived))
        for agent, chat_id in self._seats.pop(pool.id, ()):
            chat = pool.chats[chat_id]
            chat.agent = agent
            agent.sessions[chat_id] = chat
            agent.undecided += chat.stage == "offered"
        timers.rebuild(pool)
        for agent in pool.agents.values():
            if asking.eligible(pool, agent):
                asking.stand_in_line(agent)


def _agent(pool: Pool, value: Value) -> Agent:
    private = value["engine"]
    agent = Agent(value["agent_id"], pool.profiles[value["profile"]], private["lot"], private["last_sign"])
    agent.own_mode, agent.own_max_sessions = private["own_mode"], private["own_max_sessions"]
    agent.mode, agent.max_sessions = value["mode"], value["max_sessions"]
    agent.available = private["available"]
    agent.absent = value["status"] == "absent"
    agent.silent = private["silent"]
    agent.returns = private["returns"]
    agent.had_offer = private["had_offer"]
    agent.last_offer = private["last_offer"]
    agent.missed = private["missed"]
    agent.recent.extend(private["recent"])
    pool.silent += agent.silent
    if value["request"] is not None:
        at, frame, index = private["request"]
        public = value["request"]
        agent.request = Request(public["origin"], at, public["requested_at"], (frame, index))
        pool.requests += 1
    return agent


def _chat(value: Value) -> Chat:
    private = value["engine"]
    return Chat(
        id=value["chat_id"],
        queue=value["queue"],
        arrived_at=private["arrived_at"],
        arrived_text=value["arrived_at"],
        position=cast("tuple[int, int]", tuple(private["position"])),
        entered_queue=private["entered_queue"],
        entered_at=private["entered_at"],
        overflowed=private["overflowed"],
        stage=value["stage"],
        stage_mark=cast("tuple[int, int]", tuple(private["mark"])),
        offer_id=value["offer_id"],
        attempt=value["attempt"],
        offered_at=private["offered_at"],
        expires=private["expires"],
        wrapping_since=private["wrapping_since"],
        passed=private["passed"] or None,
    )


def _remember(pool: Pool, value: Value) -> None:
    private = value["engine"]
    pool.remembered[value["chat_id"]] = Remembered(private["until"], arrived=private["arrived"])
