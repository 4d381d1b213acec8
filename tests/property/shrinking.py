"""The shortest history that still fails, and how it is told."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import orjson

from switchboard.domain.events import Frame


def shrink(history: list[Frame], fails: Callable[[list[Frame]], bool]) -> list[Frame]:
    """The shortest history that still fails, by dropping frames, then events, again and again."""
    smaller = True
    while smaller:
        smaller = False
        for candidate in _without_frames(history):
            if len(candidate) < len(history) and fails(candidate):
                history, smaller = candidate, True
                break
        if smaller:
            continue
        for candidate in _with_fewer_events(history):
            if fails(candidate):
                history, smaller = candidate, True
                break
    return history


def _without_frames(history: list[Frame]) -> Iterable[list[Frame]]:
    size = max(1, len(history) // 2)
    while size:
        for start in range(0, len(history), size):
            yield history[:start] + history[start + size :]
        size //= 2


def _with_fewer_events(history: list[Frame]) -> Iterable[list[Frame]]:
    for index, frame in enumerate(history):
        for drop in range(len(frame.events)):
            events = frame.events[:drop] + frame.events[drop + 1 :]
            yield [*history[:index], replace(frame, events=events), *history[index + 1 :]]


def told(history: Iterable[Frame]) -> str:
    """A history for people: a frame a line, then its events."""
    lines: list[str] = []
    for frame in history:
        lines.append(f"frame {frame.n} at={frame.at} run={frame.run}")
        lines += [f"  {event.pool} {event.type} {orjson.dumps(event.data).decode()}" for event in frame.events]
    return "\n".join(lines)
