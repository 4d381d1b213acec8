"""What a shard remembers, as rows: enough to rebuild the engine exactly (I9).

A row's public fields are a contract; what only the engine needs is in `engine`, which is private.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from switchboard.domain.pool import Pool
from switchboard.domain.rfc3339 import format_ms
from switchboard.domain.state import Agent, Chat, Remembered

Table: TypeAlias = Literal["agent-capacity", "open-chats", "shard-progress"]
TABLES: Final[tuple[Table, ...]] = ("shard-progress", "agent-capacity", "open-chats")

RULES: Final = 1
"""Version of the routing rules: it changes when the same journal would give other decisions."""
ROW_FORMAT: Final = 1
"""Version of the private part of the rows."""


@dataclass(slots=True)
class Row:
    """The latest value of a key of a table; None: there is no such row any more."""

    table: Table
    key: str
    value: dict[str, Any] | None


def changed(pool: Pool) -> Iterator[Row]:
    """The rows of a pool that the frame changed."""
    if pool.configured:
        yield pool_row(pool)
    for agent_id in pool.changed_agents:
        agent = pool.agents.get(agent_id)
        yield Row("agent-capacity", f"{pool.id}/{agent_id}", None if agent is None else agent_value(pool, agent))
    for chat_id, last in pool.changed_chats.items():
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
    """Where the shard stands after a frame."""
    value = {"clock": clock, "service": service, "frame": frame, "rules": RULES, "format": ROW_FORMAT}
    return Row("shard-progress", "clock", value)


def pool_row(pool: Pool) -> Row:
    """A pool's configuration."""
    value = {"config": pool.config.raw, "configured_at": pool.configured_at}
    return Row("shard-progress", f"pool/{pool.id}", value)


def agent_value(pool: Pool, agent: Agent) -> dict[str, Any]:
    """One agent's row."""
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
    """One open chat's row."""
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
