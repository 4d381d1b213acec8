"""What one commit holds: a frame, its decisions, the rows it changed, dead letters and where the sources stand."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import orjson

from switchboard import metrics
from switchboard.domain.decisions import Decision
from switchboard.domain.rows import TABLES, Row
from switchboard.journal import codec as decision_values
from switchboard.journal.cloudevents import decision_headers
from switchboard.journal.codec import BadInput, Unread
from switchboard.journal.schemas import MAX_DETAIL
from switchboard.kafka.clients import BATCH_BYTES
from switchboard.kafka.ledger import CommitBatch, Ledger, Record, record_size
from switchboard.kafka.merged_reader import Taken
from switchboard.kafka.positions import Offsets
from switchboard.kafka.record_batches import bounded_key, bounded_value
from switchboard.kafka.topics import Topic

NO_HEADERS: Final[list[tuple[str, bytes]]] = []
MAX_ROW_BYTES: Final = BATCH_BYTES - 4096
"""With its key, and what a batch adds: a chat that 2,000 agents with the longest ids passed over, or 20,000 with usual
ones. Told while the frame is made, it can still be laid at the door of an event; in the commit it could not."""
MAX_LETTER_BYTES: Final = MAX_ROW_BYTES
"""Of a dead letter as it is encoded, its own headers included."""
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
    """The dead letter of a record that could not be taken: the record byte for byte, and the reason in headers.

    Of a value that is too large its first 8 KiB are kept, of a key of more than 64 KiB nothing. Where the letter would
    not fit into a record it goes without the record's headers, then without its key, then without its value, and the
    header `left-out` names what is missing: a dead letter can never fail a commit.
    """
    record = taken.record
    value = bounded_value(record.value)
    unread = value if isinstance(value, Unread) else None
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
    value = None if value is None or first_offset is not None else bytes(value)
    key, headers, left_out = bounded_key(record.key), list(record.headers), list[str]()
    if unread is not None and unread.headers_left_out:
        headers, left_out = [], ["headers"]
    if isinstance(key, Unread):
        key = None
        left_out.append("key")
    while (size := record_size(key, value, headers + own + _left_out(left_out))) > MAX_LETTER_BYTES:
        if headers:
            headers, shed = [], "headers"
        elif key is not None:
            key, shed = None, "key"
        elif value is not None:
            value, shed = None, "value"
        else:
            raise ValueError(f"a dead letter's own headers take {size} bytes")
        left_out.append(shed)
    own += _left_out(left_out)
    batch.outputs[Topic.DEAD_LETTER].append((key, value, headers + own))


def _left_out(names: list[str]) -> list[tuple[str, bytes | None]]:
    """The header that names what a dead letter lacks of its record; none where it lacks nothing."""
    return [("left-out", ", ".join(names).encode())] if names else []


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


GROUP_EVENTS: Final = 4_000
"""Records that wait for the commit under way at most: beyond, nothing more is read. With as many the broker is never
waited for in a drain; with events of usual size a transaction stays below 10 MB."""


@dataclass(slots=True)
class Group:
    """What the next commit is to make visible: one frame or several, whole."""

    batch: CommitBatch = field(default_factory=CommitBatch)
    then: list[Callable[[], None]] = field(default_factory=list)
    """To be called in order, once it is visible."""
    records: int = 0


class Committer:
    """Commits in the order of `put`, in the background.

    Args:
        ledger: open.
        committed: told the (monotonic) time of each commit that was made.
    """

    def __init__(self, ledger: Ledger, committed: Callable[[float], None]) -> None:
        self._ledger = ledger
        self._committed = committed
        self._next = Group()
        self._task: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        """Set when a commit is begun, and when one has failed."""

    @property
    def busy(self) -> bool:
        """Whether a commit is under way."""
        return self._task is not None and not self._task.done()

    @property
    def is_settled(self) -> bool:
        """Whether all that was put is visible."""
        if self._next.then or self.busy:
            return False
        return self._task is None or (not self._task.cancelled() and self._task.exception() is None)

    async def put(self, batch: CommitBatch, records: int, then: Callable[[], None]) -> None:
        """Have this committed: at once, or with what else is there when the commit under way is made.

        Args:
            batch: what becomes visible.
            records: how many source records are in it.
            then: called once it is.

        Raises:
            LedgerLostError: an earlier commit failed; this one is lost with it.
        """
        while self.busy and self._next.records and self._next.records + records > GROUP_EVENTS:
            self._room.clear()
            await self._room.wait()
        self.check()
        group = self._next
        group.batch.extend(batch)
        group.then.append(then)
        group.records += max(1, records)
        if self._task is None:
            self._task = asyncio.create_task(self._work())

    def check(self) -> None:
        """Find out about a commit that has failed.

        Raises:
            LedgerLostError: nothing more can be committed.
        """
        if self._task is not None and self._task.done():
            task, self._task = self._task, None
            task.result()

    async def settle(self, within: float | None = None) -> None:
        """Wait until all that was put is visible, `within` seconds.

        Raises:
            LedgerLostError, TimeoutError: it is not.
        """
        if self._task is not None:
            async with asyncio.timeout(within):
                await asyncio.wait([self._task])
            self.check()

    async def abandon(self) -> None:
        """Give up what is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _work(self) -> None:
        while self._next.then:
            group, self._next = self._next, Group()
            self._room.set()
            began = time.monotonic()
            try:
                await self._ledger.commit(group.batch)
            finally:
                self._room.set()
            now = time.monotonic()
            self._committed(now)
            metrics.COMMIT.observe(now - began)
            metrics.COMMITS.labels("committed").inc()
            for then in group.then:
                then()
