"""Findings of the auditor, and the reasons for which a logged decision is impossible.

A finding names the rules, the frame, pool, chat and agent, the expected and the logged decision.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import orjson

from switchboard.audit.audited_pool import Agent, Chat, Pool
from switchboard.journal.printable_text import counted, printable

SHOWN: Final = 20
"""Number of findings that a report keeps; all findings are counted."""

IDS: Final = "ids"
"""In place of a rule's number: the contract of decision ids, POOL/SHARD/FRAME/N with N from 0 and no gap."""


@dataclass(slots=True, frozen=True)
class Finding:
    """One deviation of the decision log from the rules."""

    rules: tuple[str, ...]
    """The invariant first, then the rule of the event or timer."""
    shard: int
    frame: int
    at: str
    """The journal's clock, RFC 3339."""
    place: str
    """Place of the frame: `FILE:LINE`, or topic, partition and offset."""
    pool: str
    decision: str | None
    """Id of the wrong decision; None if a decision is missing."""
    chat_id: str | None
    agent_id: str | None
    expected: str
    found: str

    def line(self) -> str:
        """Return the finding as four lines of printable text."""
        who = [f"pool {self.pool}"]
        who += [f"chat {self.chat_id}"] if self.chat_id is not None else []
        who += [f"agent {self.agent_id}"] if self.agent_id is not None else []
        which = f", decision {self.decision}" if self.decision is not None else ""
        lines = (
            f"{' '.join(self.rules)}: {', '.join(who)}",
            f"  when      frame {self.frame} of shard {self.shard}{which}, {self.at} ({self.place})",
            f"  expected  {self.expected}",
            f"  found     {self.found}",
        )
        return "\n".join(map(printable, lines))


@dataclass(slots=True)
class Report:
    """Counts of the checked input, and the findings."""

    frames: int = 0
    events: int = 0
    decisions: int = 0
    offers: int = 0
    chats: int = 0
    """Chats that were queued."""
    logins: int = 0
    """Logins of agents; a repeated login after a logout counts again."""
    found: int = 0
    findings: list[Finding] = field(default_factory=list)
    """The first findings, `SHOWN` at most."""

    def add(self, *findings: Finding) -> None:
        """Count findings, and keep the first `SHOWN`."""
        self.found += len(findings)
        self.findings += findings[: SHOWN - len(self.findings)]

    def looked_at(self) -> str:
        """Return the counts as one line of text."""
        return (
            f"{counted(self.frames, 'frame')}, {counted(self.events, 'event')}, {counted(self.decisions, 'decision')}, "
            f"{counted(self.offers, 'offer')}, {counted(self.logins, 'login')} of agents, {counted(self.chats, 'chat')}"
        )

    def as_data(self) -> dict[str, Any]:
        """Return counts and findings as `--json` prints a report."""
        counted = ("frames", "events", "decisions", "offers", "chats", "logins", "found")
        return {name: getattr(self, name) for name in counted} | {"findings": self.findings}


Decision: TypeAlias = Mapping[str, Any]
Reason: TypeAlias = tuple[tuple[str, ...], str]
"""(rules, text): the rules that forbid a decision, and the state that contradicts the decision."""

UNCALLED: Final[Mapping[str, tuple[str, ...]]] = {
    "chat-queued": ("I4", "R13"),
    "chat-assigned": ("R6", "R9"),
    "assignment-confirmed": ("I3", "R10"),
    "assignment-ended": ("I3", "R10"),
    "chat-requeued": ("I4", "R10"),
    "chat-wrapping": ("I4", "R15"),
    "chat-closed": ("I4", "R15"),
    "chat-requested": ("I8", "R11"),
    "request-rejected": ("R12",),
    "accept-rejected": ("R10",),
    "decline-rejected": ("R10",),
    "transfer-rejected": ("R16",),
    "agent-made-unavailable": ("R10",),
}
"""Decision type -> rules that a decision breaks if no rule calls for the decision."""


def describe(decision: Decision) -> str:
    """Describe a decision in a few words."""
    who = [f"{name} {decision[key]}" for key, name in _NAMED.items() if decision.get(key) is not None]
    return " ".join([decision["type"], *who])


_NAMED: Final = {
    "chat_id": "of chat",
    "agent_id": "with agent",
    "offer_id": "offer",
    "queue": "queue",
    "to_queue": "to queue",
    "to_agent": "to agent",
    "origin": "origin",
    "reason": "reason",
}


def differences(expected: Decision, found: Decision) -> tuple[str, str]:
    """Return the fields in which two decisions differ, as texts (expected, found)."""
    names = [name for name in {**expected, **found} if expected.get(name) != found.get(name)]
    return _fields(expected, names), _fields(found, names)


def _fields(decision: Decision, names: list[str]) -> str:
    return f"{decision['type']} with " + ", ".join(
        f"{name} {_shown(decision[name])}" if name in decision else f"no {name}" for name in names
    )


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def rules_of_differences(expected: Decision, found: Decision) -> tuple[str, ...]:
    """Return the invariant that a decision breaks by fields that differ from the expected decision; may be empty."""
    names = {name for name in expected if expected.get(name) != found.get(name)}
    if "sessions" in found and found["sessions"] > expected["max_sessions"]:
        return ("I1",)
    if names & {"agent_id", "sessions"}:
        return ("I2",)
    if "offer_id" in names:
        return ("I3",)
    if "chat_id" in names:
        return ("I4",)
    return ("R1",) if names == {"at"} else ()


def impossible(pool: Pool, decision: Decision) -> Reason | None:
    """Return why the pool's state forbids a decision, whatever the cause; None if the decision is possible."""
    check = _CHECKS.get(decision["type"])
    return check(pool, decision) if check is not None else None


def _queued(pool: Pool, decision: Decision) -> Reason | None:
    chat = pool.chats.get(decision["chat_id"])
    if chat is not None:
        return ("I4", "R13"), f"the chat is open: it {pool.summary(chat)}"
    if pool.remembers(pool.closed, decision["chat_id"]):
        return ("I4", "R13"), "the chat was closed within the last 10 minutes"
    return None


def _assigned(pool: Pool, decision: Decision) -> Reason | None:
    chat, agent = pool.chats.get(decision["chat_id"]), pool.agents.get(decision["agent_id"])
    if chat is None:
        return ("I4", "R9"), "no such chat is open"
    if agent is None:
        return ("R18", "R9"), "no such agent is logged in"
    return (
        _beyond_agent(pool, decision, chat, agent)
        or _beyond_request(decision, agent)
        or (_beyond_rules(pool, chat, agent) if decision["origin"] != "transfer" else None)
    )


def _beyond_agent(pool: Pool, decision: Decision, chat: Chat, agent: Agent) -> Reason | None:
    if chat.stage != "waiting" and decision["origin"] != "transfer":
        return ("I2", "R9"), f"the chat {pool.summary(chat)}"
    if not agent.has_room:
        return ("I1", "R9"), f"the agent holds {len(agent.sessions)} sessions of {agent.max_sessions}"
    if not agent.available:
        return ("R5",), f"the agent is {agent.status}{' and absent' if agent.absent else ''}"
    return None


def _beyond_request(decision: Decision, agent: Agent) -> Reason | None:
    origin = agent.request.origin if agent.request is not None else None
    if decision["origin"] in ("transfer", origin):
        return None
    standing = f"the agent's outstanding request is of origin {origin}" if origin else "the agent has no request"
    return ("R6", "R9"), f"{standing}, so none of origin {decision['origin']} can be served"


def _beyond_rules(pool: Pool, chat: Chat, agent: Agent) -> Reason | None:
    if not agent.rested(pool.service):
        return ("R5",), "the agent's delay between chats has not passed"
    if chat.queue not in agent.profile.queues:
        return ("R5",), f"queue {chat.queue} is none of profile {agent.profile.name}"
    if not agent.may_take(chat, pool.service):
        return ("R5",), "the agent declined or missed this chat within reoffer_after"
    for place in pool.waiting.get(chat.queue, ()):
        older = pool.chats[place[3]]
        if older is chat:
            break
        if older.id not in pool.doubtful_chats and agent.may_take(older, pool.service):
            return ("I6", "R8"), f"chat {older.id} is older in queue {chat.queue}, and the agent may take it"
    first = pool.next_chat(agent)
    if first is not None and first is not chat:
        return ("R8",), f"by {agent.profile.pull_policy} the agent's next chat is {first.id} of queue {first.queue}"
    return None


def _offer_ended(pool: Pool, decision: Decision) -> Reason | None:
    chat = pool.chats.get(decision["chat_id"])
    if chat is None:
        return ("I3", "R10"), "no such chat is open, so it is not offered"
    if chat.stage != "offered":
        return ("I3", "R10"), f"the chat is not offered: it {pool.summary(chat)}"
    if chat.agent is not None and chat.agent.id != decision["agent_id"]:
        return ("I2", "R10"), f"the chat {pool.summary(chat)}"
    if chat.offer_id != decision["offer_id"]:
        return ("I3", "R10"), f"the chat has offer {chat.offer_id} instead"
    return None


def _requeued(pool: Pool, decision: Decision) -> Reason | None:
    chat = pool.chats.get(decision["chat_id"])
    if chat is None:
        return ("I4", "R10"), "no such chat is open"
    if chat.stage == "waiting" and decision["reason"] not in ("overflow", "transferred", "queue-removed"):
        return ("I4", "R10"), f"the chat waits already, in {chat.queue}"
    if chat.stage == "offered":
        return ("I3", "R10"), f"the offer has not ended: the chat {pool.summary(chat)}"
    return None


def _wrapping(pool: Pool, decision: Decision) -> Reason | None:
    chat = pool.chats.get(decision["chat_id"])
    if chat is None:
        return ("I4", "R15"), "no such chat is open"
    if chat.stage != "active":
        return ("I4", "R15"), f"only an active chat is wrapped up: this one {pool.summary(chat)}"
    if chat.agent is not None and chat.agent.id != decision["agent_id"]:
        return ("I2", "R15"), f"the chat {pool.summary(chat)}"
    return None


def _closed(pool: Pool, decision: Decision) -> Reason | None:
    chat = pool.chats.get(decision["chat_id"])
    if chat is None:
        return ("I4", "R15"), "no such chat is open"
    if chat.stage == "offered":
        return ("I3", "R10"), f"the offer has not ended: the chat {pool.summary(chat)}"
    if (chat.agent.id if chat.agent is not None else None) != decision["agent_id"]:
        return ("I2", "R15"), f"the chat {pool.summary(chat)}"
    return None


def _requested(pool: Pool, decision: Decision) -> Reason | None:
    agent = pool.agents.get(decision["agent_id"])
    if agent is None:
        return ("I8", "R11"), "no such agent is logged in"
    if agent.request is not None:
        return ("I7", "R11"), f"the agent has a request of origin {agent.request.origin} outstanding"
    if agent.mode != "push":
        return ("I8", "R11"), "the agent is in pull mode"
    if not agent.available:
        return ("I8", "R11"), f"the agent is {agent.status}{' and absent' if agent.absent else ''}"
    if not agent.has_room:
        return ("I8", "R11"), f"the agent holds {len(agent.sessions)} sessions of {agent.max_sessions}"
    return (("I8", "R11"), "an offer to the agent is undecided") if agent.has_open_offer() else None


_CHECKS: Final[Mapping[str, Callable[[Pool, Decision], Reason | None]]] = {
    "chat-queued": _queued,
    "chat-assigned": _assigned,
    "assignment-confirmed": _offer_ended,
    "assignment-ended": _offer_ended,
    "chat-requeued": _requeued,
    "chat-wrapping": _wrapping,
    "chat-closed": _closed,
    "chat-requested": _requested,
}
