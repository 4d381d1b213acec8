"""R1: what is due when, found by looking through all of the state, and what a timer does."""

from typing import Final, TypeAlias

from tests.reference import agents, moves, offers
from tests.reference.state import Agent, Chat, Pool

KINDS: Final = (
    "offer-expiry",
    "delay-over",
    "reoffer",
    "queue-overflow",
    "queue-timeout",
    "wrap-up-limit",
    "agent-absent",
    "agent-lost",
    "chat-forgotten",
)
"""In the order in which those of equal due time fire."""

Timer: TypeAlias = tuple[int, int, tuple[str, ...]]
"""(due in service time, place of its kind in KINDS, id)."""

REMEMBER_CLOSED_MS: Final = 600_000
REMEMBER_ENDED_EARLY_MS: Final = 60_000


def pending(pool: Pool) -> list[Timer]:
    """Every timer of the pool; one that is overdue has a due time in the past."""
    found: list[Timer] = []
    for chat in pool.chats.values():
        found += due_in_queue(pool, chat.id)
        found += _of_chat(pool, chat)
    for agent in pool.agents.values():
        found += _of_agent(pool, agent)
    found += [_timer(since + REMEMBER_CLOSED_MS, "chat-forgotten", key) for key, since in pool.closed.items()]
    found += [_timer(since + REMEMBER_ENDED_EARLY_MS, "chat-forgotten", key) for key, since in pool.ended_early.items()]
    return found


def due_in_queue(pool: Pool, chat_id: str) -> list[Timer]:
    """R17: the overflow and the wait limit of a chat, while it waits."""
    chat = pool.chats.get(chat_id)
    if chat is None or chat.stage != "waiting":
        return []
    found: list[Timer] = []
    queue = pool.config.queues[chat.queue]
    if queue.overflow_after and queue.overflow_to in pool.config.queues and not chat.overflowed:
        found.append(_timer(chat.entered_since + queue.overflow_after * 1000, "queue-overflow", chat_id))
    max_wait = pool.config.queues[chat.entered_queue].max_wait
    if max_wait:
        found.append(_timer(chat.entered_since + max_wait * 1000, "queue-timeout", chat_id))
    return found


def fire(pool: Pool, timer: Timer) -> None:
    """A timer's own work. `delay-over` and `reoffer` have none: they only settle."""
    _, kind, key = timer
    match KINDS[kind]:
        case "offer-expiry":
            offers.expire(pool, pool.chats[key[0]])
        case "queue-overflow":
            moves.overflow(pool, pool.chats[key[0]])
        case "queue-timeout":
            moves.close(pool, pool.chats[key[0]], "queue-timed-out")
        case "wrap-up-limit":
            moves.close(pool, pool.chats[key[0]], "concluded")
        case "agent-absent":
            agents.become_absent(pool, pool.agents[key[0]], by_silence=True)
        case "agent-lost":
            agents.leave(pool, pool.agents[key[0]], "agent-lost")
        case "chat-forgotten":
            pool.closed.pop(key[0], None)
            pool.ended_early.pop(key[0], None)


def _of_chat(pool: Pool, chat: Chat) -> list[Timer]:
    found: list[Timer] = []
    if chat.stage == "offered":
        found.append(_timer(chat.expires, "offer-expiry", chat.id))
    if chat.stage == "wrapping":
        assert chat.agent_id is not None
        limit = pool.profile(pool.agents[chat.agent_id]).wrap_up_limit
        if limit:
            found.append(_timer(chat.wrapping_since + limit * 1000, "wrap-up-limit", chat.id))
    for agent_id, passed in chat.passed.items():
        if agent_id in pool.agents:
            over = passed + pool.profile(pool.agents[agent_id]).reoffer_after * 1000
            if over > pool.service:  # R5: one that is over needs no turn
                found.append(_timer(over, "reoffer", agent_id, chat.id))
    return found


def _of_agent(pool: Pool, agent: Agent) -> list[Timer]:
    found: list[Timer] = []
    if agent.last_offer is not None:
        over = agent.last_offer + pool.profile(agent).delay_between_chats * 1000
        if over > pool.service:  # R5: one that is over needs no turn
            found.append(_timer(over, "delay-over", agent.id))
    silent_since = max(agent.last_sign, pool.configured_since)  # R20
    if pool.config.absent_after and not agent.absent:
        found.append(_timer(silent_since + pool.config.absent_after * 1000, "agent-absent", agent.id))
    if pool.config.lost_after:
        found.append(_timer(silent_since + pool.config.lost_after * 1000, "agent-lost", agent.id))
    return found


def _timer(due: int, kind: str, *key: str) -> Timer:
    return due, KINDS.index(kind), key
