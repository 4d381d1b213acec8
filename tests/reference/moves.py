"""Where a chat goes: into a queue, back to it, on to another, or out (R13, R17)."""

from tests.reference.state import Chat, Pool


def wait_again(pool: Pool, chat: Chat, reason: str) -> None:
    """The chat waits in its queue, with its arrival (R4); what session it held is free."""
    chat.stage = "waiting"
    chat.agent_id = None
    chat.offer_id = None
    pool.decide("chat-requeued", chat_id=chat.id, queue=chat.queue, reason=reason)


def enter(pool: Pool, chat: Chat, queue: str) -> None:
    """R17: the chat enters a queue: its overflow and wait timers start anew."""
    chat.queue = queue
    chat.entered_queue = queue
    chat.entered_since = pool.service
    chat.overflowed = False


def overflow(pool: Pool, chat: Chat) -> None:
    """R17: the chat moves to the queue to which its own overflows, once an entry."""
    target = pool.config.queues[chat.queue].overflow_to
    assert target is not None
    chat.queue = target
    chat.overflowed = True
    wait_again(pool, chat, "overflow")


def close(pool: Pool, chat: Chat, reason: str) -> None:
    """The chat is over: its session is free, its id is remembered (R13)."""
    holder = chat.agent_id if chat.stage in ("active", "wrapping") else None
    del pool.chats[chat.id]
    pool.closed[chat.id] = pool.service
    pool.decide("chat-closed", chat_id=chat.id, queue=chat.queue, agent_id=holder, reason=reason)
