"""Explanations of recorded decisions: a log is replayed with an observer, in one pass and constant memory."""

from collections.abc import Callable, Iterator
from difflib import SequenceMatcher
from heapq import nlargest
from pathlib import Path
from typing import Any, Final

from switchboard.domain.pool import Observer
from switchboard.domain.rfc3339 import format_ms
from switchboard.errors import UnknownIdError
from switchboard.journal.log_frames import Tally
from switchboard.tools.agent_story import AgentObserver, AgentStory
from switchboard.tools.chat_story import ChatObserver, ChatStory
from switchboard.tools.offline_replay import steps

MAX_SUGGESTIONS: Final = 5
_MIN_RATIO: Final = 0.6
"""The default cutoff of `difflib.get_close_matches`."""


def explain_chat(
    log: Path, chat_id: str, pool: str | None, tally: Tally, progress: Callable[[], None]
) -> list[ChatStory]:
    """The story of a chat id in each pool that knows the id, or in one pool.

    Args:
        log: the recorded log.
        chat_id: the chat's id.
        pool: the only pool to look in; None for all.
        tally: counts the log's lines.
        progress: called every 1,000 frames.

    Raises:
        UnknownIdError: no pool knows the id; the message has similar ids.
        RecordedLogError, OSError: the log can't be read.
    """
    observer = ChatObserver(chat_id, pool)
    at = format_ms(_replay(log, observer, tally, progress))
    stories = [observer.stories[name] for name in sorted(observer.stories)]
    if not stories:
        raise UnknownIdError(_unknown_id(log, "chat_id", chat_id, pool, observer.elsewhere, progress))
    for story in stories:
        story.ends_at = at
    return stories


def explain_agent(
    log: Path, agent_id: str, pool: str | None, tally: Tally, progress: Callable[[], None]
) -> list[AgentStory]:
    """The day of an agent in each pool that knows the agent, or in one pool.

    Args:
        log: the recorded log.
        agent_id: the agent's id.
        pool: the only pool to look in; None for all.
        tally: counts the log's lines.
        progress: called every 1,000 frames.

    Raises:
        UnknownIdError: no pool knows the agent; the message has similar ids.
        RecordedLogError, OSError: the log can't be read.
    """
    observer = AgentObserver(agent_id, pool)
    clock = _replay(log, observer, tally, progress)
    observer.finish(clock, format_ms(clock))
    if not observer.stories:
        raise UnknownIdError(_unknown_id(log, "agent_id", agent_id, pool, observer.elsewhere, progress))
    return [observer.stories[name] for name in sorted(observer.stories)]


def _replay(log: Path, observer: Observer, tally: Tally, progress: Callable[[], None]) -> int:
    """Replay a log with an observer; the last clock, in ms."""
    watched: set[int] = set()
    clock = 0
    for number, (engine, frame) in enumerate(steps(log, tally)):
        if engine.shard not in watched:
            watched.add(engine.shard)
            engine.watch(observer)
        engine.apply(frame)
        clock = max(clock, engine.clock)
        if not number % 1000:
            progress()
    return clock


def _unknown_id(
    log: Path, field: str, wanted: str, pool: str | None, elsewhere: set[str], progress: Callable[[], None]
) -> str:
    """The message for an id that no pool knows, or only an excluded pool."""
    what = "chat" if field == "chat_id" else "agent"
    if elsewhere:
        there = ", ".join(sorted(elsewhere))
        return f"{log}: {what} {wanted} is not in pool {pool}, but in {there}: leave --pool out, or name that one"
    where = "" if pool is None else f" of pool {pool}"
    similar = [f"{name} (pool {pool_id})" for name, pool_id in _similar_ids(log, field, wanted, pool, progress)]
    hint = f"; the nearest: {', '.join(similar)}" if similar else ""
    return f"{log}: no event{where} names {what} {wanted}{hint}"


def _similar_ids(
    log: Path, field: str, wanted: str, pool: str | None, progress: Callable[[], None]
) -> list[tuple[str, str]]:
    """(id, pool) of the ids most similar to the wanted one, best first. Reads the whole log."""
    matcher = SequenceMatcher(b=wanted, autojunk=False)
    best: dict[tuple[str, str], float] = {}
    for name, pool_id in _ids(log, field, progress):
        if (name, pool_id) in best or (pool is not None and pool_id != pool):
            continue
        matcher.set_seq1(name)
        # Both are upper bounds of `ratio`, and take a fraction of its time.
        if matcher.real_quick_ratio() < _MIN_RATIO or matcher.quick_ratio() < _MIN_RATIO:
            continue
        ratio = matcher.ratio()
        if ratio >= _MIN_RATIO:
            best[name, pool_id] = ratio
        # Bounds the memory.
        if len(best) > 10 * MAX_SUGGESTIONS:
            best = dict(_top(best))
    return [name_and_pool for name_and_pool, _ in _top(best)]


def _top(best: dict[tuple[str, str], float]) -> list[tuple[tuple[str, str], float]]:
    return nlargest(MAX_SUGGESTIONS, best.items(), key=lambda item: item[1])


def _ids(log: Path, field: str, progress: Callable[[], None]) -> Iterator[tuple[str, str]]:
    """(value, pool) of a field of all events of a log."""
    for number, (_, frame) in enumerate(steps(log, Tally())):
        for event in frame.events:
            value: Any = event.data.get(field)
            if value is not None:
                yield value, event.pool
        if not number % 1000:
            progress()
