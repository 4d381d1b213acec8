"""Single faults planted in the decisions of a good history: one is dropped, doubled, moved, or names another."""

from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any, Final, TypeAlias

import orjson

from switchboard.domain.engine import Engine
from switchboard.domain.events import Frame
from switchboard.journal.codec import encode

Decisions: TypeAlias = list[list[dict[str, Any]]]
"""Of each frame, in order."""

KINDS: Final = ("drop", "double", "agent", "chat", "swap", "later")


@dataclass(slots=True)
class Fault:
    """What was planted."""

    kind: str
    frame: int
    """Its place in the history."""
    decision: dict[str, Any]
    """As it was."""


def decided(history: list[Frame], shard: int = 0) -> Decisions:
    """What the engine decides."""
    engine = Engine(shard)
    return [[orjson.loads(encode(decision)) for decision in engine.apply(frame).decisions] for frame in history]


def plant(good: Decisions, history: list[Frame], kind: str, rng: Random) -> tuple[Decisions, Fault] | None:
    """Plant a fault at random, and count the ids anew, so that they don't give it away; None: there is no place."""
    places = [(frame, at) for frame, decisions in enumerate(good) for at in range(len(decisions))]
    if not places:
        return None
    frame, at = rng.choice(places)
    bad = list(good)
    for number in range(frame, min(frame + 2, len(bad))):  # no fault changes more than two frames
        bad[number] = deepcopy(bad[number])
    decisions = bad[frame]
    fault = Fault(kind, frame, deepcopy(decisions[at]))
    if not _change(kind, bad, (frame, at), good, rng):
        return None
    for number in {frame, min(frame + 1, len(bad) - 1)}:
        count_anew(bad[number], history[number].n)
    return bad, fault


def _change(kind: str, bad: Decisions, place: tuple[int, int], good: Decisions, rng: Random) -> bool:
    """Plant a fault at (frame, number of the decision). False if the place does not allow it."""
    frame, at = place
    decisions = bad[frame]
    match kind:
        case "drop":
            del decisions[at]
        case "double":
            decisions.insert(at + 1, deepcopy(decisions[at]))
        case "agent" | "chat":
            return _rename(decisions[at], f"{kind}_id", good, rng)
        case "swap":
            if at + 1 == len(decisions):
                return False
            decisions[at], decisions[at + 1] = decisions[at + 1], decisions[at]
        case "later":
            if frame + 1 == len(bad):
                return False
            moved = decisions.pop(at)
            bad[frame + 1].insert(0, moved)
    return True


def _rename(decision: dict[str, Any], field: str, good: Decisions, rng: Random) -> bool:
    others = sorted({d[field] for each in good for d in each if d.get(field) not in (None, decision.get(field))})
    if decision.get(field) is None or not others:
        return False
    decision[field] = rng.choice(others)
    return True


def same_in_each_pool(one: Decisions, other: Decisions) -> bool:
    """Whether they differ at most in how pools stand among each other, which no rule says."""
    return [_by_pool(each) for each in one] == [_by_pool(each) for each in other]


def _by_pool(decisions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(decisions, key=lambda decision: str(decision["pool"]))


def count_anew(decisions: list[dict[str, Any]], frame: int) -> None:
    """Give a frame's decisions the ids that they would have had."""
    counts: dict[str, int] = {}
    for decision in decisions:
        pool = decision["pool"]
        number = counts.get(pool, 0)
        counts[pool] = number + 1
        shard = decision["id"].rsplit("/", 3)[1]
        decision["id"] = f"{pool}/{shard}/{frame}/{number}"
        own = {"chat-assigned": "offer_id", "chat-requested": "request_id"}.get(decision["type"])
        if own is not None:
            decision[own] = decision["id"]
