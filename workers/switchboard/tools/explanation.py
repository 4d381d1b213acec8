"""Recorded decisions explained: a log is replayed with an observer that looks on. One pass, in constant memory."""

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

NEAREST: Final = 5
_ALIKE: Final = 0.6
"""As difflib's own cutoff."""


def explain_chat(
    log: Path, chat_id: str, pool: str | None, tally: Tally, progress: Callable[[], None]
) -> list[ChatStory]:
    """The story of a chat in each pool that knows the id, or in the one asked for.

    Raises:
        UnknownIdError: there is none.
        RecordedLogError, OSError: as `steps`.
    """
    observer = ChatObserver(chat_id, pool)
    at = format_ms(_replay(log, observer, tally, progress))
    stories = [observer.stories[name] for name in sorted(observer.stories)]
    if not stories:
        raise UnknownIdError(_nothing(log, "chat_id", chat_id, pool, observer.elsewhere, progress))
    for story in stories:
        story.ends_at = at
    return stories


def explain_agent(
    log: Path, agent_id: str, pool: str | None, tally: Tally, progress: Callable[[], None]
) -> list[AgentStory]:
    """The day of an agent in each pool that knows it, or in the one asked for.

    Raises:
        UnknownIdError: there is none.
        RecordedLogError, OSError: as `steps`.
    """
    observer = AgentObserver(agent_id, pool)
    clock = _replay(log, observer, tally, progress)
    observer.finish(clock, format_ms(clock))
    if not observer.stories:
        raise UnknownIdError(_nothing(log, "agent_id", agent_id, pool, observer.elsewhere, progress))
    return [observer.stories[name] for name in sorted(observer.stories)]


def _replay(log: Path, observer: Observer, tally: Tally, progress: Callable[[], None]) -> int:
    """Replay a log with someone who looks on; the clock at its end."""
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


def _nothing(
    log: Path, field: str, wanted: str, pool: str | None, elsewhere: set[str], progress: Callable[[], None]
) -> str:
    what = "chat" if field == "chat_id" else "agent"
    if elsewhere:
        there = ", ".join(sorted(elsewhere))
        return f"{log}: {what} {wanted} is not in pool {pool}, but in {there}: leave --pool out, or name that one"
    where = "" if pool is None else f" of pool {pool}"
    nearest = [f"{name} (pool {of})" for name, of in _nearest(log, field, wanted, pool, progress)]
    hint = f"; the nearest: {', '.join(nearest)}" if nearest else ""
    return f"{log}: no event{where} names {what} {wanted}{hint}"


def _nearest(
    log: Path, field: str, wanted: str, pool: str | None, progress: Callable[[], None]
) -> list[tuple[str, str]]:
    """The ids most like the one wanted, best first, each with its pool. Another pass, of one look an event."""
    matcher = SequenceMatcher(b=wanted, autojunk=False)
    best: dict[tuple[str, str], float] = {}
    for name, of in _named(log, field, progress):
        if (name, of) in best or (pool is not None and of != pool):
            continue
        matcher.set_seq1(name)
        if matcher.real_quick_ratio() < _ALIKE or matcher.quick_ratio() < _ALIKE:
            continue
        ratio = matcher.ratio()
        if ratio >= _ALIKE:
            best[name, of] = ratio
        if len(best) > 10 * NEAREST:
            best = dict(_top(best))
    return [each for each, _ in _top(best)]


def _top(best: dict[tuple[str, str], float]) -> list[tuple[tuple[str, str], float]]:
    return nlargest(NEAREST, best.items(), key=lambda item: item[1])


def _named(log: Path, field: str, progress: Callable[[], None]) -> Iterator[tuple[str, str]]:
    for number, (_, frame) in enumerate(steps(log, Tally())):
        for event in frame.events:
            value: Any = event.data.get(field)
            if value is not None:
                yield value, event.pool
        if not number % 1000:
            progress()
