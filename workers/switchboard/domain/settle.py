"""The settle after each event and timer, until nothing more changes (R3), and the firing of timers (R1)."""

from heapq import heappop

from switchboard.domain import agents, offers
from switchboard.domain.matching import match
from switchboard.domain.offers import eligible
from switchboard.domain.pool import Pool
from switchboard.domain.state import Agent, Chat
from switchboard.domain.step import Step
from switchboard.domain.timers import Kind, arm_queue_timers, arm_silence, queue_timers, silence_since, wrap_up_due


def settle(pool: Pool, step: Step) -> None:
    """R3, in this order: queue timers that became due during an offer, push follow-ups, matching.

    One round is enough: matching gives each agent that it serves an undecided offer, which rules out a follow-up (R11).
    """
    if step.ended:
        _fire_queue_timers_due(pool, step)
    touched = step.touched
    if touched:
        step.touched = {}
        for agent_id in sorted(touched) if len(touched) > 1 else touched:
            agent = touched[agent_id]
            offers.follow_up(pool, step, agent)
            offers.refresh(step, agent)
    fresh = step.fresh
    if fresh or step.trying or step.rematch:
        match(pool, step)
        for chat in fresh:
            if chat.stage == "waiting":
                arm_queue_timers(pool, chat)


def _fire_queue_timers_due(pool: Pool, step: Step) -> None:
    ended, step.ended = step.ended, []
    due = [
        timer
        for chat in dict.fromkeys(ended)
        if chat.stage == "waiting"
        for timer in queue_timers(pool, chat)
        if timer[0] <= step.service
    ]
    for _, kind, chat_id in sorted(due):
        chat = pool.chats.get(chat_id)
        if chat is not None:
            fire_queue_timer(pool, step, chat, kind)


def fire_queue_timer(pool: Pool, step: Step, chat: Chat, kind: int) -> None:
    """R17: a waiting chat moves to the overflow queue, or is closed after its maximum wait."""
    pool.leave_line(chat)
    if kind == Kind.QUEUE_TIMEOUT:
        pool.close(step, chat, "queue-timed-out")
        return
    overflow_to = pool.config.queues[chat.entered_queue].overflow_to
    chat.queue = overflow_to if overflow_to is not None else chat.queue
    chat.overflowed = True
    offers.requeue(pool, step, chat, "overflow")


def pass_time(pool: Pool, step: Step, at: int, end: int) -> None:
    """R1: fire all timers due by `end`. Service time goes to each due time in turn, and the clock moves by as much.

    Args:
        pool: the pool.
        step: with the clock and the service time of the previous frame.
        at: the frame's clock, ms. The clock does not go beyond it.
        end: service time, ms.
    """
    clock, start = step.clock, step.service
    while True:
        timers, wakes = pool.index.timers, pool.index.wakes
        if step.trying and not (timers and timers[0][0] <= step.service and timers[0][1] < Kind.DELAY_OVER):
            # Ends of delays and cool-downs come after the offers that expire now, and before other timers (R1).
            _settle(pool, step)
            continue
        due = min(timers[0][0] if timers else end + 1, wakes[0][0] if wakes else end + 1)
        if due > end:
            return
        # A timer made overdue by a configuration (R20) fires now: service time does not go back.
        now = max(due, step.service)
        step.set_time(max(clock, min(clock + now - start, at)), now)
        if wakes and wakes[0][0] <= now:
            _wake(pool, step, now)
        elif _fire(pool, step, *heappop(timers)):
            _settle(pool, step)


def _settle(pool: Pool, step: Step) -> None:
    settle(pool, step)
    if pool.observer is not None:
        pool.observer.time_passed(pool, step)


def _wake(pool: Pool, step: Step, now: int) -> None:
    """R5: find the agents whose delay or re-offer cool-down is over by `now`, service time in ms."""
    wakes = pool.index.wakes
    while wakes and wakes[0][0] <= now:
        agent = pool.agents.get(heappop(wakes)[1])
        if agent is not None and eligible(agent, now):
            step.trying[agent.id] = agent


def _fire(pool: Pool, step: Step, due: int, kind: int, subject: str) -> bool:
    """Fire one timer. Returns False if the entry is stale, and nothing fires."""
    match kind:
        case Kind.OFFER_EXPIRY:
            return _expire_offer(pool, step, due, subject)
        case Kind.QUEUE_OVERFLOW | Kind.QUEUE_TIMEOUT:
            return _limit_wait(pool, step, due, kind, subject)
        case Kind.WRAP_UP_LIMIT:
            return _limit_wrap_up(pool, step, due, subject)
        case Kind.AGENT_ABSENT:
            return _note_absence(pool, step, due, subject)
        case Kind.AGENT_LOST:
            return _note_loss(pool, step, due, subject)
        case _:
            raise AssertionError(f"no timer of kind {kind} is ever set")


def _expire_offer(pool: Pool, step: Step, due: int, chat_id: str) -> bool:
    """R10: an offer expires."""
    chat = pool.chats.get(chat_id)
    if chat is None or chat.stage != "offered" or chat.agent is None or chat.expires != due:
        return False
    if chat.agent.profile.config.auto_decline:
        offers.miss(pool, step, chat, chat.agent)
    else:
        offers.confirm(step, chat, chat.agent, automatic=True)
    return True


def _limit_wait(pool: Pool, step: Step, due: int, kind: int, chat_id: str) -> bool:
    """R17: a waiting chat reaches a limit of its queue."""
    chat = pool.chats.get(chat_id)
    if chat is None or chat.stage != "waiting" or (due, kind, chat_id) not in queue_timers(pool, chat):
        return False
    fire_queue_timer(pool, step, chat, kind)
    return True


def _limit_wrap_up(pool: Pool, step: Step, due: int, chat_id: str) -> bool:
    """R15: a wrapping chat reaches the wrap-up limit of its agent's profile."""
    chat = pool.chats.get(chat_id)
    if chat is None or chat.stage != "wrapping" or wrap_up_due(chat) != due:
        return False
    pool.close(step, chat, "concluded")
    return True


def _note_absence(pool: Pool, step: Step, due: int, agent_id: str) -> bool:
    """R18: make an agent absent that was silent for `absent_after`."""
    agent = pool.agents.get(agent_id)
    if agent is None or agent.absent_due != due:
        return False
    agent.absent_due = -1
    if agent.absent or not _silent_for(pool, agent, pool.config.absent_after, due):
        return False
    agents.make_absent(pool, step, agent, silent=True)
    return True


def _note_loss(pool: Pool, step: Step, due: int, agent_id: str) -> bool:
    """R18: give up an agent as lost that was silent for `lost_after`."""
    agent = pool.agents.get(agent_id)
    if agent is None or agent.lost_due != due:
        return False
    agent.lost_due = -1
    if not _silent_for(pool, agent, pool.config.lost_after, due):
        return False
    agents.lose(pool, step, agent)
    return True


def _silent_for(pool: Pool, agent: Agent, limit: int, due: int) -> bool:
    """True if the agent had been silent for `limit` ms at `due`; otherwise its timer is set again."""
    if not limit:
        return False
    if silence_since(pool, agent) + limit > due:
        arm_silence(pool, agent)
        return False
    return True
