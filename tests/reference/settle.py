"""R3: after each piece of work, the queue timers due, the push follow-ups and the matching, until nothing changes."""

from switchboard.domain.rfc3339 import format_ms
from tests.reference.offers import offer
from tests.reference.state import Agent, Chat, Pool, Request
from tests.reference.timers import due_in_queue, fire


def settle(pool: Pool) -> None:
    """Bring the pool to rest."""
    while True:
        due = [t for chat_id in pool.offer_ended for t in due_in_queue(pool, chat_id) if t[0] <= pool.service]
        if not due:
            break
        fire(pool, min(due))
    pool.offer_ended.clear()
    changed = True
    while changed:
        changed = _follow_up(pool)
        changed = _match(pool) or changed


def _follow_up(pool: Pool) -> bool:
    """R11: push agents who want a chat request one, in id order."""
    changed = False
    for _, agent in sorted(pool.agents.items()):
        if (
            pool.mode(agent) == "push"
            and agent.available
            and len(pool.held(agent)) < pool.max_sessions(agent)
            and agent.request is None
            and not pool.held(agent, "offered")
        ):
            agent.request = Request("push", pool.clock, pool.position)
            pool.decide(
                "chat-requested",
                agent_id=agent.id,
                request_id=pool.next_id(),
                requested_at=format_ms(pool.clock),
                origin="push",
            )
            changed = True
    return changed


def _match(pool: Pool) -> bool:
    """R6: serve the first eligible request that can be served, again and again."""
    changed = False
    while True:
        for agent in sorted(filter(lambda a: _eligible(pool, a), pool.agents.values()), key=_agent_order):
            chat = _next_chat(pool, agent)
            if chat is not None:
                assert agent.request is not None
                offer(pool, chat, agent, agent.request)
                changed = True
                break
        else:
            return changed


def _eligible(pool: Pool, agent: Agent) -> bool:
    """R5: the agent asks, is available, has a session free, and its delay has passed."""
    delay = pool.profile(agent).delay_between_chats * 1000
    return (
        agent.request is not None
        and agent.available
        and len(pool.held(agent)) < pool.max_sessions(agent)
        and (agent.last_offer is None or pool.service >= agent.last_offer + delay)
    )


def _agent_order(agent: Agent) -> tuple[object, ...]:
    """R7: those without an offer since they logged in by lot; then the others by oldest request."""
    assert agent.request is not None
    if agent.last_offer is None:
        return (0, agent.lot, agent.id)
    return (1, agent.request.clock, agent.request.position, agent.id)


def _may_take(pool: Pool, agent: Agent, chat: Chat) -> bool:
    """R5: the queue is the profile's, and the agent has not lately declined or missed the chat."""
    profile = pool.profile(agent)
    passed = chat.passed.get(agent.id)
    return chat.queue in profile.queues and (passed is None or pool.service >= passed + profile.reoffer_after * 1000)


def _next_chat(pool: Pool, agent: Agent) -> Chat | None:
    """R8: the agent's next chat, if there is any that it may take."""
    chats = [chat for chat in pool.waiting() if _may_take(pool, agent, chat)]
    if not chats:
        return None
    profile = pool.profile(agent)
    if profile.pull_policy == "first-due":
        return chats[0]
    limit = profile.starvation_limit * 1000
    for chat in chats:
        if limit and pool.clock - chat.arrived_at >= limit:
            return chat
    return min(chats, key=lambda chat: profile.queues.index(chat.queue))  # the first of the best-ranked queue
