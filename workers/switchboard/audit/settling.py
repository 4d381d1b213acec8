"""What must follow from an event or a timer before the next one (R3): queue limits, follow-ups, matching."""

from switchboard.audit import wants
from switchboard.audit.books import Agent, Chat, Pool
from switchboard.audit.clockwork import queue_limits
from switchboard.audit.due import limit_wait
from switchboard.audit.matching import Matching
from switchboard.audit.meeting import Meeting


def settle(meeting: Meeting) -> None:
    """Hold the log against what R3 has follow now."""
    pool = meeting.pool
    if pool.ended:
        _limit_waits(meeting)
    trying = _follow_up(meeting) if pool.touched else []
    if not trying and not pool.fresh:
        return
    fresh, pool.fresh = pool.fresh, []
    _match(meeting, trying, fresh)


def _limit_waits(meeting: Meeting) -> None:
    """R3: queue timers already due, of chats whose offer has just ended."""
    pool = meeting.pool
    for _ in range(3 * len(pool.ended)):  # two limits a chat; where the log has neither nothing changes
        due = [timer for chat in pool.ended for timer in _limits_due(pool, chat)]
        if not due:
            break
        _, kind, chat_id = min(due)
        for want in limit_wait(pool, pool.chats[chat_id], kind):
            meeting.meet(want)
    pool.ended.clear()


def _limits_due(pool: Pool, chat: Chat) -> list[tuple[int, int, str]]:
    if chat.stage != "waiting":
        return []
    return [timer for timer in queue_limits(pool, chat) if timer[0] <= pool.service]


def _follow_up(meeting: Meeting) -> list[Agent]:
    """R11, agents in id order; those of them who ask and could be served."""
    pool = meeting.pool
    touched, pool.touched = pool.touched, {}
    for agent_id in sorted(touched):
        if (agent := touched[agent_id]) is pool.agents.get(agent_id) and _wants_a_chat(agent):
            meeting.meet((("I8", "R11"), wants.requested(pool, agent)))
    touched |= pool.touched
    pool.touched = {}
    return [agent for agent in touched.values() if pool.refresh(agent)]


def _wants_a_chat(agent: Agent) -> bool:
    """I8: push, available, a session free, no request, no undecided offer."""
    return (
        agent.request is None and agent.available and agent.mode == "push" and agent.has_room and not agent.undecided()
    )


def _match(meeting: Meeting, trying: list[Agent], fresh: list[Chat]) -> None:
    """R6: one offer after another, until no eligible request can be served (I5)."""
    pool = meeting.pool
    matching = Matching(pool, trying, fresh)
    while True:
        meeting.believe()
        _refresh_touched(pool)
        pair = matching.next()
        if pair is None:
            return
        agent, chat = pair
        origin = agent.request.origin if agent.request is not None else ""
        meeting.meet((("I5", "R6"), wants.assigned(pool, chat, agent, origin)))
        _refresh_touched(pool)


def _refresh_touched(pool: Pool) -> None:
    for agent in pool.touched.values():
        pool.refresh(agent)
    pool.touched.clear()
