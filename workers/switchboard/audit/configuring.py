"""A pool is configured anew (R20)."""

from collections.abc import Iterator
from typing import Any

from switchboard.audit import agents, clockwork, wants
from switchboard.audit.books import Pool, Want
from switchboard.audit.configured import configured


def configure(pool: Pool, data: dict[str, Any]) -> Iterator[Want]:
    """R20: the configuration reaches everyone at once; chats of a queue that is gone belong to the default one."""
    config = pool.config = configured(data["config"])
    pool.configured_at = pool.service
    for agent in pool.agents.values():
        agents.set_profile(pool, agent, config.profile(agent.profile.name))
    homeless = []
    for chat in pool.chats.values():
        chat.entered_queue = config.queue(chat.entered_queue)
        if chat.queue in config.queues:
            continue
        if chat.stage == "waiting":
            homeless.append(chat)
        else:
            chat.queue = config.default_queue
    clockwork.rearm(pool)
    for chat in sorted(homeless, key=lambda chat: chat.place):
        yield ("I4", "R20"), wants.requeued(pool, chat, config.default_queue, "queue-removed")
