"""Passing time and the settle: timers that fire (R1), follow-ups (R3, R11) and the match of requests and chats (R6).

The match checks only the agents and chats that changed after the last settle.
"""

from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heapreplace

from switchboard.audit import agent_rules, chat_rules
from switchboard.audit.audited_pool import (
    ABSENT,
    DELAY_OVER,
    EXPIRY,
    LOST,
    OVERFLOW,
    TIMEOUT,
    Agent,
    Chat,
    Expected,
    Place,
    Pool,
    RequestKey,
)
from switchboard.audit.audited_timers import arm_silence, queue_limits, silent_since, wrap_up_due
from switchboard.audit.decision_check import DecisionCheck


def pass_time(check: DecisionCheck, at: int, end: int) -> None:
    """Fire the timers that are due up to a service time, and expect their decisions (R1).

    Args:
        check: Check of the pool; the pool's clock and service time move on.
        at: Latest clock of a decision, ms since 1970.
        end: Service time at the end of the passage, ms.
    """
    pool = check.pool
    clock, start = pool.clock, pool.service
    while True:
        timers, wakes = pool.timers, pool.wakes
        if pool.touched and not (timers and timers[0] < (pool.service, DELAY_OVER)):
            settle(check)  # R5: a delay or cool-down is over, and no timer comes before in R1's list
            continue
        heads = [heap[0][0] for heap in (timers, wakes) if heap]
        if not heads or (due := min(heads)) > end:
            break
        pool.service = max(due, pool.service)  # R20: a timer that a configuration made overdue fires now
        pool.clock = max(clock, min(clock + pool.service - start, at))
        if not _wake(pool) and (work := fire(pool, *heappop(timers))) is not None:
            for expected in work:
                check.expect(expected)
            settle(check)
    pool.service = end


def settle(check: DecisionCheck) -> None:
    """Expect the decisions that follow from an event or a timer (R3)."""
    pool = check.pool
    if pool.ended:
        _limit_waits(check)
    trying = _follow_up(check) if pool.touched else []
    if not trying and not pool.fresh:
        return
    fresh, pool.fresh = pool.fresh, []
    _match(check, trying, fresh)


def _wake(pool: Pool) -> bool:
    """Touch the agents whose delay or re-offer cool-down is over (R5).

    Returns:
        True if any entry was due.
    """
    woken = False
    while pool.wakes and pool.wakes[0][0] <= pool.service:
        agent = pool.agents.get(heappop(pool.wakes)[1])
        if agent is not None:
            pool.touched[agent.id] = agent
        woken = True
    return woken


def fire(pool: Pool, due: int, kind: int, subject: str) -> Iterator[Expected] | None:
    """Return the expected decisions of a due timer; None for a stale timer, after which no settle follows.

    Args:
        pool: Pool of the timer.
        due: Service time of the timer, ms.
        kind: Kind of the timer, as in R1's list.
        subject: Id of the chat or agent.
    """
    if kind in (ABSENT, LOST):
        return _limit_silence(pool, due, kind, subject)
    chat = pool.chats.get(subject)
    if chat is None:
        return None
    if kind in (OVERFLOW, TIMEOUT):
        is_valid = chat.stage == "waiting" and (due, kind, subject) in queue_limits(pool, chat)
        return limit_wait(pool, chat, kind) if is_valid else None
    if kind == EXPIRY:
        is_valid = chat.stage == "offered" and chat.expires == due
        return chat_rules.expired(pool, chat, chat.agent) if is_valid and chat.agent is not None else None
    return _release(pool, chat) if chat.stage == "wrapping" and wrap_up_due(chat) == due else None


def limit_wait(pool: Pool, chat: Chat, kind: int) -> Iterator[Expected]:
    """Close a chat that waited too long, or move the chat to the overflow queue (R17)."""
    if kind == TIMEOUT:
        yield ("I4", "R17"), chat_rules.closed(pool, chat, "queue-timed-out")
    else:
        target = pool.config.queues[chat.entered_queue].overflow_to
        yield ("I4", "R17"), chat_rules.requeued(pool, chat, target, "overflow")


def _release(pool: Pool, chat: Chat) -> Iterator[Expected]:
    """Close a chat whose wrap-up reached `wrap_up_limit` (R15)."""
    yield ("I4", "R15"), chat_rules.closed(pool, chat, "concluded")


def _limit_silence(pool: Pool, due: int, kind: int, agent_id: str) -> Iterator[Expected] | None:
    """Make a silent agent absent or lost, or start the timer anew if the agent has given a sign (R18).

    Returns:
        The expected decisions; None if the timer is stale or the limit is not reached.
    """
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
    return (
        agent_rules.become_absent(pool, agent, "silent")
        if kind == ABSENT
        else agent_rules.leave(pool, agent, "agent-lost")
    )


def _limit_waits(check: DecisionCheck) -> None:
    """Fire the queue timers of chats that came due during an offer that has just ended (R3)."""
    pool = check.pool
    for _ in range(3 * len(pool.ended)):  # two limits a chat; bounded, for a log without the decisions changes no state
        due = [timer for chat in pool.ended for timer in _limits_due(pool, chat)]
        if not due:
            break
        _, kind, chat_id = min(due)
        for expected in limit_wait(pool, pool.chats[chat_id], kind):
            check.expect(expected)
    pool.ended.clear()


def _limits_due(pool: Pool, chat: Chat) -> list[tuple[int, int, str]]:
    if chat.stage != "waiting":
        return []
    return [timer for timer in queue_limits(pool, chat) if timer[0] <= pool.service]


def _follow_up(check: DecisionCheck) -> list[Agent]:
    """Expect the requests of push agents, in order of agent ids (R11).

    Returns:
        The changed agents that have an eligible request.
    """
    pool = check.pool
    touched, pool.touched = pool.touched, {}
    for agent_id in sorted(touched):
        if (agent := touched[agent_id]) is pool.agents.get(agent_id) and _wants_a_chat(agent):
            check.expect((("I8", "R11"), chat_rules.requested(pool, agent)))
    touched |= pool.touched
    pool.touched = {}
    return [agent for agent in touched.values() if pool.refresh_request_line(agent)]


def _wants_a_chat(agent: Agent) -> bool:
    """True for a push agent who is available, with a free session, no request and no undecided offer (I8)."""
    return (
        agent.request is None
        and agent.available
        and agent.mode == "push"
        and agent.has_room
        and not agent.has_open_offer()
    )


def _match(check: DecisionCheck, trying: list[Agent], fresh: list[Chat]) -> None:
    """Expect one offer after another, until no eligible request can be served (R6, I5)."""
    pool = check.pool
    matching = Matching(pool, trying, fresh)
    while True:
        check.book_doubtful_offers()
        _refresh_touched(pool)
        pair = matching.next()
        if pair is None:
            return
        agent, chat = pair
        origin = agent.request.origin if agent.request is not None else ""
        check.expect((("I5", "R6"), chat_rules.assigned(pool, chat, agent, origin)))
        _refresh_touched(pool)


def _refresh_touched(pool: Pool) -> None:
    for agent in pool.touched.values():
        pool.refresh_request_line(agent)
    pool.touched.clear()


class Matching:
    """The match of one settle.

    Before the settle, no request could be served. A request that can be served now is therefore new, or the chat has
    just begun to wait. During the match, requests and waiting chats only disappear: stale heap entries are dropped when
    popped.
    """

    def __init__(self, pool: Pool, trying: Iterable[Agent], fresh: Iterable[Chat]) -> None:
        self._pool = pool
        self._agents = [agent.request_line_key for agent in trying if agent.request_line_key is not None]
        heapify(self._agents)
        self._chats: list[tuple[RequestKey, Place]] = []
        for chat in fresh:
            key = self._requester(chat.place)
            if key is not None:
                self._chats.append((key, chat.place))
        heapify(self._chats)

    def next(self) -> tuple[Agent, Chat] | None:
        """Return the next offer that the rules call for; None if no eligible request can be served."""
        served = min(filter(None, (self._first_agent(), self._first_for_chats())), default=None)
        if served is None:
            return None
        agent = self._pool.agents[served[4]]
        chat = self._pool.next_chat(agent)
        return (agent, chat) if chat is not None else None

    def _first_agent(self) -> RequestKey | None:
        pool = self._pool
        while self._agents:
            key = self._agents[0]
            agent = pool.agents.get(key[4])
            is_asking = agent is not None and agent.request_line_key == key and agent.id not in pool.doubtful_agents
            if agent is not None and is_asking and pool.next_chat(agent) is not None:
                return key
            heappop(self._agents)
        return None

    def _first_for_chats(self) -> RequestKey | None:
        while self._chats:
            key, place = self._chats[0]
            now = self._requester(place)
            if now == key:
                return key
            if now is None:
                heappop(self._chats)
            else:
                heapreplace(self._chats, (now, place))
        return None

    def _requester(self, place: Place) -> RequestKey | None:
        chat = self._pool.chats.get(place[3])
        if chat is None or chat.stage != "waiting" or chat.id in self._pool.doubtful_chats:
            return None
        return first_requester(self._pool, chat)


def first_requester(pool: Pool, chat: Chat) -> RequestKey | None:
    """Return the first eligible request, in agent order, whose agent may take the chat (R5, R7); None if none may."""
    best: RequestKey | None = None
    for queues, line in pool.request_lines.items():
        if chat.queue not in queues:
            continue
        for key in line:
            if best is not None and key > best:
                break
            agent = pool.agents[key[4]]
            if agent.id not in pool.doubtful_agents and agent.may_take(chat, pool.service):
                best = key
                break
    return best
