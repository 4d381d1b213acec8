"""Requests of agents (R5, R7, R11), and offers: how an offer starts (R9) and the ways in which it ends (R10)."""

from heapq import heappush
from typing import Literal

from switchboard.domain import timers
from switchboard.domain.decisions import (
    AgentMadeUnavailable,
    AgentOrder,
    AssignmentConfirmed,
    AssignmentEnded,
    ChatAssigned,
    ChatRequested,
    ChatRequeued,
    OfferEnd,
    Requeue,
    Why,
)
from switchboard.domain.pool import Pool
from switchboard.domain.rfc3339 import MAX_MS, format_ms
from switchboard.domain.state import Agent, AgentKey, Chat, Request
from switchboard.domain.step import Step
from switchboard.domain.timers import Kind, arm_delay


def make_request(pool: Pool, step: Step, agent: Agent) -> None:
    """Give the agent a request, made at the present clock and position."""
    agent.request = Request("manual", step.clock, step.at, step.position)
    pool.index.requests += 1
    step.touch(agent)


def withdraw(pool: Pool, step: Step, agent: Agent) -> None:
    """Withdraw the agent's outstanding request, if any."""
    if agent.request is not None:
        agent.request = None
        pool.index.requests -= 1
        step.touch(agent)


def follow_up(pool: Pool, step: Step, agent: Agent) -> None:
    """R11: request a chat for an agent in push mode that could take one and has no request."""
    if (
        agent.mode == "push"
        and agent.request is None
        and not agent.undecided
        and agent.available
        and not agent.absent
        and len(agent.sessions) < agent.max_sessions
    ):
        step.decide(ChatRequested, agent.id, step.next_id(), step.at, "push")
        agent.request = Request("push", step.clock, step.at, step.position)
        pool.index.requests += 1
        step.changed_agents[agent.id] = None


def eligible(agent: Agent, now: int) -> bool:
    """R5: True if the agent's request may be served now. Sets no timer: `arm_delay` has done that."""
    if agent.request is None or not agent.available or agent.absent or len(agent.sessions) >= agent.max_sessions:
        return False
    over = timers.delay_over(agent)
    return over is None or over <= now


def place(agent: Agent) -> AgentKey:
    """R7: the place of an agent in the request line: by lot until the first offer, then by the age of the request."""
    request = agent.request
    if request is None:
        raise ValueError(f"agent {agent.id} asks for nothing")
    if agent.had_offer:
        return (1, request.at, *request.position, agent.id, agent)
    return (0, agent.lot, agent.id, agent)


def join_line(agent: Agent) -> None:
    """Put an agent with an eligible request into its request line, or move the agent to its new place there."""
    key = place(agent)
    if key != agent.key:
        leave_line(agent)
        agent.profile.request_line.agents.add(key)
        agent.key = key


def leave_line(agent: Agent) -> None:
    """Remove an agent from its request line; no effect if the agent is not there."""
    if agent.key is not None:
        agent.profile.request_line.agents.remove(agent.key)
        agent.key = None


def refresh(step: Step, agent: Agent) -> None:
    """Have a changed agent matched if its request is eligible; else remove the agent from the request line."""
    if eligible(agent, step.service):
        step.trying[agent.id] = agent
    else:
        # `_wake` may have added the agent to `trying` just before a timer of the same moment withdrew its request.
        step.trying.pop(agent.id, None)
        if agent.key is not None:
            leave_line(agent)


def offer(pool: Pool, step: Step, agent: Agent, chat: Chat, *, transfer: bool = False) -> None:
    """R9: offer a chat to an agent, for its request; a transfer needs no request (R16)."""
    profile = agent.profile
    config = profile.config
    # Counted before the offer changes anything, for `why`.
    waiting = 0
    for line in profile.lines:
        waiting += line.chats.size
    requests = pool.index.requests
    request = None if transfer else agent.request
    agent_order: AgentOrder = "transfer" if transfer else "oldest-request" if agent.had_offer else "lot"
    if pool.observer is not None:
        pool.observer.offering(pool, step, agent, chat, request)
    if chat.stage == "waiting":
        pool.leave_line(chat)
    if request is not None:
        agent.request = None
        pool.index.requests -= 1
    leave_line(agent)
    chat.attempt += 1
    chat.agent = agent
    chat.offered_at = step.clock
    chat.expires = step.service + config.offer_timeout
    step.mark(chat, "offered")
    agent.sessions[chat.id] = chat
    agent.undecided += 1
    agent.had_offer = True
    agent.last_offer = step.service
    arm_delay(pool, agent, step.service)
    step.changed_agents[agent.id] = None
    chat.offer_id = step.next_id()
    heappush(pool.index.timers, (chat.expires, Kind.OFFER_EXPIRY, chat.id))
    # By position: named, these 15 arguments take 0.9 us more, a tenth of the time of the event.
    step.decide(
        ChatAssigned,
        chat.offer_id,
        chat.id,
        agent.id,
        chat.queue,
        config.name,
        agent.mode,
        "transfer" if request is None else request.origin,
        chat.arrived_text,
        None if request is None else request.at_text,
        format_ms(min(step.clock + config.offer_timeout, MAX_MS)),
        (step.clock - chat.arrived_at) / 1000,
        chat.attempt,
        len(agent.sessions),
        agent.max_sessions,
        Why(config.pull_policy, agent_order, waiting, requests),
    )


def confirm(step: Step, chat: Chat, agent: Agent, *, automatic: bool) -> None:
    """R10: the offer is accepted. An acceptance by the agent resets its missed offers; an automatic one does not."""
    if not automatic:
        agent.missed = 0
    agent.undecided -= 1
    step.mark(chat, "active")
    step.touch(agent)
    step.decide(
        AssignmentConfirmed,
        chat.offer_id or "",
        chat.id,
        agent.id,
        chat.queue,
        automatic,
        (step.clock - chat.offered_at) / 1000,
    )


def end(pool: Pool, step: Step, chat: Chat, reason: OfferEnd) -> None:
    """End an offer that was not accepted. The caller then has the chat wait, closes it, or offers it again (R16)."""
    agent = chat.agent
    if agent is None:
        raise ValueError(f"chat {chat.id} is not offered")
    step.decide(AssignmentEnded, chat.offer_id or "", chat.id, agent.id, chat.queue, reason)
    pool.free_session(step, chat)


def requeue(pool: Pool, step: Step, chat: Chat, reason: Requeue) -> None:
    """Put a chat that is in no waiting line into the waiting line of its queue, and publish the reason."""
    pool.wait(step, chat)
    step.decide(ChatRequeued, chat.id, chat.queue, reason)


def enter_queue(step: Step, chat: Chat, queue: str) -> None:
    """Assign a chat to a queue and restart the limits of the queue (R17)."""
    chat.queue = chat.entered_queue = queue
    chat.entered_at = step.service
    chat.overflowed = False
    chat.armed = False


def decline(pool: Pool, step: Step, chat: Chat, agent: Agent) -> None:
    """R10: the agent declines; the chat waits again, and a re-offer cool-down starts for agent and chat (R5)."""
    pool.pass_over(step, agent, chat)
    _end_and_requeue(pool, step, chat, "declined")


def miss(pool: Pool, step: Step, chat: Chat, agent: Agent) -> None:
    """R10: the offer expires unanswered; an agent that misses too many offers in a row becomes unavailable."""
    pool.pass_over(step, agent, chat)
    _end_and_requeue(pool, step, chat, "missed")
    agent.missed += 1
    limit = agent.profile.config.max_missed_offers
    if limit and agent.missed >= limit:
        agent.missed = 0
        agent.available = False
        agent.returns = True
        step.decide(AgentMadeUnavailable, agent.id, "missed-offers")
        stand_down(pool, step, agent, "agent-unavailable")


def stand_down(
    pool: Pool,
    step: Step,
    agent: Agent,
    reason: Literal["agent-unavailable", "agent-absent", "agent-lost", "agent-logged-out"],
) -> None:
    """R18: the agent gets no more chats: withdraw its request and its undecided offers."""
    withdraw(pool, step, agent)
    step.touch(agent)
    for chat in [held for held in agent.sessions.values() if held.stage == "offered"]:
        _end_and_requeue(pool, step, chat, reason)


def _end_and_requeue(
    pool: Pool,
    step: Step,
    chat: Chat,
    reason: Literal["declined", "missed", "agent-unavailable", "agent-absent", "agent-lost", "agent-logged-out"],
) -> None:
    """End the offer of a chat unaccepted, and let the chat wait again."""
    end(pool, step, chat, reason)
    step.ended.append(chat)
    requeue(pool, step, chat, reason)
