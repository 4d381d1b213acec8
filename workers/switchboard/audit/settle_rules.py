"""R6: who is to be given which chat next, of all who ask. Only what has changed is looked at."""

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


def first_asker(pool: Pool, chat: Chat) -> RequestKey | None:
    """The first in agent order of those with an eligible request who may take the chat (R5, R7)."""
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


class Matching:
    """One settle's matching.

    Before it nobody could be served, so whoever can be served now has just begun to ask, or is given a chat that has
    just begun to wait. While it goes on, agents only stop asking and chats only stop waiting: both heaps are lazy.
    """

    def __init__(self, pool: Pool, trying: Iterable[Agent], fresh: Iterable[Chat]) -> None:
        self._pool = pool
        self._agents = [agent.request_line_key for agent in trying if agent.request_line_key is not None]
        heapify(self._agents)
        self._chats: list[tuple[RequestKey, Place]] = []
        for chat in fresh:
            key = self._asker(chat.place)
            if key is not None:
                self._chats.append((key, chat.place))
        heapify(self._chats)

    def next(self) -> tuple[Agent, Chat] | None:
        """The next offer that the rules call for; None: no eligible request can be served."""
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
            now = self._asker(place)
            if now == key:
                return key
            if now is None:
                heappop(self._chats)
            else:
                heapreplace(self._chats, (now, place))
        return None

    def _asker(self, place: Place) -> RequestKey | None:
        chat = self._pool.chats.get(place[3])
        if chat is None or chat.stage != "waiting" or chat.id in self._pool.doubtful_chats:
            return None
        return first_asker(self._pool, chat)


def fire(pool: Pool, due: int, kind: int, subject: str) -> Iterator[Expected] | None:
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
        return chat_rules.expired(pool, chat, chat.agent) if is_meant and chat.agent is not None else None
    return _release(pool, chat) if chat.stage == "wrapping" and wrap_up_due(chat) == due else None


def limit_wait(pool: Pool, chat: Chat, kind: int) -> Iterator[Expected]:
    """R17: a chat has waited too long, or long enough to overflow."""
    if kind == TIMEOUT:
        yield ("I4", "R17"), chat_rules.closed(pool, chat, "queue-timed-out")
    else:
        target = pool.config.queues[chat.entered_queue].overflow_to
        yield ("I4", "R17"), chat_rules.requeued(pool, chat, target, "overflow")


def _release(pool: Pool, chat: Chat) -> Iterator[Expected]:
    """R15: `wrap_up_limit` releases by itself."""
    yield ("I4", "R15"), chat_rules.closed(pool, chat, "concluded")


def _limit_silence(pool: Pool, due: int, kind: int, agent_id: str) -> Iterator[Expected] | None:
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
    return (
        agent_rules.become_absent(pool, agent, "silent")
        if kind == ABSENT
        else agent_rules.leave(pool, agent, "agent-lost")
    )


def settle(check: DecisionCheck) -> None:
    """Hold the log against what R3 has follow now."""
    pool = check.pool
    if pool.ended:
        _limit_waits(check)
    trying = _follow_up(check) if pool.touched else []
    if not trying and not pool.fresh:
        return
    fresh, pool.fresh = pool.fresh, []
    _match(check, trying, fresh)


def _limit_waits(check: DecisionCheck) -> None:
    """R3: queue timers already due, of chats whose offer has just ended."""
    pool = check.pool
    for _ in range(3 * len(pool.ended)):  # two limits a chat; where the log has neither nothing changes
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
    """R11, agents in id order; those of them who ask and could be served."""
    pool = check.pool
    touched, pool.touched = pool.touched, {}
    for agent_id in sorted(touched):
        if (agent := touched[agent_id]) is pool.agents.get(agent_id) and _wants_a_chat(agent):
            check.expect((("I8", "R11"), chat_rules.requested(pool, agent)))
    touched |= pool.touched
    pool.touched = {}
    return [agent for agent in touched.values() if pool.refresh_request_line(agent)]


def _wants_a_chat(agent: Agent) -> bool:
    """I8: push, available, a session free, no request, no undecided offer."""
    return (
        agent.request is None
        and agent.available
        and agent.mode == "push"
        and agent.has_room
        and not agent.has_open_offer()
    )


def _match(check: DecisionCheck, trying: list[Agent], fresh: list[Chat]) -> None:
    """R6: one offer after another, until no eligible request can be served (I5)."""
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


def pass_time(check: DecisionCheck, at: int, end: int) -> None:
    """Hold the log against what the timers call for up to the service time `end`; the clock never passes `at`."""
    pool = check.pool
    clock, start = pool.clock, pool.service
    while True:
        timers, wakes = pool.timers, pool.wakes
        if pool.touched and not (timers and timers[0] < (pool.service, DELAY_OVER)):
            settle(check)  # R5: a delay or a passing is over, and it is its turn
            continue
        heads = [heap[0][0] for heap in (timers, wakes) if heap]
        if not heads or (due := min(heads)) > end:
            break
        pool.service = max(due, pool.service)  # R20: one made overdue fires now
        pool.clock = max(clock, min(clock + pool.service - start, at))
        if not _wake(pool) and (work := fire(pool, *heappop(timers))) is not None:
            for expected in work:
                check.expect(expected)
            settle(check)
    pool.service = end


def _wake(pool: Pool) -> bool:
    """R5: delays and passes are over as soon as service time has reached them."""
    woken = False
    while pool.wakes and pool.wakes[0][0] <= pool.service:
        agent = pool.agents.get(heappop(pool.wakes)[1])
        if agent is not None:
            pool.touched[agent.id] = agent
        woken = True
    return woken
