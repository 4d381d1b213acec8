"""A crowd of customers and agents that reacts to the router's decisions with events.

Pure: the crowd does no I/O and reads no clock, and the same code runs against a bus in real time and against the engine
in virtual time. The same seed and the same decisions give the same events. The draws for a chat or agent do not depend
on the order of decisions.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any, Final

from switchboard.domain.decisions import Decision
from switchboard.domain.engine import Engine
from switchboard.domain.events import Event, Frame
from switchboard.domain.rfc3339 import parse_ms
from switchboard.simulation import actions
from switchboard.simulation.cast import Cast
from switchboard.simulation.people import Behaviour, DrawnPeople, People, SeededRandom
from switchboard.simulation.scene import Agent, Chat, Outgoing, PlannedAction, Scene

LOGIN_SPREAD_MS: Final = 2000
"""Agents log in within this time after the start: spread logins keep the tie-break from deciding about all agents."""


class Crowd:
    """Customers and agents of one simulation. All times are in ms since 1970.

    Call `start` once, then `observe` each decision and `due` whenever `next_due` has come; both take a time that never
    goes back.
    """

    def __init__(
        self, cast: Cast, people: Behaviour | People, arrivals: Iterator[int], *, seed: str, label: str
    ) -> None:
        """Create a crowd that is not started.

        Args:
            cast: Lines and agents.
            people: Behaviour to draw people from, with chats `LABEL-000001` and so on, or recorded people.
            arrivals: Times of arrivals in ms since the start, ascending.
            seed: Seed of all draws.
            label: Prefix of chat ids.
        """
        random = SeededRandom(seed)
        drawn = DrawnPeople(people, random, cast, label) if isinstance(people, Behaviour) else people
        self.scene = Scene(people=drawn, random=random, cast=cast, label=label)
        self._arrivals = arrivals

    def start(self, now: int) -> None:
        """Start the simulation: the agents log in, and customers begin to arrive."""
        scene = self.scene
        scene.started = now
        for post in scene.cast.posts:
            rng = scene.random.generator("agent", post.agent_id)
            agent = scene.agents[post.agent_id] = Agent(post=post, rng=rng, mode=post.mode)
            if post.plan:
                actions.plan_event(scene, agent, 0)
            else:
                scene.schedule.plan(now + int(rng.random() * LOGIN_SPREAD_MS), PlannedAction("log-in", post.agent_id))
        self._expect_arrival()

    def next_due(self) -> int | None:
        """Return the time of the next known action, ms since 1970; None without further actions."""
        return self.scene.schedule.next_due()

    def due(self, now: int) -> list[Outgoing]:
        """Do all actions due by `now`, and return the events not returned before, in order."""
        schedule = self.scene.schedule
        while (taken := schedule.pop_due(now)) is not None:
            self._do(*taken)
        events, schedule.outbox = schedule.outbox, []
        return events

    def observe(self, decision: Mapping[str, Any], now: int) -> None:
        """React to one decision, as published; decisions about unknown agents and chats are ignored."""
        react = _REACTIONS.get(decision["type"])
        if react is not None:
            react(self.scene, decision, now)

    def end(self, now: int) -> list[Outgoing]:
        """End the simulation: waiting customers give up, agents release their chats and log out."""
        scene = self.scene
        for chat in list(scene.chats.values()):
            if chat.is_simulated:
                event_type = "chat-abandoned" if chat.stage in ("waiting", "offered") else "chat-released"
                scene.schedule.send(now, event_type, {"chat_id": chat.chat_id, "pool": chat.pool})
        for agent in scene.agents.values():
            if agent.presence != "logged-out":
                about = {"agent_id": agent.post.agent_id, "pool": agent.post.pool}
                scene.schedule.send(now, "agent-logged-out", about)
        scene.schedule.heap.clear()
        events, scene.schedule.outbox = scene.schedule.outbox, []
        return events

    def _do(self, at: int, action: PlannedAction) -> None:
        scene = self.scene
        chat, agent, version = scene.chats.get(action.subject_id), scene.agents.get(action.subject_id), action.version
        match action.kind:
            case "arrive":
                actions.arrive(scene, at)
                self._expect_arrival()
            case "abandon" if chat:
                actions.abandon(scene, chat, at, version)
            case "end-conversation" if chat:
                actions.end_conversation(scene, chat, at, version)
            case "release" if chat and chat.agent_id in scene.agents:
                actions.release(scene, scene.agents[chat.agent_id], chat, at, version)
            case "answer" if agent:
                actions.answer(scene, agent, at, action.chat_id, version)
            case "log-in" if agent:
                actions.log_in(scene, agent, at)
            case "heartbeat" if agent:
                actions.heartbeat(scene, agent, at)
            case "start-absence" | "log-out" | "end-absence" | "click" | "planned-event" if agent:
                _PRESENCE[action.kind](scene, agent, at, version)
            case _:  # an action for a closed chat
                pass

    def _expect_arrival(self) -> None:
        after = next(self._arrivals, None)
        if after is not None:
            self.scene.schedule.plan(self.scene.started + after, PlannedAction("arrive", ""))


_PRESENCE: Final[Mapping[str, Callable[[Scene, Agent, int, int], None]]] = {
    "start-absence": actions.start_absence,
    "log-out": actions.log_out,
    "end-absence": actions.end_absence,
    "click": actions.click,
    "planned-event": actions.send_planned,
}


def _assigned(scene: Scene, decision: Mapping[str, Any], now: int) -> None:
    agent = scene.agents.get(decision["agent_id"])
    chat = scene.chats.get(decision["chat_id"])
    if chat is None and agent is None:
        return
    if chat is None:
        chat = Chat(chat_id=decision["chat_id"], pool=decision["pool"], is_simulated=False)
        scene.chats[chat.chat_id] = chat
    # An offer during a conversation or wrap-up is a transfer to an agent (R16).
    if chat.stage in ("active", "wrapping"):
        _hand_back(scene, chat, now)
        actions.start_wait(scene, chat, now)
    chat.stage, chat.agent_id = "offered", decision["agent_id"]
    if agent is not None:
        agent.max_sessions = decision["max_sessions"]
        if decision["origin"] == "manual":
            agent.has_request = False
        duration = parse_ms(decision["expires_at"]) - parse_ms(decision["at"])
        actions.plan_answer(scene, agent, decision, now, duration)
        actions.plan_next(scene, agent, now)


def _confirmed(scene: Scene, decision: Mapping[str, Any], now: int) -> None:
    agent, chat = scene.agents.get(decision["agent_id"]), scene.chats.get(decision["chat_id"])
    if chat is None:
        return
    chat.agent_id = decision["agent_id"]
    actions.start_conversation(scene, chat, now)
    if agent is not None:
        agent.offers.pop(chat.chat_id, None)
        agent.chats.add(chat.chat_id)
        actions.plan_next(scene, agent, now)


def _ended(scene: Scene, decision: Mapping[str, Any], now: int) -> None:
    agent, chat = scene.agents.get(decision["agent_id"]), scene.chats.get(decision["chat_id"])
    if chat is not None:
        chat.stage, chat.agent_id = "waiting", None
    if agent is not None:
        agent.offers.pop(decision["chat_id"], None)
        actions.plan_next(scene, agent, now)


def _requeued(scene: Scene, decision: Mapping[str, Any], now: int) -> None:
    chat = scene.chats.get(decision["chat_id"])
    if chat is None:
        return
    if chat.stage in ("active", "wrapping"):
        _hand_back(scene, chat, now)
        actions.start_wait(scene, chat, now)
    chat.stage, chat.agent_id = "waiting", None


def _wrapping(scene: Scene, decision: Mapping[str, Any], now: int) -> None:
    agent, chat = scene.agents.get(decision["agent_id"]), scene.chats.get(decision["chat_id"])
    if agent is not None and chat is not None:
        actions.start_wrap_up(scene, agent, chat, now)


def _closed(scene: Scene, decision: Mapping[str, Any], now: int) -> None:
    chat = scene.chats.pop(decision["chat_id"], None)
    if chat is not None:
        _hand_back(scene, chat, now)


def _hand_back(scene: Scene, chat: Chat, now: int) -> None:
    """Free the session that the chat occupied."""
    agent = scene.agents.get(chat.agent_id) if chat.agent_id is not None else None
    if agent is not None:
        agent.chats.discard(chat.chat_id)
        agent.offers.pop(chat.chat_id, None)
        actions.plan_next(scene, agent, now)


def _request_rejected(scene: Scene, decision: Mapping[str, Any], now: int) -> None:
    agent = scene.agents.get(decision["agent_id"])
    if agent is not None:
        agent.has_request = False
        # At capacity, the end of the next chat plans a new request.
        if decision["reason"] != "at-capacity":
            actions.plan_next(scene, agent, now)


def _transfer_rejected(scene: Scene, decision: Mapping[str, Any], now: int) -> None:
    chat = scene.chats.get(decision["chat_id"])
    if chat is not None and chat.stage == "active":
        chat.transfer_refused = True
        scene.schedule.plan(now, PlannedAction("end-conversation", chat.chat_id, version=chat.handling))


def _made_unavailable(scene: Scene, decision: Mapping[str, Any], now: int) -> None:
    agent = scene.agents.get(decision["agent_id"])
    if agent is not None:
        actions.made_unavailable(scene, agent, now)


_REACTIONS: Final[Mapping[str, Callable[[Scene, Mapping[str, Any], int], None]]] = {
    "chat-assigned": _assigned,
    "assignment-confirmed": _confirmed,
    "assignment-ended": _ended,
    "chat-requeued": _requeued,
    "chat-wrapping": _wrapping,
    "chat-closed": _closed,
    "request-rejected": _request_rejected,
    "transfer-rejected": _transfer_rejected,
    "agent-made-unavailable": _made_unavailable,
}

Watch = Callable[[Frame, list[Decision]], None]
"""Called with each frame and the frame's decisions, after the engine applied the frame."""


def play(crowd: Crowd, engine: Engine, start: int, end: int, watch: Watch = lambda _frame, _decisions: None) -> int:
    """Run a crowd against an engine in virtual time, from `start` to `end` in ms since 1970.

    An event takes about 40 us with drawn people.

    Args:
        crowd: a crowd that is not started.
        engine: a new engine, or one that has applied frames up to `start`, such as a configuration.
        start: ms since 1970.
        end: ms since 1970.
        watch: called with each frame.

    Returns:
        Number of events.
    """
    events = 0
    now = start
    numbers = count(engine.frame + 1)

    def step(at: int, happened: list[Event]) -> None:
        nonlocal now
        frame = Frame(next(numbers), at, at - now, happened)
        now = at
        decisions = engine.apply(frame).decisions
        for decision in decisions:
            crowd.observe(vars(decision), at)
        watch(frame, decisions)

    crowd.start(start)
    while True:
        due = crowd.next_due()
        timer = engine.next_due()
        timer_at = None if timer is None else now + max(0, timer - engine.service)
        at = min((each for each in (due, timer_at) if each is not None), default=end)
        if at >= end:
            step(end, [])
            return events
        if due is None or (timer_at is not None and timer_at < due):
            step(at, [])
            continue
        for event in crowd.due(at):
            events += 1
            step(at, [_event(event)])


def _event(event: Outgoing) -> Event:
    data = event.body.copy()
    return Event(event.type, data.pop("pool"), data)
