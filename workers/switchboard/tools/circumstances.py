"""The circumstances of a difference: a frame of the log, and the state of a pool before the frame."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from switchboard.domain import rows
from switchboard.domain.engine import Engine
from switchboard.domain.events import Event, Frame
from switchboard.domain.pool import Pool
from switchboard.domain.rfc3339 import format_ms
from switchboard.journal import bounded_json
from switchboard.journal.decision_log import Difference
from switchboard.journal.decision_reader import FrameId
from switchboard.journal.log_frames import Tally
from switchboard.tools.choices import in_agent_order
from switchboard.tools.offline_replay import steps

SHOWN: Final = 10
"""The most eligible requests, and waiting chats of a queue, in `Circumstances`."""


@dataclass(slots=True)
class Circumstances:
    """A frame of the log, and the state of a pool before it. The JSON output has the same field names."""

    shard: int
    frame: int
    at: str
    run_ms: int
    events: list[Event]
    subjects: list[str]
    """The chats and agents named by the decision."""
    pool: str
    agents: list[dict[str, Any]]
    """The rows of the agents named by the decision, as on `agent-capacity`."""
    chats: list[dict[str, Any]]
    """The rows of the chats named by the decision, as on `open-chats`."""
    requests: int
    """Outstanding requests, eligible or not."""
    asking: list[dict[str, str]]
    """The first eligible requests in agent order: agent_id, requested_at, origin (R7)."""
    queues: list["QueueHead"]


@dataclass(slots=True)
class QueueHead:
    """A queue and its first waiting chats."""

    queue: str
    waiting: int
    first: list[dict[str, str]]
    """chat_id and arrived_at."""


async def find_circumstances(
    log: Path, frame_id: FrameId, difference: Difference, progress: Callable[[], None]
) -> Circumstances | None:
    """Replay a log again up to a frame, and describe the state before it; None if the log does not reach the frame.

    Raises:
        RecordedLogError, OSError: the log can't be read.
    """
    for number, (engine, frame) in enumerate(steps(log, Tally())):
        if (engine.shard, frame.n) == frame_id:
            return _state_before(engine, frame, _decisions_in(difference))
        engine.apply(frame)
        if not number % 1000:
            progress()
            await asyncio.sleep(0)  # Ctrl-C can cancel the task
    return None


def _decisions_in(difference: Difference) -> list[dict[str, Any]]:
    """The expected and the found decision, as far as either is a JSON object."""
    values = (difference.expected, None if difference.found is None else difference.found.value)
    decisions = []
    for value in values:
        try:
            body = bounded_json.loads(value or b"null")
        except ValueError:
            continue
        if isinstance(body, dict):
            decisions.append(body)
    return decisions


def _state_before(engine: Engine, frame: Frame, decisions: list[dict[str, Any]]) -> Circumstances:
    """A frame, and the state of the chats, agents and queues named by the decisions. Call before applying the frame."""
    chat_ids, agent_ids = _texts(decisions, "chat_id"), _texts(decisions, "agent_id")
    pool_ids = [*_texts(decisions, "pool"), *(event.pool for event in frame.events), "default"]
    state = Circumstances(
        shard=engine.shard,
        frame=frame.n,
        at=format_ms(frame.at),
        run_ms=frame.run,
        events=frame.events,
        subjects=[*chat_ids, *agent_ids],
        pool=next(filter(None, pool_ids)),
        agents=[],
        chats=[],
        requests=0,
        asking=[],
        queues=[],
    )
    pool = engine.pools.get(state.pool)
    if pool is None:  # unknown before this frame
        return state
    agents = [pool.agents[agent_id] for agent_id in agent_ids if agent_id in pool.agents]
    chats = [pool.chats[chat_id] for chat_id in chat_ids if chat_id in pool.chats]
    queues = [*_texts(decisions, "queue"), *(queue for agent in agents for queue in agent.profile.config.queues)]
    state.agents = [_public(rows.agent_value(pool, agent)) for agent in agents]
    state.chats = [_public(rows.chat_value(pool, chat)) for chat in chats]
    state.requests = pool.index.requests
    state.asking = [
        {"agent_id": agent.id, "requested_at": request.at_text, "origin": request.origin}
        for agent, request in in_agent_order(pool, engine.service)[:SHOWN]
    ]
    state.queues = list(_queue_heads(pool, queues))
    return state


def _queue_heads(pool: Pool, queues: Iterable[str]) -> Iterator[QueueHead]:
    for queue in dict.fromkeys(queues):
        if queue in pool.index.waiting:
            chats = pool.index.waiting[queue].chats
            first = [{"chat_id": chat.id, "arrived_at": chat.arrived_text} for *_, chat in islice(chats, SHOWN)]
            yield QueueHead(queue, len(chats), first)


def _public(row: dict[str, Any]) -> dict[str, Any]:
    """The public fields of a row, except the pool: all rows shown are of the same pool."""
    return {name: value for name, value in row.items() if name not in ("engine", "pool")}


def _texts(decisions: Iterable[dict[str, Any]], field: str) -> list[str]:
    """The different texts in a field of the decisions, in order."""
    values = (decision.get(field) for decision in decisions)
    return list(dict.fromkeys(value for value in values if isinstance(value, str)))
