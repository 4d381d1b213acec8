"""What one commit holds: a frame, its decisions, the rows it changed, dead letters and where the sources stand."""

from collections.abc import Iterable
from typing import Final

import orjson

from switchboard.contracts import decisions as decision_values
from switchboard.contracts.cloudevents import decision_headers
from switchboard.contracts.codec import MAX_VALUE_BYTES, BadInput
from switchboard.domain.decisions import Decision
from switchboard.domain.rows import TABLES, Row
from switchboard.kafka.clients import BATCH_BYTES
from switchboard.kafka.ledger import CommitBatch, Record
from switchboard.kafka.topics import Topic
from switchboard.router.gone import Offsets
from switchboard.router.merging import Taken

NO_HEADERS: Final[list[tuple[str, bytes]]] = []
MAX_ROW_BYTES: Final = BATCH_BYTES - 4096
"""With its key, and what a batch adds: a chat that 2,000 agents with the longest ids passed over, or 20,000 with usual
ones. Told while the frame is made, it can still be laid at the door of an event; in the commit it could not."""
TOPIC_OF: Final = {table: Topic(table) for table in TABLES}


class RowTooLargeError(ValueError):
    """What is to be remembered of an agent or a chat fits into no record: the event that made it so is at fault."""


def pack_decisions(batch: CommitBatch, made: list[Decision]) -> None:
    """Decisions, keyed by chat, else by agent."""
    assignments, requests = batch.outputs[Topic.ASSIGNMENT], batch.outputs[Topic.PUSH_REQUEST]
    encode = decision_values.encode
    for decision in made:
        fields = decision.__dict__
        subject: bytes = (fields.get("chat_id") or fields["agent_id"]).encode()
        kind = decision.type
        headers = decision_headers(decision.id, kind, decision.pool, decision.at, subject)
        record: Record = (subject, encode(decision), headers)
        (requests if kind == decision_values.PUSH_REQUEST_TYPE else assignments).append(record)


def pack_rows(batch: CommitBatch, rows: Iterable[Row]) -> None:
    """Rows, or their tombstones.

    Raises:
        RowTooLargeError: one could never be written.
    """
    outputs = batch.outputs
    for row in rows:
        value = None if row.value is None else orjson.dumps(row.value)
        if value is not None and len(value) > MAX_ROW_BYTES:
            raise RowTooLargeError(f"the row of {row.table} for {row.key} takes {len(value)} bytes")
        outputs[TOPIC_OF[row.table]].append((row.key.encode(), value, NO_HEADERS))


def pack_offsets(batch: CommitBatch, offsets: Offsets) -> None:
    """Where the sources stand: in our own rows, since sending offsets to the transaction costs half of a commit."""
    progress = batch.outputs[Topic.SHARD_PROGRESS]
    for (topic, partition), offset in offsets.items():
        progress.append((offset_key(topic, partition), orjson.dumps({"offset": offset}), NO_HEADERS))


def pack_dead_letter(batch: CommitBatch, taken: Taken, bad: BadInput) -> None:
    """A record that could not be taken, byte for byte (the first 64 KiB of it), with the reason."""
    record = taken.record
    value: bytes | None = record.value
    headers: list[tuple[str, bytes | None]] = list(record.headers)
    if sum(len(name) + len(held or b"") for name, held in headers) + len(record.key or b"") > MAX_VALUE_BYTES:
        headers = []  # or the dead letter could itself be too large to be written
    headers += [
        ("reason", bad.reason.encode()),
        ("detail", bad.detail.encode()),
        ("source-topic", record.topic.encode()),
        ("source-partition", str(record.partition).encode()),
        ("source-offset", str(record.offset).encode()),
    ]
    if value is not None and len(value) > MAX_VALUE_BYTES:
        headers.append(("original-size", str(len(value)).encode()))
        value = value[:MAX_VALUE_BYTES]
    batch.outputs[Topic.DEAD_LETTER].append((record.key and record.key[:MAX_VALUE_BYTES], value, headers))


def offset_key(topic: str, partition: int) -> bytes:
    """The key of the row that says where a source partition stands."""
    return f"source/{topic}/{partition}".encode()


def offsets_in(rows: dict[str, bytes]) -> Offsets:
    """Where the sources stand, from the values of `shard-progress`."""
    found: Offsets = {}
    for key, value in rows.items():
        if key.startswith("source/"):
            topic, partition = key.removeprefix("source/").rsplit("/", 1)
            found[topic, int(partition)] = orjson.loads(value)["offset"]
    return found
