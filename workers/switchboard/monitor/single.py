"""One agent, or one chat and its story."""

from typing import Any, Final

import orjson

from switchboard.monitor.tables import Tables
from switchboard.monitor.views import rfc3339
from switchboard.monitor.words import decision_words
from switchboard.web.answers import slices

MOST_POOLS: Final = 100
"""How many pools that know an id are looked for: whoever asks has to name one of them anyway."""


async def agents_named(tables: Tables, agent_id: str, pool: str | None) -> list[dict[str, Any]]:
    """The agents of that id: of one pool, or of up to MOST_POOLS that have one, by pool."""
    if pool is not None:
        row = tables.agents.get(f"{pool}/{agent_id}")
        return [] if row is None else [row]
    found: dict[str, dict[str, Any]] = {}
    async for rows in slices(list(tables.agents.values())):
        found |= {row["pool"]: row for row in rows if row["agent_id"] == agent_id}
        if len(found) >= MOST_POOLS:
            break
    return [found[each] for each in sorted(found)[:MOST_POOLS]]


async def pools_of_chat(tables: Tables, chat_id: str) -> list[str]:
    """Up to MOST_POOLS pools with a chat of that id that is open or remembered."""
    found: set[str] = set()
    stories = tables.past.stories
    async for chats in slices([*stories.open, *stories.ended]):
        found |= {pool for pool, each in chats if each == chat_id}
    async for keys in slices(list(tables.chats)):
        for key in keys:
            if key.endswith(chat_id) and (row := tables.chats.get(key)) and key == f"{row.pool}/{chat_id}":
                found.add(row.pool)
        if len(found) >= MOST_POOLS:
            break
    return sorted(found)[:MOST_POOLS]


def chat_named(tables: Tables, pool: str, chat_id: str) -> dict[str, Any] | None:
    """A chat that is open or remembered, with its story; None if there is none."""
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
