"""Matching: which request gets which chat (R6, R7, R8).

After each settle no eligible request can be served (I5). So matching looks only at what has changed since: requests
that have become eligible, agents whose re-offer cool-down has ended, and chats that have started to wait. An event
costs about the same however many chats and agents wait.
"""

from itertools import chain
from typing import Final

from switchboard.domain import offers
from switchboard.domain.offers import offer
from switchboard.domain.pool import Pool
from switchboard.domain.state import Agent, AgentKey, Chat, WaitingLine
from switchboard.domain.step import Step

_WHOLE_PASS: Final = 64
"""With more changes, one pass over all requests is cheaper than `_serve_changed`, which checks all changes again after
each offer."""


def match(pool: Pool, step: Step) -> None:
    """R6: serve the eligible requests in agent order until none can be served."""
    trying, fresh = step.trying, step.fresh
    step.trying, step.fresh = {}, []
    if len(fresh) > 1:
        fresh = list({chat.id: chat for chat in fresh if chat.stage == "waiting"}.values())
    if step.rematch or len(trying) + len(fresh) > _WHOLE_PASS:
        step.rematch = False
        for agent in trying.values():
            offers.join_line(agent)
        _serve_all(pool, step)
    elif not fresh:
        _serve_agents(pool, step, trying)
    elif not trying and len(fresh) == 1:
        _serve_chat(pool, step, fresh[0])
    else:
        _serve_changed(pool, step, trying, list(fresh))


def _serve_agents(pool: Pool, step: Step, trying: dict[str, Agent]) -> None:
    """R6 if only requests have changed: find the next chat of the agent."""
    if len(trying) > 1:
        _serve_changed(pool, step, trying, [])
        return
    for agent in trying.values():
        chat = next_chat(pool, step, agent)
        if chat is None:
            offers.join_line(agent)
        else:
            offer(pool, step, agent, chat)


def _serve_chat(pool: Pool, step: Step, chat: Chat) -> None:
    """R6 if one chat has started to wait, and nothing else has changed: find the first agent for the chat."""
    if chat.stage != "waiting":
        return
    key = _first_agent(pool, step, chat)
    if key is not None:
        offer(pool, step, key[-1], chat)


def _serve_changed(pool: Pool, step: Step, trying: dict[str, Agent], fresh: list[Chat]) -> None:
    """R6 for several changes: serve the first in agent order of the agents concerned, then look at the rest again."""
    for agent in trying.values():
        offers.join_line(agent)
    while trying or fresh:
        candidates: list[AgentKey] = []
        for chat in list(fresh):
            key = _first_agent(pool, step, chat) if chat.stage == "waiting" else None
            if key is None:
                fresh.remove(chat)
            else:
                candidates.append(key)
        for agent in list(trying.values()):
            if agent.key is None or next_chat(pool, step, agent) is None:
                del trying[agent.id]
            else:
                candidates.append(agent.key)
        if not candidates:
            return
        agent = min(candidates)[-1]
        found = next_chat(pool, step, agent)
        if found is None:
            raise AssertionError(f"R6: agent {agent.id} was found able to take a chat, and then was not")
        offer(pool, step, agent, found)


def _serve_all(pool: Pool, step: Step) -> None:
    """R6 for any number of changes: one pass over all requests. An offer never makes an earlier request servable."""
    lines = {id(line): line for line in chain.from_iterable(pool.index.request_lines.values())}
    for key in sorted(chain.from_iterable(line.agents for line in lines.values())):
        chat = next_chat(pool, step, key[-1])
        if chat is not None:
            offer(pool, step, key[-1], chat)


def _first_agent(pool: Pool, step: Step, chat: Chat) -> AgentKey | None:
    """The key of the first agent in agent order whose request could be served with the chat; None if there is none."""
    best: AgentKey | None = None
    passed = chat.passed
    for line in pool.index.request_lines.get(chat.queue, ()):
        if not passed:
            first = line.agents.first()
        else:
            first = next((key for key in line.agents if not _passes_over(key[-1], passed, step.service)), None)
        if first is not None and (best is None or first < best):
            best = first
    return best


def _passes_over(agent: Agent, passed: dict[str, int], now: int) -> bool:
    at = passed.get(agent.id)
    return at is not None and at + agent.profile.config.reoffer_after > now


def next_chat(pool: Pool, step: Step, agent: Agent) -> Chat | None:
    """R8: the chat that the agent gets next; None if no waiting chat may be offered to it."""
    config = agent.profile.config
    strict = config.pull_policy == "strict-priority"
    starving = config.starvation_limit
    passings = pool.index.passings.get(agent.id)
    # `best`: the first chat in waiting order over all queues; `ranked`: that of the best-ranked queue with a chat.
    best: tuple[int, int, int, Chat] | None = None
    ranked: tuple[int, int, int, Chat] | None = None
    for line in agent.profile.lines:
        if not line.chats.size:
            continue
        first = line.chats.first() if not passings else _first_not_passed(agent, line, passings, step.service)
        if first is None:
            continue
        if strict and not starving:
            return first[3]
        if ranked is None:
            ranked = first
        if best is None or first < best:
            best = first
    if best is None:
        return None
    if strict and ranked is not None and step.clock - best[0] < starving:
        return ranked[3]
    return best[3]


def _first_not_passed(
    agent: Agent, line: WaitingLine, passings: dict[str, int], now: int
) -> tuple[int, int, int, Chat] | None:
    reoffer_after = agent.profile.config.reoffer_after
    for entry in line.chats:
        at = passings.get(entry[3].id)
        if at is None or at + reoffer_after <= now:
            return entry
    return None
