"""What a timer calls for when its time has come (R1)."""

from collections.abc import Iterator

from switchboard.audit import agents, chats, wants
from switchboard.audit.books import ABSENT, EXPIRY, LOST, OVERFLOW, TIMEOUT, Chat, Pool, Want
from switchboard.audit.clockwork import arm_silence, queue_limits, silent_since, wrap_up_due


def fire(pool: Pool, due: int, kind: int, subject: str) -> Iterator[Want] | None:
    """The timer's own work; None where it is no longer meant, and so nothing is settled either."""
    if kind in (ABSENT, LOST):
        return _limit_silence(pool, due, kind, subject)
    chat = pool.chats.get(subject)
    if chat is None:
        return None
    if kind in (OVERFLOW, TIMEOUT):
        is_meant = chat.stage == "waiting" and (due, kind, subject) in queue_limits(pool, chat)
        return limit_wait(pool, chat, kind) if is_meant else None
    if kind == EXPIRY:
        is_meant = chat.stage == "offered" and chat.expires == due
        return chats.expired(pool, chat, chat.agent) if is_meant and chat.agent is not None else None
    return _release(pool, chat) if chat.stage == "wrapping" and wrap_up_due(chat) == due else None


def limit_wait(pool: Pool, chat: Chat, kind: int) -> Iterator[Want]:
    """R17: a chat has waited too long, or long enough to overflow."""
    if kind == TIMEOUT:
        yield ("I4", "R17"), wants.closed(pool, chat, "queue-timed-out")
    else:
        target = pool.config.queues[chat.entered_queue].overflow_to
        yield ("I4", "R17"), wants.requeued(pool, chat, target, "overflow")


def _release(pool: Pool, chat: Chat) -> Iterator[Want]:
    """R15: `wrap_up_limit` releases by itself."""
    yield ("I4", "R15"), wants.closed(pool, chat, "concluded")


def _limit_silence(pool: Pool, due: int, kind: int, agent_id: str) -> Iterator[Want] | None:
    """R18: an agent may have been silent for too long; if not, it is looked at again when it may have been."""
    agent = pool.agents.get(agent_id)
    if agent is None or due != (agent.absent_hint if kind == ABSENT else agent.lost_hint):
        return None
    if kind == ABSENT:
        agent.absent_hint = -1
        limit = 0 if agent.absent else pool.config.absent_after
    else:
        agent.lost_hint = -1
        limit = pool.config.lost_after
    if not limit:
        return None
    if silent_since(pool, agent) + limit > due:
        arm_silence(pool, agent)
        return None
    return agents.become_absent(pool, agent, "silent") if kind == ABSENT else agents.leave(pool, agent, "agent-lost")
