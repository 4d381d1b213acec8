"""The settle: what follows from an event or a timer, until nothing changes (R3)."""

from switchboard.domain import asking, offers
from switchboard.domain.matching import match
from switchboard.domain.pool import Pool
from switchboard.domain.state import Chat
from switchboard.domain.timers import Kind, arm_queue_timers, queue_timers


def settle(pool: Pool) -> None:
    """R3: queue timers already due of chats whose offer has just ended, then push follow-ups, then matching.

    One round is enough: matching leaves each agent it serves with an undecided offer, so that no follow-up follows.
    """
    if pool.ended:
        _fire_queue_timers_due(pool)
    touched = pool.touched
    if touched:
        pool.touched = {}
        for agent_id in sorted(touched) if len(touched) > 1 else touched:
            agent = touched[agent_id]
            asking.follow_up(pool, agent)
            asking.refresh(pool, agent)
    fresh = pool.fresh
    if fresh or pool.trying or pool.rematch:
        match(pool)
        for chat in fresh:
            if chat.stage == "waiting":
                arm_queue_timers(pool, chat)


def _fire_queue_timers_due(pool: Pool) -> None:
    ended, pool.ended = pool.ended, []
    due = [
        timer
        for chat in dict.fromkeys(ended)
        if chat.stage == "waiting"
        for timer in queue_timers(pool, chat)
        if timer[0] <= pool.service
    ]
    for _, kind, chat_id in sorted(due):
        chat = pool.chats.get(chat_id)
        if chat is not None:
            fire_queue_timer(pool, chat, kind)


def fire_queue_timer(pool: Pool, chat: Chat, kind: int) -> None:
    """R17: a waiting chat overflows into another queue, or has waited too long."""
    pool.leave_line(chat)
    if kind == Kind.QUEUE_TIMEOUT:
        pool.close(chat, "queue-timed-out")
        return
    overflow_to = pool.config.queues[chat.entered_queue].overflow_to
    chat.queue = overflow_to if overflow_to is not None else chat.queue
    chat.overflowed = True
    offers.requeue(pool, chat, "overflow")
