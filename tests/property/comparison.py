"""The engine beside the reference model, frame by frame: as it is, and rebuilt from its rows in three ways (I9)."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeAlias

import orjson

from switchboard.domain.engine import Engine
from switchboard.domain.events import Frame
from switchboard.domain.rows import Row
from switchboard.journal.codec import encode
from tests.reference.model import ReferenceEngine

SHARD = 3
Table: TypeAlias = dict[tuple[str, str], Row]


def first_difference(history: Iterable[Frame]) -> str | None:
    """Where the engine, as it is, and the reference model part, told for people; None: nowhere."""
    model, engine = ReferenceEngine(SHARD), Engine(SHARD)
    for frame in history:
        found = _differs(frame, _expected(model, frame), "the engine", engine)
        if found is not None:
            return found
    return None


def first_difference_rebuilt(history: Iterable[Frame]) -> str | None:
    """The same for engines that are rebuilt from their rows after every frame (I9)."""
    model = ReferenceEngine(SHARD)
    never, in_memory, through_json, from_changes = (Engine(SHARD) for _ in range(4))
    kept: Table = {}
    for frame in history:
        expected = _expected(model, frame)
        found = (
            _differs(frame, expected, "the engine", never)
            or _differs(frame, expected, "the engine rebuilt from its rows", in_memory)
            or _differs(frame, expected, "the engine rebuilt from its rows through JSON", through_json)
            or _differs(frame, expected, "the engine rebuilt from its changed rows", from_changes)
        )
        if found is not None:
            return found
        keep(kept, from_changes.changed_rows())
        everything = keep({}, never.rows())
        if _comparable(kept) != _comparable(everything):
            return _told(frame, "the rows kept from changes", _lines(everything), _lines(kept))
        in_memory = Engine.restore(SHARD, list(in_memory.rows()))
        through_json = Engine.restore(SHARD, [as_json(row) for row in through_json.rows()])
        from_changes = Engine.restore(SHARD, list(kept.values()))
    return None


def _expected(model: ReferenceEngine, frame: Frame) -> list[bytes]:
    return [orjson.dumps(decision) for decision in model.apply(frame)]


def _differs(frame: Frame, expected: list[bytes], name: str, engine: Engine) -> str | None:
    try:
        found = [encode(decision) for decision in engine.apply(frame).decisions]
    except Exception as error:  # noqa: BLE001 - so that a history that makes the engine fail is shrunk like any other
        return f"frame {frame.n}: {name} failed: {type(error).__name__}: {error}"
    return None if found == expected else _told(frame, name, expected, found)


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
