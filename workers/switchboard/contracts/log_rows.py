"""The rows that a journal log may begin with, in place of the frames that led to them."""

from typing import cast

from switchboard.contracts import bounded_json
from switchboard.contracts.log_tally import Tally
from switchboard.contracts.recorded_log import MAX_OFFSET, PROGRESS, Record
from switchboard.domain.rows import ROW_FORMAT, Row, Table


class LoggedRows:
    """Each shard's rows as far as they are read; of those of one key the last counts, and none if that is a tombstone.

    What an engine is restored from with `Engine.restore(shard, rows.take(shard))`, once the shard's first frame is
    there.
    """

    def __init__(self) -> None:
        self._shards: dict[int, dict[tuple[str, str], Row]] = {}
        self._lines: dict[int, int] = {}

    def add(self, table: str, record: Record) -> str | None:
        """Take a line; what is wrong with it, if something is."""
        try:
            key = (record.key or b"").decode()
            value = None if record.payload is None else bounded_json.loads(record.payload)
        except ValueError as error:
            return f"no row of {table}: {error}"
        if not key or not (value is None or isinstance(value, dict)):
            return f"no row of {table}: expected a key, and a JSON object or nothing"
        if key == "clock" and value is not None and value.get("format") != ROW_FORMAT:
            return f"rows of format {str(value.get('format'))[:60]}; this version reads format {ROW_FORMAT}"
        if table == PROGRESS and key == "clock" and value is not None and not _is_frame(value.get("frame")):
            return f"no row of {table}: frame: expected a whole number from 0 to {MAX_OFFSET}"
        self._lines[record.partition] = self._lines.get(record.partition, 0) + 1
        rows = self._shards.setdefault(record.partition, {})
        rows[table, key] = Row(cast("Table", table), key, value)
        return None

    def begin(self, shard: int, number: int, tally: Tally) -> int:
        """A shard's first frame has this number: the number that it was to have; rows of no use are dropped."""
        lines = self._lines.pop(shard, 0)
        clock = self._shards.get(shard, {}).get((PROGRESS, "clock"))
        if number == 0 or clock is None or clock.value is None:
            self._shards.pop(shard, None)
            tally.skipped += lines
            return 0
        tally.rows += lines
        frame: int = clock.value["frame"]
        return frame + 1

    def take(self, shard: int) -> list[Row]:
        """The rows that a shard goes on from; none if its frames count from 0."""
        return list(self._shards.pop(shard, {}).values())


def _is_frame(value: object) -> bool:
    """Whether a value of a row is the number of a frame (true is an int to Python)."""
    return type(value) is int and 0 <= value <= MAX_OFFSET
