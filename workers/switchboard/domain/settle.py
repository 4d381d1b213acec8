"""The settle: what follows from an event or a timer, until nothing changes (R3)."""

from heapq import heappop

from switchboard.domain import agents, offers
from switchboard.domain.matching import match
from switchboard.domain.offers import eligible
from switchboard.domain.pool import Pool
from switchboard.domain.state import Agent, Chat
from switchboard.domain.step import Step
from switchboard.domain.timers import Kind, arm_queue_timers, arm_silence, queue_timers, silence_since, wrap_up_due


def settle(pool: Pool, step: Step) -> None:
    """R3: queue timers already due of chats whose offer has just ended, then push follow-ups, then matching.

    One round is enough: matching leaves each agent it serves with an undecided offer, so that no follow-up follows.
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
    """R17: a waiting chat overflows into another queue, or has waited too long."""
    pool.leave_line(chat)
    if kind == Kind.QUEUE_TIMEOUT:
        pool.close(step, chat, "queue-timed-out")
        return
    overflow_to = pool.config.queues[chat.entered_queue].overflow_to
    chat.queue = overflow_to if overflow_to is not None else chat.queue
    chat.overflowed = True
    offers.requeue(pool, step, chat, "overflow")


def pass_time(pool: Pool, step: Step, at: int, end: int) -> None:
    """R1: fire every timer due by the service time `end`, service time stepping to each and the clock by as much.

    Args:
        pool: the pool.
        step: with the clock and the service time of the previous frame.
        at: ms, the frame's; the clock is never stepped past it.
        end: ms of service time.
    """
    clock, start = step.clock, step.service
    while True:
        timers, wakes = pool.index.timers, pool.index.wakes
        if step.trying and not (timers and timers[0][0] <= step.service and timers[0][1] < Kind.DELAY_OVER):
            # Delays and passings settle in their turn: after the offers that expire now, before other timers.
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
    """R5: delays and passings are over as soon as service time has reached them."""
    wakes = pool.index.wakes
    while wakes and wakes[0][0] <= now:
        agent = pool.agents.get(heappop(wakes)[1])
        if agent is not None and eligible(agent, now):
            step.trying[agent.id] = agent


def _fire(pool: Pool, step: Step, due: int, kind: int, subject: str) -> bool:
    """Let one timer do its work. False: it was no longer meant."""
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
            raise AssertionError(f"no timer of kind {kind} is ever armed")


def _expire_offer(pool: Pool, step: Step, due: int, chat_id: str) -> bool:
    """R10: an offer has expired."""
    chat = pool.chats.get(chat_id)
    if chat is None or chat.stage != "offered" or chat.agent is None or chat.expires != due:
        return False
    if chat.agent.profile.config.auto_decline:
        offers.miss(pool, step, chat, chat.agent)
    else:
        offers.confirm(step, chat, chat.agent, automatic=True)
    return True


def _limit_wait(pool: Pool, step: Step, due: int, kind: int, chat_id: str) -> bool:
    """R17: a chat has waited for its overflow, or too long."""
    chat = pool.chats.get(chat_id)
    if chat is None or chat.stage != "waiting" or (due, kind, chat_id) not in queue_timers(pool, chat):
        return False
    fire_queue_timer(pool, step, chat, kind)
    return True


def _limit_wrap_up(pool: Pool, step: Step, due: int, chat_id: str) -> bool:
    """R15: a chat has wrapped up for long enough."""
    chat = pool.chats.get(chat_id)
    if chat is None or chat.stage != "wrapping" or wrap_up_due(chat) != due:
        return False
    pool.close(step, chat, "concluded")
    return True


def _note_absence(pool: Pool, step: Step, due: int, agent_id: str) -> bool:
    """R18: an agent may have been silent for `absent_after`."""
    agent = pool.agents.get(agent_id)
    if agent is None or agent.absent_due != due:
        return False
    agent.absent_due = -1
    if agent.absent or not _silent_for(pool, agent, pool.config.absent_after, due):
        return False
    agents.make_absent(pool, step, agent, silent=True)
    return True


def _note_loss(pool: Pool, step: Step, due: int, agent_id: str) -> bool:
    """R18: an agent may have been silent for `lost_after`."""
    agent = pool.agents.get(agent_id)
    if agent is None or agent.lost_due != due:
        return False
    agent.lost_due = -1
    if not _silent_for(pool, agent, pool.config.lost_after, due):
        return False
    agents.lose(pool, step, agent)
    return True


def _silent_for(pool: Pool, agent: Agent, limit: int, due: int) -> bool:
    """Whether the agent has been silent for this long; if not, its timer is set to when it may be."""
    if not limit:
        return False
    if silence_since(pool, agent) + limit > due:
        arm_silence(pool, agent)
        return False
    return True
