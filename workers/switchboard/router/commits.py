"""The contents of a commit: frames, decisions, changed rows, dead letters and source offsets."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import orjson

from switchboard.domain.decisions import Decision
from switchboard.domain.engine import Outcome
from switchboard.domain.rows import TABLES, Row
from switchboard.journal import codec as decision_values
from switchboard.journal.cloudevents import decision_headers
from switchboard.journal.codec import BadInput, UnreadValue
from switchboard.journal.schemas import MAX_DETAIL
from switchboard.kafka.clients import BATCH_BYTES
from switchboard.kafka.ledger import CommitBatch, Record, record_size
from switchboard.kafka.reading import Offsets
from switchboard.kafka.record_batches import bounded_key, bounded_value
from switchboard.kafka.record_merge import Taken
from switchboard.kafka.topics import Topic

NO_HEADERS: Final[list[tuple[str, bytes]]] = []
MAX_ROW_BYTES: Final = BATCH_BYTES - 4096
"""Bytes of a row's value at most; the rest of a record batch holds its key and the batch's own fields. A chat reaches
this once 2,000 agents with the longest ids, or 20,000 with usual ids, passed it over. Checked before the commit, while
we still know which event caused it."""
MAX_LETTER_BYTES: Final = MAX_ROW_BYTES
"""Bytes of an encoded dead letter at most, its own headers included."""
TOPIC_OF: Final = {table: Topic(table) for table in TABLES}
GROUP_EVENTS: Final = 4_000
"""Source records in frames that wait for the commit under way, at most; with more, nothing is read. With 4,000 a drain
never waits for the broker, and with events of usual size a transaction stays below 10 MB."""


class RowTooLargeError(ValueError):
    """The row of an agent or a chat is too large for a record; the event that made it so large is at fault."""


@dataclass(slots=True, frozen=True)
class Visible:
    """What one frame, or records without a frame, make visible: counted and logged after the commit."""

    offsets: Offsets
    """Source offsets that moved."""
    taken: list[Taken]
    """The shard's own records."""
    outcome: Outcome | None
    """None: no frame was made of the records."""


@dataclass(slots=True)
class _Group:
    """Frames that become visible together in the next commit."""

    batch: CommitBatch = field(default_factory=CommitBatch)
    parts: list[Visible] = field(default_factory=list)
    records: int = 0
    """Source records, bounded by `GROUP_EVENTS`; each part counts as one at least."""


class CommitQueue:
    """The commit under way, and the group of frames that waits for its end. Does no I/O.

    Everything that is put while a commit is under way goes into the next commit. So one commit is made while the next
    frames are read and applied.
    """

    def __init__(self) -> None:
        self._under_way: list[Visible] | None = None
        self._waiting = _Group()
        self.error: Exception | None = None
        """The error of the commit that failed; no further commit is made."""

    @property
    def is_under_way(self) -> bool:
        """Whether a commit is under way."""
        return self._under_way is not None

    @property
    def is_settled(self) -> bool:
        """Whether everything that was put is visible."""
        return self._under_way is None and self.error is None

    def has_room(self, records: int) -> bool:
        """Whether so many source records may be put now; if not, the commit under way has to end first."""
        waiting = self._waiting.records
        return not self.is_under_way or not waiting or waiting + records <= GROUP_EVENTS

    def put(self, batch: CommitBatch, records: int, part: Visible) -> CommitBatch | None:
        """Add a batch to the next commit.

        Args:
            batch: what becomes visible.
            records: how many source records are in the batch.
            part: reported by `made` once the batch is visible.

        Returns:
            The batch to commit now; None while a commit is under way.
        """
        group = self._waiting
        group.batch.extend(batch)
        group.parts.append(part)
        group.records += max(1, records)
        return None if self.is_under_way else self._begin()

    def made(self) -> tuple[list[Visible], CommitBatch | None]:
        """Note that the commit under way was made.

        Returns:
            What became visible, in the order of `put`, and the batch to commit next, if one waits.
        """
        visible, self._under_way = self._under_way or [], None
        return visible, self._begin() if self._waiting.parts else None

    def failed(self, error: Exception) -> None:
        """Note that the commit under way failed; the frames that wait are never committed."""
        self._under_way, self.error = None, error

    def _begin(self) -> CommitBatch:
        group, self._waiting = self._waiting, _Group()
        self._under_way = group.parts
        return group.batch


def pack_decisions(batch: CommitBatch, made: list[Decision]) -> None:
    """Add decisions to a commit; the key is the chat id, or the agent id of a decision without a chat."""
    assignments, requests = batch.outputs[Topic.ASSIGNMENT], batch.outputs[Topic.PUSH_REQUEST]
    encode = decision_values.encode
    for decision in made:
        fields = decision.__dict__
        subject: bytes = (fields.get("chat_id") or fields["agent_id"]).encode()
        kind = decision.type
        headers = decision_headers(decision.id, kind, decision.pool, decision.at, subject)
        record: Record = (subject, encode(decision), headers)
        (requests if kind == decision_values.PUSH_REQUEST_TYPE else assignments).append(record)


def pack_rows(batch: CommitBatch, rows: Iterable[Row], max_bytes: int = MAX_ROW_BYTES) -> None:
    """Add rows to a commit; a row without value becomes a tombstone.

    Raises:
        RowTooLargeError: the value of a row takes more than `max_bytes`, and could never be written.
    """
    outputs = batch.outputs
    for row in rows:
        value = None if row.value is None else orjson.dumps(row.value)
        if value is not None and len(value) > max_bytes:
            raise RowTooLargeError(f"the row of {row.table} for {row.key} takes {len(value)} bytes")
        outputs[TOPIC_OF[row.table]].append((row.key.encode(), value, NO_HEADERS))


def pack_offsets(batch: CommitBatch, offsets: Offsets) -> None:
    """Add source offsets to a commit, as rows of `shard-progress`.

    Kafka's own request for this (offsets sent to a transaction) would take half of the time of a commit.
    """
    progress = batch.outputs[Topic.SHARD_PROGRESS]
    for (topic, partition), offset in offsets.items():
        progress.append((offset_key(topic, partition), orjson.dumps({"offset": offset}), NO_HEADERS))


def pack_dead_letter(batch: CommitBatch, taken: Taken, bad: BadInput) -> None:
    """Add the dead letter of a bad record to a commit: the record byte for byte, and the reason in headers.

    The letter keeps the first 8 KiB of a value that is too large, and nothing of a key of more than 64 KiB. A letter
    that fits into no record loses the record's headers, then the key, then the value; the header `left-out` names what
    is missing. So a dead letter never fails a commit.

    Raises:
        ValueError: the letter's own headers alone are too large; a defect, since each of them is bounded.
    """
    record = taken.record
    value = bounded_value(record.value)
    unread = value if isinstance(value, UnreadValue) else None
    key, headers, left_out = bounded_key(record.key), list(record.headers), list[str]()
    if unread is not None and unread.headers_left_out:
        headers, left_out = [], ["headers"]
    if isinstance(key, UnreadValue):
        key = None
        left_out.append("key")
    own = _own_headers(taken, unread, bad)
    # The letter of a whole batch of records has no value.
    kept = None if value is None or (unread is not None and unread.first_offset is not None) else bytes(value)
    # Leave out parts until the letter fits.
    while (size := record_size(key, kept, headers + own + _left_out(left_out))) > MAX_LETTER_BYTES:
        if headers:
            headers, shed = [], "headers"
        elif key is not None:
            key, shed = None, "key"
        elif kept is not None:
            kept, shed = None, "value"
        else:
            raise ValueError(f"a dead letter's own headers take {size} bytes")
        left_out.append(shed)
    own += _left_out(left_out)
    batch.outputs[Topic.DEAD_LETTER].append((key, kept, headers + own))


def _own_headers(taken: Taken, unread: UnreadValue | None, bad: BadInput) -> list[tuple[str, bytes | None]]:
    """The headers that a dead letter adds: why the record is bad, and where it was read.

    Args:
        taken: the bad record.
        unread: the record's value, if the reader did not keep all of the value; else None.
        bad: the reason.
    """
    record = taken.record
    first_offset = None if unread is None else unread.first_offset
    own: list[tuple[str, bytes | None]] = [
        ("reason", bad.reason.encode()),
        ("detail", bad.detail[:MAX_DETAIL].encode(errors="backslashreplace")),
        ("source-topic", record.topic.encode()),
        ("source-partition", str(record.partition).encode()),
        ("source-offset", str(record.offset if first_offset is None else first_offset).encode()),
    ]
    if first_offset is not None:
        own.append(("source-last-offset", str(record.offset).encode()))
    if unread is not None and unread.size is not None and unread.size > len(unread):
        own.append(("original-size", str(unread.size).encode()))
    return own


def _left_out(names: list[str]) -> list[tuple[str, bytes | None]]:
    """The header `left-out` with these names; no header without names."""
    return [("left-out", ", ".join(names).encode())] if names else []


def offset_key(topic: str, partition: int) -> bytes:
    """Key of the row on `shard-progress` with the offset of a source partition."""
    return f"source/{topic}/{partition}".encode()


def offsets_in(rows: dict[str, bytes]) -> Offsets:
    """The source offsets among the rows of `shard-progress`.

    Args:
        rows: key -> value; rows without an offset are skipped.
    """
    found: Offsets = {}
    for key, value in rows.items():
        if key.startswith("source/"):
            topic, partition = key.removeprefix("source/").rsplit("/", 1)
            found[topic, int(partition)] = orjson.loads(value)["offset"]
    return found
