"""A small day in which every kind of decision is made, and ways to plant a fault in it."""

from collections.abc import Callable
from typing import Any, TypeAlias

from switchboard.audit.auditor import Auditor
from switchboard.audit.findings import Report
from switchboard.domain.events import Event, Frame
from tests.property.mutations import Decisions, count_anew, decided

Plant: TypeAlias = Callable[[Decisions], None]

START = 1_770_000_000_000

CONFIG = {
    "queues": [{"name": "q", "max_wait": 100}, {"name": "o", "overflow_after": 20, "overflow_to": "q"}],
    "profiles": [
        {"name": "push", "max_sessions": 2, "queues": ["q"], "offer_timeout": 10, "max_missed_offers": 1},
        {"name": "pull", "mode": "pull", "max_sessions": 1, "queues": ["q"], "allow_decline": False},
    ],
}


def event(kind: str, **data: Any) -> Event:
    """An event of the default pool."""
    return Event(kind, "default", data)


HAPPENS: list[tuple[int, list[Event]]] = [
    (0, [event("pool-configured", config=CONFIG)]),
    (0, [event("agent-logged-in", agent_id="ana")]),  # 1: ana requests
    (1, [event("chat-arrival", chat_id="c1")]),  # 2: offered to ana
    (1, [event("chat-arrival", chat_id="c2"), event("chat-arrival", chat_id="c3")]),  # 3: both wait
    (1, [event("chat-accepted", chat_id="c1", agent_id="ana")]),  # 4: ana requests again, and is offered c2
    (
        1,
        [event("agent-logged-in", agent_id="bob", profile="pull"), event("request-chat", agent_id="bob")],
    ),  # 5: c3
    (1, [event("chat-arrival", chat_id="c4"), event("chat-arrival", chat_id="c5")]),  # 6: both wait
    (1, [event("chat-declined", chat_id="c2", agent_id="ana")]),  # 7: ana is offered c4
    (1, [event("chat-declined", chat_id="c3", agent_id="bob")]),  # 8: bob may not
    (1, [event("chat-concluded", chat_id="c1")]),  # 9: ana wraps c1 up
    (1, [event("chat-abandoned", chat_id="c4")]),  # 10: the offer ends with it; ana is offered c5
    (1, [event("chat-accepted", chat_id="c4", agent_id="ana")]),  # 11: too late
    (1, [event("chat-accepted", chat_id="c3", agent_id="bob")]),  # 12: bob has c3
    (1, [event("request-chat", agent_id="bob")]),  # 13: bob is full
    (1, [event("chat-transferred", chat_id="c9", to_queue="q")]),  # 14: there is no c9
    (1, [event("chat-arrival", chat_id="c6", queue="o")]),  # 15: waits where nobody serves
    (7, []),  # 16: ana misses c5, and is made unavailable
    (20, []),  # 17: c6 overflows into q
    (1, [event("chat-released", chat_id="c1", agent_id="ana")]),  # 18: closed
    (1, [event("agent-logged-out", agent_id="bob")]),  # 19: c3 waits again
    (1, [event("agent-status-changed", agent_id="ana", status="available")]),  # 20: ana is offered c2: it is over
    (90, []),  # 21: c5 and c6 time out, and what ana misses
]


def history() -> list[Frame]:
    """The day."""
    frames, at = [], START
    for n, (seconds, events) in enumerate(HAPPENS):
        at += 1000 * seconds
        frames.append(Frame(n, at, 1000 * seconds, list(events)))
    return frames


def audited(*faults: Plant, anew: bool = True) -> Report:
    """What the auditor says of the day with faults planted in its decisions; `anew`: ids don't give them away."""
    frames, auditor = history(), Auditor()
    decisions = decided(frames)
    for fault in faults:
        fault(decisions)
    for frame, found in zip(frames, decisions, strict=True):
        if anew:
            count_anew(found, frame.n)
        auditor.follow(0, frame, found, place=f"day:{frame.n + 1}")
    return auditor.report


def at(decisions: Decisions, frame: int, kind: str, who: str) -> int:
    """Where in the frame the decision of that kind about that chat or agent stands."""
    for index, decision in enumerate(decisions[frame]):
        if decision["type"] == kind and who in (decision.get("chat_id"), decision.get("agent_id")):
            return index
    raise AssertionError(f"frame {frame} has no {kind} of {who}: {decisions[frame]}")


def drop(frame: int, kind: str, who: str) -> Plant:
    """The decision is not in the log."""

    def plant(decisions: Decisions) -> None:
        del decisions[frame][at(decisions, frame, kind, who)]

    return plant


def double(frame: int, kind: str, who: str) -> Plant:
    """The decision is there twice."""

    def plant(decisions: Decisions) -> None:
        index = at(decisions, frame, kind, who)
        decisions[frame].insert(index, dict(decisions[frame][index]))

    return plant


def change(frame: int, kind: str, who: str, **fields: Any) -> Plant:
    """The decision says something else."""
    return lambda decisions: decisions[frame][at(decisions, frame, kind, who)].update(fields)


def swap(frame: int, kind: str, who: str) -> Plant:
    """The decision stands behind the one after it."""

    def plant(decisions: Decisions) -> None:
        index, found = at(decisions, frame, kind, who), decisions[frame]
        found[index], found[index + 1] = found[index + 1], found[index]

    return plant


def move(frame: int, kind: str, who: str, to: int) -> Plant:
    """The decision is made in another frame, as its first."""
    return lambda decisions: decisions[to].insert(0, decisions[frame].pop(at(decisions, frame, kind, who)))


def add(frame: int, like: tuple[int, str, str], **fields: Any) -> Plant:
    """A frame has one decision more at its end, made like another but for some fields."""

    def plant(decisions: Decisions) -> None:
        decisions[frame].append({**decisions[like[0]][at(decisions, *like)], **fields})

    return plant
