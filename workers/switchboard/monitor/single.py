"""One agent, or one chat and its story."""

from typing import Any

import orjson

from switchboard.monitor.tables import Tables
from switchboard.monitor.views import rfc3339
from switchboard.monitor.words import decision_words


def agents_named(tables: Tables, agent_id: str, pool: str | None) -> list[dict[str, Any]]:
    """The agents of that id: of one pool, or of each that has one."""
    rows = (tables.agents.get(f"{each}/{agent_id}") for each in _pools(tables, pool))
    return [row for row in rows if row is not None]


def chats_named(tables: Tables, chat_id: str, pool: str | None) -> list[dict[str, Any]]:
    """The chats of that id that are open or remembered, each with its story: of one pool, or of each that has one."""
    return [chat for each in _pools(tables, pool) if (chat := _chat(tables, each, chat_id)) is not None]


def _chat(tables: Tables, pool: str, chat_id: str) -> dict[str, Any] | None:
    row = tables.chats.get(f"{pool}/{chat_id}")
    story = tables.past.stories.of(pool, chat_id)
    if row is None and story is None:
        return None
    decisions = [] if story is None else [orjson.loads(value) for value in story.decisions]
    return {
        "pool": pool,
        "chat_id": chat_id,
        "open": None
        if row is None
        else {"queue": row.queue, "stage": row.stage, "arrived_at": rfc3339(row.arrived_at)},
        "is_whole": story is not None and story.is_whole,
        "decisions": [fields | {"words": decision_words(fields)} for fields in decisions],
    }


def _pools(tables: Tables, pool: str | None) -> list[str]:
    if pool is not None:
        return [pool]
    known = tables.past.stories.pools() | set(tables.queues)
    known |= {row["pool"] for row in tables.agents.values()} | {row.pool for row in tables.chats.values()}
    return sorted(known)
