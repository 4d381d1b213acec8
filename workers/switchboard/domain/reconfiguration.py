"""Configuration of a pool (R20): the only event whose cost grows with the size of the pool."""

from collections.abc import Mapping
from typing import Any

from switchboard.domain import agents, configuration, offers, timers
from switchboard.domain.events import PoolConfigured
from switchboard.domain.pool import Pool
from switchboard.domain.state import Profile, RequestLine, WaitingLine
from switchboard.domain.step import Step


def new_pool(pool_id: str, shard: int, raw: Mapping[str, Any] | None) -> Pool:
    """An empty pool. `raw`: its configuration; None: that of a pool that was never configured."""
    pool = Pool(pool_id, shard, configuration.read(configuration.UNCONFIGURED if raw is None else raw))
    draw_lines(pool)
    return pool


def draw_lines(pool: Pool) -> None:
    """Make the waiting lines and request lines of the pool's configuration, all empty."""
    pool.index.waiting = {name: WaitingLine() for name in pool.config.queues}
    by_queues: dict[frozenset[str], RequestLine] = {}
    pool.index.profiles = {}
    pool.index.request_lines = {name: [] for name in pool.config.queues}
    for name, config in pool.config.profiles.items():
        queues = frozenset(config.queues)
        line = by_queues.get(queues)
        if line is None:
            line = by_queues[queues] = RequestLine(queues)
            for queue in queues:
                pool.index.request_lines[queue].append(line)
        pool.index.profiles[name] = Profile(config, [pool.index.waiting[queue] for queue in config.queues], line)


def configure(pool: Pool, step: Step, event: PoolConfigured) -> None:
    """R20: replace the configuration. It applies to the chats and agents of the pool at once."""
    pool.config = configuration.read(event.config)
    pool.configured_at = step.service
    step.configured = True
    draw_lines(pool)
    for agent in pool.agents.values():
        agent.key = None
        profile = pool.index.profiles[pool.config.profile_or_default(agent.profile.config.name).name]
        agents.set_up(pool, step, agent, profile, agent.own_mode, agent.own_max_sessions)
    _move_chats(pool, step)
    timers.rebuild(pool, step.service)
    step.fresh.clear()
    step.rematch = True


def _move_chats(pool: Pool, step: Step) -> None:
    """Put the waiting chats into the new lines, and the chats of removed queues into the default queue."""
    queues, default = pool.config.queues, pool.config.default_queue
    for chat in sorted(pool.chats.values(), key=lambda chat: (chat.arrived_at, chat.position)):
        if chat.entered_queue not in queues:
            chat.entered_queue = default
            step.change(chat)
        moved = chat.queue not in queues
        if moved:
            chat.queue = default
            step.change(chat)
        if chat.stage != "waiting":
            continue
        if moved:
            offers.requeue(pool, step, chat, "queue-removed")
        else:
            pool.index.waiting[chat.queue].chats.add((chat.arrived_at, *chat.position, chat))
