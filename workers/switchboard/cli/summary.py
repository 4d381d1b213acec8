"""What to say at the end of a simulation."""

from collections.abc import Iterator
from typing import Any

from switchboard.journal.printable_text import counted
from switchboard.simulation.crowd import Crowd
from switchboard.simulation.tally import CAUSES, Delays, Tally


def summary_of(tally: Tally, crowd: Crowd, seconds: float) -> dict[str, Any]:
    """The figures, as `--json` prints them; delays are in ms."""
    stages = [chat.stage for chat in crowd.scene.chats.values()]
    every = tally.delay_of(*CAUSES)
    return {
        "seconds": round(seconds, 1),
        "arrived": tally.sent["chat-arrival"],
        "assigned": tally.seen["chat-assigned"],
        "accepted": tally.seen["assignment-confirmed"],
        "waiting": stages.count("waiting"),
        "with_agents": len(stages) - stages.count("waiting"),
        "concluded": tally.reasons["chat-closed", "concluded"],
        "abandoned": tally.reasons["chat-closed", "abandoned"],
        "timed_out": tally.reasons["chat-closed", "queue-timed-out"],
        "declined": tally.reasons["assignment-ended", "declined"],
        "missed": tally.reasons["assignment-ended", "missed"],
        "transferred": tally.reasons["chat-requeued", "transferred"],
        "follow_ups": tally.seen["chat-requested"],
        "clicks": tally.sent["request-chat"],
        "events": sum(tally.sent.values()),
        "events_lost": tally.unsent,
        "publish_to_visible_ms": {
            "all": _delay(every),
            **{kind: _delay(told) for kind, told in _each(tally)},
        },
    }


def summary_lines(told: dict[str, Any]) -> Iterator[str]:
    """The same for a human."""
    yield (
        f"chats     {told['arrived']:,} arrived, {told['assigned']:,} assigned, {told['accepted']:,} accepted, "
        f"{told['waiting']:,} waiting, {told['with_agents']:,} with agents"
    )
    yield (
        f"          {told['concluded']:,} concluded, {told['abandoned']:,} abandoned, {told['timed_out']:,} timed out, "
        f"{told['transferred']:,} transferred"
    )
    yield f"offers    {told['declined']:,} declined, {told['missed']:,} missed"
    clicks = f"{counted(told['clicks'], 'click')} by pull agents"
    yield f"requests  {counted(told['follow_ups'], 'follow-up')} issued to push agents, {clicks}"
    names = {
        "all": "publish to visible",
        "chat-queued": "  arrival to chat-queued",
        "chat-assigned": "  arrival to chat-assigned, where an agent was free",
        "assignment-confirmed": "  accept to assignment-confirmed",
    }
    for kind, name in names.items():
        delay = told["publish_to_visible_ms"][kind]
        if delay is not None:
            yield f"{name}: median {delay['median']:.1f} ms, p99 {delay['p99']:.1f} ms ({delay['count']:,})"
    if told["events_lost"]:
        yield f"{told['events_lost']:,} of {told['events']:,} events were taken by no broker"


def _each(tally: Tally) -> Iterator[tuple[str, Any]]:
    for kind in CAUSES:
        yield kind, tally.delay_of(kind)


def _delay(told: Delays | None) -> dict[str, float] | None:
    if told is None:
        return None
    return {"count": told.count, "median": round(told.median, 1), "p99": round(told.p99, 1)}
