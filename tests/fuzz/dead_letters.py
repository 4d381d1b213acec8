"""Dead letters: written for any bad input, and read back, also where no router wrote them."""

from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final

from aiokafka.structs import ConsumerRecord

from switchboard.journal.codec import KEPT_BYTES, MAX_VALUE_BYTES, REASONS, BadInput, UnreadValue, decode_event
from switchboard.kafka import ledger
from switchboard.kafka.clients import BATCH_BYTES
from switchboard.kafka.ledger import CommitBatch, record_size
from switchboard.kafka.record_batches import bounded_value
from switchboard.kafka.record_merge import Taken
from switchboard.kafka.topics import Topic
from switchboard.router.commits import MAX_LETTER_BYTES, pack_dead_letter
from switchboard.tools.dead_letters import DeadLetter, Replays, read_letter
from tests.fuzz.source_records import HEADER_NAMES, NOW, SourceRecord, odd_header, source_record
from tests.fuzz.target import Target, require
from tests.fuzz.texts import odd_bytes, odd_text

SIZES: Final = (KEPT_BYTES, MAX_VALUE_BYTES, MAX_VALUE_BYTES + 1, MAX_LETTER_BYTES - 300, MAX_LETTER_BYTES, 1_200_000)
"""Bytes of a key, a value or a header, one fewer and one more included."""
OWN: Final = ("reason", "detail", "source-topic", "source-partition", "source-offset")
NUMBERS: Final = (b"0", b"42", b"-1", b"+1", b"1_000", b" 7", b"1" * 25, b"9" * 5_000, "٣".encode(), b"\xb2", b"")


@dataclass(frozen=True, slots=True)
class NotRead:
    """What a reader handed out for a value that it did not read whole."""

    reason: str
    detail: str
    kept: bytes
    size: int | None
    headers_left_out: bool
    first_offset: int | None


@dataclass(frozen=True, slots=True)
class Letter:
    """A record that is to become a dead letter."""

    record: SourceRecord
    partition: int
    offset: int
    reason: str
    """Empty: as the decoder finds."""
    detail: str
    not_read: NotRead | None


@dataclass(frozen=True, slots=True)
class Forged:
    """A record of `dead-letter` that somebody else wrote."""

    headers: tuple[tuple[str, bytes | None], ...]
    key: bytes | None
    value: bytes | None


class DeadLetters(Target[Letter | Forged]):
    """Every dead letter fits into a record and says what it holds; reading one takes whatever is there."""

    name: ClassVar = "dead-letters"
    checks: ClassVar = "pack_dead_letter for every bad input, its batch, and read_letter of it and of forged ones"
    outcomes: ClassVar = frozenset(
        {"whole", "cut", "a batch", "headers left out", "headers, key left out", "forged, none of ours", "forged"}
    )

    def generate(self, random: Random) -> Letter | Forged:
        """A record with its fault; one in ten is forged."""
        if random.random() < 0.1:
            return _forged(random)
        record = source_record(random)
        if random.random() < 0.03:
            record = _swollen(random, record)
        return Letter(
            record,
            random.choice((0, 3, 2**31 - 1)),
            random.choice((0, 42, 2**53, 2**63 - 1)),
            random.choice(REASONS) if random.random() < 0.4 else "",
            (odd_text(random) * random.choice((1, 1, 40)))[:2_000] + "\ud800" * random.choice((0, 0, 0, 1)),
            _not_read(random) if random.random() < 0.15 else None,
        )

    def check(self, case: Letter | Forged) -> str:
        """Pack and read back; a forged one is read only."""
        if isinstance(case, Forged):
            return _read_forged(case)
        record, bad = _bad_input(case)
        if bad is None:
            return "an event"
        batch = CommitBatch()
        pack_dead_letter(batch, Taken(record.timestamp, 6, bad, record), bad)
        [(key, value, headers)] = batch.outputs[Topic.DEAD_LETTER]
        size = record_size(key, value, headers)
        require(size <= MAX_LETTER_BYTES, "a dead letter fits into a record", size)
        builder = ledger._compressed_batch()  # as a commit does
        require(
            builder.append(timestamp=NOW, key=key, value=value, headers=headers) is not None, "a batch takes the letter"
        )
        packed = len(bytes(builder._build())) if size > MAX_VALUE_BYTES else 0
        require(packed <= BATCH_BYTES, "a batch of one letter fits into a request", packed)
        letter = read_letter(ConsumerRecord("dead-letter", 0, 7, NOW, 0, key, value, None, 0, 0, tuple(headers)))
        return _compared(letter, record, bad)


def _bad_input(case: Letter) -> tuple[ConsumerRecord, BadInput | None]:
    value = case.record.value
    told = case.not_read
    if told is not None:
        value = UnreadValue(
            "too-large" if told.reason == "too-large" else "undecodable",
            told.detail,
            kept=told.kept,
            size=told.size,
            headers_left_out=told.headers_left_out,
            first_offset=told.first_offset,
        )
    value = bounded_value(value)
    topic = case.record.topic
    place = (f"bus.{topic}", case.partition, case.offset)
    record = ConsumerRecord(*place, case.record.timestamp, 0, case.record.key, value, None, 0, 0, case.record.headers)
    found = decode_event(topic, record.headers, value, source=place, timestamp=record.timestamp)
    if not case.reason:
        return record, found if isinstance(found, BadInput) else None
    [reason] = [each for each in REASONS if each == case.reason]
    return record, BadInput(reason, case.detail, found.pool)


def _compared(letter: DeadLetter, record: ConsumerRecord, bad: BadInput) -> str:
    """Hold what the letter says against the record that it was made of."""
    _note(letter)
    unread = record.value if isinstance(record.value, UnreadValue) else None
    first = None if unread is None else unread.first_offset
    source = (record.topic, record.partition, record.offset if first is None else first)
    require(letter.reason == bad.reason, "the letter gives the reason", letter.reason)
    require(letter.source == source, "the letter gives the record's place", letter.source)
    said = bad.detail[:500].encode(errors="backslashreplace").decode()
    require(letter.detail == said, "the letter gives the detail", letter.detail)
    require((letter.last_offset is None) == (first is None), "the letter says whether it stands for a batch")
    is_cut = unread is not None and unread.size is not None and unread.size > len(unread)
    if first is not None:
        require(letter.obstacle is not None and letter.last_offset == record.offset, "a batch can't be put back")
        return "a batch"
    left_out = [name for name in letter.left_out.split(", ") if name]
    whole = {
        "headers": letter.headers == tuple(record.headers) and not (unread is not None and unread.headers_left_out),
        "key": letter.key == record.key,
        "value": letter.value == (None if record.value is None else bytes(record.value)),
    }
    for name, is_whole in whole.items():
        require(is_whole or name in left_out, "what is missing is named in left-out", (name, letter.left_out))
    require((letter.original_size is not None) == is_cut, "the letter says whether its value is cut")
    is_complete = all(whole.values()) and not is_cut
    require(
        is_complete == (letter.obstacle is None), "an obstacle is named where something is missing", letter.obstacle
    )
    if left_out:
        return f"{letter.left_out} left out"
    return "cut" if is_cut else "whole"


def _note(letter: DeadLetter) -> None:
    """Do with a letter what `dead-letter replay` does with all: it is not this one put back."""
    replays = Replays()
    replays.note(letter)
    require(replays.later(letter) is None, "a letter is not itself put back", letter.place)
    require(len(letter.fingerprint) == 32, "a letter has a fingerprint")


def _read_forged(case: Forged) -> str:
    record = ConsumerRecord("dead-letter", 0, 7, NOW, 0, case.key, case.value, None, 0, 0, case.headers)
    letter = read_letter(record)
    require(letter.key == case.key and letter.value == case.value, "a forged letter keeps key and value")
    _note(letter)
    require(set(letter.headers) <= set(case.headers), "a forged letter has no headers but its own")
    _, partition, offset = letter.source
    require(-1 <= partition < 2**63 and -1 <= offset < 2**63, "a source has a partition and an offset", letter.source)
    if not letter.reason:
        require(letter.obstacle is not None, "a letter without a reason is not put back")
        return "forged, none of ours"
    return "forged"


def _forged(random: Random) -> Forged:
    """Headers as a router's own, with odd values, some missing, some more."""
    values = {
        "reason": random.choice((b"schema", b"", odd_bytes(random))),
        "detail": odd_bytes(random),
        "source-topic": random.choice((b"chat-arrival", odd_bytes(random))),
        "source-partition": random.choice(NUMBERS),
        "source-offset": random.choice(NUMBERS),
    }
    headers: list[tuple[str, bytes | None]] = [odd_header(random) for _ in range(random.choice((0, 0, 1, 3)))]
    headers += [(name, values[name] if random.random() < 0.97 else None) for name in OWN if random.random() < 0.97]
    for name in ("source-last-offset", "original-size", "left-out"):
        if random.random() < 0.3:
            headers.append((name, random.choice((*NUMBERS, odd_bytes(random)))))
    if random.random() < 0.2:
        headers.append((random.choice(HEADER_NAMES), random.choice((None, odd_bytes(random)))))
    if random.random() < 0.1:
        random.shuffle(headers)
    return Forged(tuple(headers), random.choice((None, b"k")), random.choice((None, b"{}", odd_bytes(random))))


def _swollen(random: Random, record: SourceRecord) -> SourceRecord:
    """The record with a key, a value or headers about as large as what fits."""
    key, value, headers = record.key, record.value, record.headers
    for _ in range(random.choice((1, 1, 2, 3))):
        size = random.choice(SIZES) + random.choice((-1, 0, 1))
        match random.randrange(4):
            case 0:
                key = random.choice((b"\x00", b"k")) * size
            case 1:
                value = random.choice((b" ", b"[", b"\xff")) * size
            case 2:
                headers = (*headers, (random.choice(("", "é", "reason", "n")), random.choice((b"v", b"\xff")) * size))
            case _:
                headers = headers + ((random.choice(("", "é" * 20)), None),) * random.choice(
                    (999, 999, 20_000, 120_000, 300_000)
                )
    return SourceRecord(record.topic, headers, value, record.timestamp, key)


def _not_read(random: Random) -> NotRead:
    kept = random.choice((b"", b"{}", b"v" * KEPT_BYTES, b"v" * MAX_VALUE_BYTES))
    return NotRead(
        random.choice(("too-large", "undecodable")),
        odd_text(random)[:600],
        kept,
        random.choice((None, len(kept), len(kept) + 1, 2**31)),
        random.random() < 0.5,
        random.choice((None, None, 0, 41, 2**53)),
    )
