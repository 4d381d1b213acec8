"""Rows: the state of a shard as keyed values, from which the engine can be rebuilt exactly (I9).

Consumers may rely on all fields of a row but `engine`, which is private.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast

from switchboard.domain import offers, timers
from switchboard.domain.pool import Pool
from switchboard.domain.reconfiguration import new_pool
from switchboard.domain.rfc3339 import format_ms
from switchboard.domain.state import Agent, Chat, Remembered, Request
from switchboard.domain.step import Step

Table: TypeAlias = Literal["agent-capacity", "open-chats", "shard-progress"]
TABLES: Final[tuple[Table, ...]] = ("shard-progress", "agent-capacity", "open-chats")

RULES: Final = 1
"""Version of the routing rules: it changes when the same journal would give other decisions."""
ROW_FORMAT: Final = 1
"""Version of the private part of the rows."""


@dataclass(slots=True)
class Row:
    """The latest value of a key of a table; None deletes the row."""

    table: Table
    key: str
    value: dict[str, Any] | None


def changed(pool: Pool, step: Step) -> Iterator[Row]:
    """The rows of a pool that a frame changed, with their present values."""
    if step.configured:
        yield pool_row(pool)
    for agent_id in step.changed_agents:
        agent = pool.agents.get(agent_id)
        yield Row("agent-capacity", f"{pool.id}/{agent_id}", None if agent is None else agent_value(pool, agent))
    for chat_id, last in step.changed_chats.items():
        yield Row("open-chats", f"{pool.id}/{chat_id}", _chat_value(pool, chat_id, last))


def everything(pool: Pool) -> Iterator[Row]:
    """All rows of a pool."""
    if pool.configured_at is not None:
        yield pool_row(pool)
    for agent in pool.agents.values():
        yield Row("agent-capacity", f"{pool.id}/{agent.id}", agent_value(pool, agent))
    for chat_id in dict.fromkeys([*pool.chats, *pool.remembered]):
        yield Row("open-chats", f"{pool.id}/{chat_id}", _chat_value(pool, chat_id, None))


def clock_row(clock: int, service: int, frame: int) -> Row:
    """The row of a shard's clock, service time and frame number."""
    value = {"clock": clock, "service": service, "frame": frame, "rules": RULES, "format": ROW_FORMAT}
    return Row("shard-progress", "clock", value)


def pool_row(pool: Pool) -> Row:
    """The row of a pool's configuration."""
    value = {"config": pool.config.raw, "configured_at": pool.configured_at}
    return Row("shard-progress", f"pool/{pool.id}", value)


def agent_value(pool: Pool, agent: Agent) -> dict[str, Any]:
    """The value of an agent's row."""
    request = agent.request
    return {
        "agent_id": agent.id,
        "pool": pool.id,
        "profile": agent.profile.config.name,
        "mode": agent.mode,
        "status": "absent" if agent.absent else "available" if agent.available else "unavailable",
        "max_sessions": agent.max_sessions,
        "sessions": [
            {"chat_id": chat.id, "stage": chat.stage, "offer_id": chat.offer_id} for chat in agent.sessions.values()
        ],
        "free": max(0, agent.max_sessions - len(agent.sessions)),
        "request": None if request is None else {"origin": request.origin, "requested_at": request.at_text},
        "engine": {
            "lot": agent.lot,
            "last_sign": agent.last_sign,
            "own_mode": agent.own_mode,
            "own_max_sessions": agent.own_max_sessions,
            "available": agent.available,
            "silent": agent.silent,
            "returns": agent.returns,
            "had_offer": agent.had_offer,
            "last_offer": agent.last_offer,
            "missed": agent.missed,
            "recent": list(agent.recent),
            "request": None if request is None else [request.at, *request.position],
        },
    }


def _chat_value(pool: Pool, chat_id: str, last: Chat | None) -> dict[str, Any] | None:
    chat = pool.chats.get(chat_id)
    if chat is not None:
        return chat_value(pool, chat)
    remembered = pool.remembered.get(chat_id)
    return None if remembered is None else _remembered_value(pool, chat_id, remembered, last)


def chat_value(pool: Pool, chat: Chat) -> dict[str, Any]:
    """The value of an open chat's row."""
    return {
        "chat_id": chat.id,
        "pool": pool.id,
        "queue": chat.queue,
        "stage": chat.stage,
        "arrived_at": chat.arrived_text,
        "agent_id": None if chat.agent is None else chat.agent.id,
        "offer_id": chat.offer_id,
        "attempt": chat.attempt,
        "engine": {
            "arrived_at": chat.arrived_at,
            "position": chat.position,
            "entered_queue": chat.entered_queue,
            "entered_at": chat.entered_at,
            "overflowed": chat.overflowed,
            "mark": chat.stage_mark,
            "offered_at": chat.offered_at,
            "expires": chat.expires,
            "wrapping_since": chat.wrapping_since,
            "passed": chat.passed or {},
        },
    }


def _remembered_value(pool: Pool, chat_id: str, remembered: Remembered, last: Chat | None) -> dict[str, Any]:
    return {
        "chat_id": chat_id,
        "pool": pool.id,
        "queue": None if last is None else last.queue,
        "stage": "closed",
        "arrived_at": None if last is None else format_ms(last.arrived_at),
        "agent_id": None,
        "offer_id": None,
        "attempt": 0 if last is None else last.attempt,
        "engine": {"until": remembered.until, "arrived": remembered.arrived},
    }


Value = dict[str, Any]


class OtherFormatError(ValueError):
    """The rows have a format that this version does not read."""


class Restoration:
    """Rebuilds pools row by row. The rows themselves are not kept: those of 200,000 agents take 700 MB.

    Attributes:
        shard: number of the shard.
        pools: by id; complete after `finish`.
        clock: ms since 1970.
        service: service time, ms.
        frame: number of the last frame applied.
    """

    def __init__(self, shard: int) -> None:
        self.shard = shard
        self.pools: dict[str, Pool] = {}
        self.clock = 0
        self.service = 0
        self.frame = -1
        self._sessions: defaultdict[str, list[tuple[Agent, str]]] = defaultdict(list)
        """Pool id → (agent, id of a chat that the agent holds)."""

    def add(self, row: Row) -> None:
        """Take one row. Rows of source offsets and deleted rows are ignored.

        Raises:
            OtherFormatError: the rows have a format that this version does not read.
            ValueError: the row of a pool comes after a row of one of its agents or chats.
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
        """Complete the pools once all rows are added. Yields after each pool, so that the caller can do other work."""
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
            self._sessions[pool.id] += [(agent, session["chat_id"]) for session in value["sessions"]]

    def _add_chat(self, value: Value) -> None:
        pool = self._pool(value["pool"])
        if value["stage"] == "closed":
            _remember(pool, value)
            return
        chat = _chat(value)
        pool.chats[chat.id] = chat
        pool.index.passed += len(chat.passed or ())
        for agent_id, at in (chat.passed or {}).items():
            pool.index.passings.setdefault(agent_id, {})[chat.id] = at
        if chat.stage == "waiting":
            pool.index.waiting[chat.queue].chats.add((chat.arrived_at, *chat.position, chat))

    def _finish(self, pool: Pool) -> None:
        kept = pool.remembered.items()
        pool.index.forgets.extend(sorted((each.until, key) for key, each in kept if each.arrived))
        pool.index.early_forgets.extend(sorted((each.until, key) for key, each in kept if not each.arrived))
        for agent, chat_id in self._sessions.pop(pool.id, ()):
            chat = pool.chats[chat_id]
            chat.agent = agent
            agent.sessions[chat_id] = chat
            agent.undecided += chat.stage == "offered"
        timers.rebuild(pool, self.service)
        for agent in pool.agents.values():
            if offers.eligible(agent, self.service):
                offers.join_line(agent)


def _agent(pool: Pool, value: Value) -> Agent:
    private = value["engine"]
    agent = Agent(value["agent_id"], pool.index.profiles[value["profile"]], private["lot"], private["last_sign"])
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
    pool.index.silent += agent.silent
    if value["request"] is not None:
        at, frame, index = private["request"]
        public = value["request"]
        agent.request = Request(public["origin"], at, public["requested_at"], (frame, index))
        pool.index.requests += 1
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
