"""The engine beside the reference model, frame by frame: as it is, and rebuilt from its rows in three ways (I9)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import orjson

from switchboard.contracts.decisions import encode
from switchboard.domain.engine import Engine
from switchboard.domain.events import Frame
from switchboard.domain.rows import Row
from tests.reference.model import ReferenceEngine

SHARD = 3
Table: TypeAlias = dict[tuple[str, str], Row]


def first_difference(history: Sequence[Frame]) -> str | None:
    """Where the engine and the reference model part, told for people; None: nowhere."""
    model = ReferenceEngine(SHARD)
    as_it_is, rebuilt, through_json, from_changes = (Engine(SHARD) for _ in range(4))
    kept: Table = {}
    for frame in history:
        expected = [orjson.dumps(decision) for decision in model.apply(frame)]
        engines = {
            "the engine": as_it_is,
            "the engine rebuilt from its rows": rebuilt,
            "the engine rebuilt from its rows through JSON": through_json,
            "the engine rebuilt from its changed rows": from_changes,
        }
        for name, engine in engines.items():
            decided = [encode(decision) for decision in engine.apply(frame).decisions]
            if decided != expected:
                return _told(frame, name, expected, decided)
        keep(kept, from_changes.changed_rows())
        everything = keep({}, as_it_is.rows())
        if _comparable(kept) != _comparable(everything):
            return _told(frame, "the rows kept from changes", _lines(everything), _lines(kept))
        rebuilt = Engine.restore(SHARD, list(rebuilt.rows()))
        through_json = Engine.restore(SHARD, [as_json(row) for row in through_json.rows()])
        from_changes = Engine.restore(SHARD, list(kept.values()))
    return None


def as_json(row: Row) -> Row:
    """The row as a topic would give it back."""
    return replace(row, value=orjson.loads(orjson.dumps(row.value)))


def keep(table: Table, rows: Iterable[Row]) -> Table:
    """Keep the latest value of each key, in the order in which they were last written; a tombstone ends a key."""
    for row in rows:
        table.pop((row.table, row.key), None)
        if row.value is not None:
            table[row.table, row.key] = as_json(row)
    return table


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


def _told(frame: Frame, name: str, expected: list[bytes], found: list[bytes]) -> str:
    lines = [f"frame {frame.n}: {name} differs from the rules:"]
    lines += [f"  - {line.decode()}" for line in expected if line not in found]
    lines += [f"  + {line.decode()}" for line in found if line not in expected]
    if sorted(expected) == sorted(found):
        lines += ["  in order only", *(f"  - {line.decode()}" for line in expected)]
    return "\n".join(lines)


def _comparable(table: Table) -> dict[tuple[str, str], Any]:
    """The rows' values; of a closed chat only the engine's part, since only its id is remembered (R13)."""
    values = {key: row.value for key, row in table.items() if row.value is not None}
    return {key: value["engine"] if value.get("stage") == "closed" else value for key, value in values.items()}


def _lines(table: Table) -> list[bytes]:
    return [orjson.dumps(row) for row in table.values()]
