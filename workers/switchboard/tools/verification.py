"""What led to a difference: a frame, its events, and the state before it of what its decision is about."""

from collections.abc import Callable, Iterable
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
from switchboard.journal.decision_log import Difference, DifferenceKind, Key
from switchboard.journal.frames import OtherVersionError
from switchboard.journal.log_frames import OtherVersionLogError, Tally
from switchboard.tools.choices import in_agent_order
from switchboard.tools.decision_sources import Against, Place
from switchboard.tools.offline_replay import steps

SHOWN: Final = 10
"""Of the agents who ask, and of the chats that wait in a queue."""


@dataclass(slots=True)
class QueueHead:
    """A queue, and who waits first in it."""

    queue: str
    waiting: int
    first: list[dict[str, str]]
    """chat_id and arrived_at."""


@dataclass(slots=True)
class Circumstances:
    """A frame of the log, and how things stood before it."""

    shard: int
    frame: int
    at: str
    run_ms: int
    events: list[Event]
    subjects: list[str]
    """The chats and agents that the decision names."""
    pool: str
    agents: list[dict[str, Any]]
    """The rows of the agents that the decision names, as on `agent-capacity`."""
    chats: list[dict[str, Any]]
    """The rows of the chats that the decision names, as on `open-chats`."""
    requests: int
    """Outstanding ones, eligible or not."""
    asking: list[dict[str, str]]
    """The first eligible ones in agent order: agent_id, requested_at, origin (R7)."""
    queues: list[QueueHead]


def circumstances(log: Path, key: Key, difference: Difference, progress: Callable[[], None]) -> Circumstances | None:
    """Replay a log once more, up to a frame, and tell how things stood before it; None: the log does not reach it.

    Raises:
        RecordedLogError, OSError: as `steps`.
    """
    for number, (engine, frame) in enumerate(steps(log, Tally())):
        if (engine.shard, frame.n) == key:
            return _look(engine, frame, _told(difference))
        engine.apply(frame)
        if not number % 1000:
            progress()
    return None


def _told(difference: Difference) -> list[dict[str, Any]]:
    """The decisions of a difference, as far as they can be read."""
    values = (difference.expected, None if difference.found is None else difference.found.value)
    told = []
    for value in values:
        try:
            body = bounded_json.loads(value or b"null")
        except ValueError:
            continue
        if isinstance(body, dict):
            told.append(body)
    return told


def _look(engine: Engine, frame: Frame, told: list[dict[str, Any]]) -> Circumstances:
    pool_id = _first_text(told, "pool") or (frame.events[0].pool if frame.events else "default")
    subjects = [*_texts(told, "chat_id"), *_texts(told, "agent_id")]
    found = Circumstances(
        engine.shard, frame.n, format_ms(frame.at), frame.run, frame.events, subjects, pool_id, [], [], 0, [], []
    )
    pool = engine.pools.get(pool_id)
    if pool is None:
        return found
    agents = [pool.agents[agent] for agent in _texts(told, "agent_id") if agent in pool.agents]
    chats = [pool.chats[chat] for chat in _texts(told, "chat_id") if chat in pool.chats]
    queues = [*_texts(told, "queue"), *(queue for agent in agents for queue in agent.profile.config.queues)]
    found.agents = [_public(rows.agent_value(pool, agent)) for agent in agents]
    found.chats = [_public(rows.chat_value(pool, chat)) for chat in chats]
    found.requests = pool.requests
    found.asking = [
        {"agent_id": agent.id, "requested_at": request.at_text, "origin": request.origin}
        for agent, request in in_agent_order(pool)[:SHOWN]
    ]
    found.queues = [_head(pool, queue) for queue in dict.fromkeys(queues) if queue in pool.waiting]
    return found


def _head(pool: Pool, queue: str) -> QueueHead:
    chats = pool.waiting[queue].chats
    first = [{"chat_id": chat.id, "arrived_at": chat.arrived_text} for *_, chat in islice(chats, SHOWN)]
    return QueueHead(queue, len(chats), first)


def _public(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("engine", "pool")}


def _texts(told: Iterable[dict[str, Any]], field: str) -> list[str]:
    values = (each.get(field) for each in told)
    return list(dict.fromkeys(value for value in values if isinstance(value, str)))


def _first_text(told: Iterable[dict[str, Any]], field: str) -> str | None:
    return next(iter(_texts(told, field)), None)


@dataclass(slots=True)
class FirstDifference:
    """The first difference, and what led to it."""

    place: Place
    circumstances: Circumstances | None
    """None: it is of no frame of the log."""


@dataclass(slots=True)
class Verified:
    """What came of it."""

    decisions: int = 0
    """That the replay made."""
    same: int = 0
    """Of them, those that were found just so."""
    frames_differ: int = 0
    """Frames with a difference, up to where either side ended."""
    frames_unmatched: int = 0
    """Frames with decisions after all that was found had ended."""
    left_over: int = 0
    """Decisions found that belong to no frame of the log, and should."""
    before: int = 0
    beyond: int = 0
    """Decisions on the live topics before the log's first frame and after its last: no fault."""
    gone: int = 0
    """Frames whose decisions retention has deleted from the live topics: not compared."""
    other_version: OtherVersionError | None = None
    """From some line on the log was decided under other rules, or is in another format; up to there it was compared."""
    other_version_line: int | None = None
    first: FirstDifference | None = None

    @property
    def nothing_compared(self) -> bool:
        """Whether retention has deleted all that the log's decisions could have been held against."""
        return self.gone > 0 and self.same == 0 and self.first is None

    @property
    def equal(self) -> bool:
        """Whether there is no difference, and there was something to compare up to the log's end."""
        return self.first is None and self.other_version is None and not self.nothing_compared


async def verify(log: Path, against: Against, tally: Tally, progress: Callable[[], None]) -> Verified:
    """Replay a log and hold its decisions against others; what led to the first difference is replayed once more.

    Raises:
        RecordedLogError: the log or the decision log can't be read; the message names the line.
        OSError: likewise.
        ReadingError: a live topic can't be read.
        NoSuchShardError: the log is of a shard that the live topics don't have.
    """
    verified = Verified()
    first: tuple[Key | None, Place] | None = None
    try:
        for number, (engine, frame) in enumerate(steps(log, tally)):
            decisions = engine.apply(frame).decisions
            verified.decisions += len(decisions)
            key = (engine.shard, frame.n)
            place = await against.hold(key, decisions)
            if place is not None:
                first = first or (key, place)
                if place.difference.kind is DifferenceKind.DECISIONS_END:
                    verified.frames_unmatched += 1
                else:
                    verified.frames_differ += 1
            if not number % 1000:
                progress()
    except OtherVersionLogError as error:
        verified.other_version, verified.other_version_line = error.other, error.line
    else:
        rest = await against.rest()
        verified.beyond, verified.left_over = rest.beyond, rest.count
        if rest.strange is not None:
            first = first or (None, rest.strange)
    verified.same, verified.before, verified.gone = against.same, against.before, against.gone
    if first is not None:
        key_or_none, place = first
        led = None if key_or_none is None else circumstances(log, key_or_none, place.difference, progress)
        verified.first = FirstDifference(place, led)
    return verified
