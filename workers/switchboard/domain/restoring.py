"""A pool rebuilt from its rows: it decides from there on what the one that wrote them would have (I9)."""

from collections.abc import Iterable
from typing import Any, cast

from switchboard.domain import asking, timers
from switchboard.domain.pool import Pool
from switchboard.domain.reconfiguration import new_pool
from switchboard.domain.state import Agent, Chat, Remembered, Request

Value = dict[str, Any]


def restore_pool(
    pool_id: str,
    shard: int,
    configured: Value | None,
    agent_values: Iterable[Value],
    chat_values: Iterable[Value],
    *,
    clock: int,
    service: int,
) -> Pool:
    """Rebuild one pool at this time (ms) from the values of its rows."""
    pool = new_pool(pool_id, shard, None if configured is None else configured["config"])
    pool.configured_at = None if configured is None else configured["configured_at"]
    pool.set_time(clock, service)
    seats: list[tuple[Agent, str]] = []
    for value in agent_values:
        agent = _agent(pool, value)
        pool.agents[agent.id] = agent
        seats += [(agent, session["chat_id"]) for session in value["sessions"]]
    for value in chat_values:
        if value["stage"] == "closed":
            _remember(pool, value)
        else:
            chat = _chat(value)
            pool.chats[chat.id] = chat
            for agent_id, at in (chat.passed or {}).items():
                pool.passings.setdefault(agent_id, {})[chat.id] = at
            if chat.stage == "waiting":
                pool.waiting[chat.queue].chats.add((chat.arrived_at, *chat.position, chat))
    pool.forgets.extend(sorted((kept.until, key) for key, kept in pool.remembered.items() if kept.arrived))
    pool.early_forgets.extend(sorted((kept.until, key) for key, kept in pool.remembered.items() if not kept.arrived))
    for agent, chat_id in seats:
        chat = pool.chats[chat_id]
        chat.agent = agent
        agent.sessions[chat_id] = chat
        agent.undecided += chat.stage == "offered"
    timers.rebuild(pool)
    for agent in pool.agents.values():
        if asking.eligible(pool, agent):
            asking.stand_in_line(agent)
    return pool


def _agent(pool: Pool, value: Value) -> Agent:
    private = value["engine"]
    agent = Agent(value["agent_id"], pool.profiles[value["profile"]], private["lot"], private["last_sign"])
    agent.own_mode, agent.own_max_sessions = private["own_mode"], private["own_max_sessions"]
    agent.mode, agent.max_sessions = value["mode"], value["max_sessions"]
    agent.available = private["available"]
    agent.absent = value["status"] == "absent"
    agent.silent = private["silent"]
    agent.returns = private["returns"]
    agent.had_offer = private["had_offer"]
    agent.last_offer = private["last_offer"]
    agent.missed = private["missed"]
    agent.recent.extend(private["recent"])
    pool.silent += agent.silent
    if value["request"] is not None:
        at, frame, index = private["request"]
        public = value["request"]
        agent.request = Request(public["origin"], at, public["requested_at"], (frame, index))
        pool.requests += 1
    return agent


def _chat(value: Value) -> Chat:
    private = value["engine"]
    return Chat(
        id=value["chat_id"],
        queue=value["queue"],
        arrived_at=private["arrived_at"],
        arrived_text=value["arrived_at"],
        position=cast("tuple[int, int]", tuple(private["position"])),
        entered_queue=private["entered_queue"],
        entered_at=private["entered_at"],
        overflowed=private["overflowed"],
        stage=value["stage"],
        stage_mark=cast("tuple[int, int]", tuple(private["mark"])),
        offer_id=value["offer_id"],
        attempt=value["attempt"],
        offered_at=private["offered_at"],
        expires=private["expires"],
        wrapping_since=private["wrapping_since"],
        passed=private["passed"] or None,
    )


def _remember(pool: Pool, value: Value) -> None:
    private = value["engine"]
    pool.remembered[value["chat_id"]] = Remembered(private["until"], arrived=private["arrived"])
