"""Recorded logs: JSON lines as `kcat -J` writes them, plain, gzip or zstd, one line a record.

kcat writes a key, a payload or a header that is no UTF-8 as its raw bytes. So does the writer here, and the reader
takes them: a record goes through a log byte for byte. Reading takes about 4 us a line.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NoReturn, TypeAlias

import orjson

from switchboard.domain.rfc3339 import MAX_MS, MIN_MS
from switchboard.errors import RecordedLogError
from switchboard.journal import bounded_json
from switchboard.journal.codec import SOURCE_TOPICS
from switchboard.journal.line_files import DamagedFileError, LongLineError, read_lines, writing_lines

JOURNAL: Final = "journal"
PROGRESS: Final = "shard-progress"
"""The topic whose `clock` row says which frame a shard's rows stand after."""

MAX_PARTITION: Final = 2**31 - 1
MAX_OFFSET: Final = 2**63 - 1
MIN_TS: Final = -(2**63)
MAX_TS: Final = 2**63 - 1
"""A record's place and time as Kafka has them: whole numbers of 32 and 64 bits.

Every record that a broker holds can be recorded and read. Whether a timestamp is one that can be routed by, in the
years 0001 to 9999 (`domain.rfc3339`: MIN_MS to MAX_MS), is for those who decide: the router, and `bus_frames`.
"""

_A_DECISION: Final = {"id", "type", "pool", "at"}
"""The fields of every line of a decision log."""
_DECISION: Final = "a decision: this is a decision log, where a journal log or a bus log is expected"
_FLAT: Final = "headers: expected a list of name, value, name, value, ..."


@dataclass(slots=True)
class Record:
    """One Kafka record, as a log holds it."""

    topic: str
    partition: int
    offset: int
    ts: int
    """Its timestamp, in ms since 1970; any number of 64 bits, so perhaps none of the years 0001 to 9999."""
    key: bytes | None
    payload: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    tstype: str = "create"
    """Who set the timestamp: `create` (the producer), `logappend` (the broker) or `unknown`."""
    file: str = ""
    line: int = 0
    """Where it was read from, counted from 1."""


class Kind(StrEnum):
    """What a log is, told by its topics."""

    JOURNAL = "journal log"
    """It has lines of `journal`, or rows alone, of which no frame was recorded."""
    BUS = "bus log"
    """It has lines of the source topics only."""


def is_timely(ts: int) -> bool:
    """Whether a timestamp is of the years 0001 to 9999, so that it can be routed and paced by."""
    return MIN_MS <= ts <= MAX_MS


def bare_topic(name: str) -> str:
    """A topic's name without the prefix that it may have: all up to the last dot, for no topic of ours has one."""
    return name.rpartition(".")[2]


Skip: TypeAlias = Callable[[RecordedLogError], object]
"""Takes what is wrong with a line, where the line is to be passed over; it may raise what it is given."""


def refuse(error: RecordedLogError) -> NoReturn:
    """The `Skip` that passes over nothing."""
    raise error


def read_log(path: Path, skip: Skip = refuse) -> Iterator[Record]:
    """The log's records, in order; an empty line has a number but is no record.

    Args:
        path: the file.
        skip: told of each line that is no record; where the file's compression is cut, the last thing it is told.

    Raises:
        RecordedLogError: a line is cut, is no JSON or lacks a field, and `skip` is the default.
        OSError: the file can't be read.
    """
    for number, line in _numbered(path, skip):
        if line.isspace():
            continue
        try:
            record = _record(str(path), number, line)
        except RecordedLogError as error:
            skip(error)
        else:
            yield record


def kind_of(path: Path, skip: Skip = refuse) -> Kind:
    """What the log is. A journal's line may come late, so a bus log is looked through to its end (not parsed).

    Args:
        path: the file.
        skip: told of lines that are no record, as far as they are looked at.

    Raises:
        RecordedLogError: no line is of a topic of ours, be it because the file is cut before one; or the line that
            would decide is damaged.
        OSError: the file can't be read.
    """
    has_source = has_rows = False
    cut: RecordedLogError | None = None

    def note(error: RecordedLogError) -> None:
        nonlocal cut
        cut = error
        skip(error)

    for number, line in _numbered(path, note):
        if ((has_source or has_rows) and b"journal" not in line) or line.isspace():
            continue
        try:
            topic = bare_topic(_record(str(path), number, line).topic)
        except RecordedLogError as error:
            skip(error)
            continue
        if topic == JOURNAL:
            return Kind.JOURNAL
        has_source = has_source or topic in SOURCE_TOPICS
        has_rows = has_rows or topic == PROGRESS
    if has_source:
        return Kind.BUS
    if has_rows:
        return Kind.JOURNAL
    if cut is not None:
        raise RecordedLogError(cut.file, cut.line, f"{cut.message}; what can be read of it has no line of ours")
    wanted = ", ".join((JOURNAL, *SOURCE_TOPICS))
    raise RecordedLogError(str(path), None, f"no line is of a topic of ours: expected one of {wanted}")


def _numbered(path: Path, skip: Skip) -> Iterator[tuple[int, bytes]]:
    """The lines with their numbers; one that is too long is told to `skip`, and given as an empty one."""
    number = 0

    def pass_over(error: LongLineError) -> None:
        skip(RecordedLogError(str(path), number + 1, str(error)))

    try:
        for number, line in enumerate(read_lines(path, pass_over), start=1):
            yield number, line
    except DamagedFileError as error:
        skip(RecordedLogError(str(path), number + 1, str(error)))


def _record(file: str, number: int, line: bytes) -> Record:
    try:
        body, encode = _parsed(line)
    except ValueError as error:
        raise RecordedLogError(file, number, str(error)) from None
    if type(body) is not dict:
        raise RecordedLogError(file, number, "expected a JSON object, as kcat -J writes it")
    try:
        key, payload, headers = body.get("key"), body["payload"], body.get("headers")
        record = Record(
            body["topic"],
            body["partition"],
            body["offset"],
            body["ts"],
            None if key is None else encode(key),
            None if payload is None else encode(payload),
            _headers(headers, encode) if headers else (),
            body.get("tstype", "create"),
            file,
            number,
        )
    except KeyError as error:
        told = _DECISION if body.keys() >= _A_DECISION else f"the field {error.args[0]} is missing"
        raise RecordedLogError(file, number, told) from None
    except ValueError as error:
        raise RecordedLogError(file, number, str(error)) from None
    except TypeError:
        raise RecordedLogError(file, number, "key, payload and headers: expected text or null") from None
    _check(record)
    return record


def _parsed(line: bytes) -> tuple[Any, Callable[[str], bytes]]:
    """What a line holds, and how its texts become bytes again.

    Raises:
        ValueError: it is no JSON, or nests too deep.
    """
    try:
        return bounded_json.loads(line), str.encode
    except orjson.JSONDecodeError as error:
        body = _with_raw_bytes(line)
        if body is None:
            cut = "not JSON" if line.endswith(b"\n") else "the line is cut"
            raise ValueError(f"{cut}: {error}") from None
        return body, _raw_bytes


def _headers(flat: Any, encode: Callable[[str], bytes]) -> tuple[tuple[str, bytes | None], ...]:
    pairs: list[tuple[str, bytes | None]] = []
    if type(flat) is not list or len(flat) % 2:
        raise ValueError(_FLAT)
    for index in range(0, len(flat), 2):  # a plain loop: less than half the time of zip and comprehension
        name, value = flat[index], flat[index + 1]
        if type(name) is not str:
            raise ValueError(_FLAT)
        pairs.append((name, None if value is None else encode(value)))
    return tuple(pairs)


def _check(record: Record) -> None:
    """Refuses what is no record's place or time. Types are compared, for true is an int to Python."""
    if type(record.topic) is not str or not record.topic:
        _refuse(record, "topic", "a topic's name", record.topic)
    if type(record.partition) is not int or not 0 <= record.partition <= MAX_PARTITION:
        _refuse(record, "partition", f"a whole number from 0 to {MAX_PARTITION}", record.partition)
    if type(record.offset) is not int or not 0 <= record.offset <= MAX_OFFSET:
        _refuse(record, "offset", f"a whole number from 0 to {MAX_OFFSET}", record.offset)
    if type(record.ts) is not int or not MIN_TS <= record.ts <= MAX_TS:
        _refuse(record, "ts", "ms since 1970, a whole number of 64 bits", record.ts)
    if type(record.tstype) is not str:
        _refuse(record, "tstype", "create, logappend or unknown", record.tstype)


def _refuse(record: Record, field: str, expected: str, value: Any) -> NoReturn:
    raise RecordedLogError(record.file, record.line, f"{field}: expected {expected}, got {str(value)[:60]!r}")


def _with_raw_bytes(line: bytes) -> Any:
    """A line that holds bytes that are no UTF-8, each kept as the lone surrogate that stands for it.

    None: it is no JSON all the same.

    Raises:
        TooDeepError: it nests too deep.
    """
    try:
        body = json.loads(line.decode(errors="surrogateescape"))
    except RecursionError:  # Python's own reader is recursive
        raise bounded_json.TooDeepError from None
    except ValueError:
        return None
    if bounded_json.is_too_deep(body):
        raise bounded_json.TooDeepError
    return body


def _raw_bytes(text: str) -> bytes:
    try:
        return str.encode(text, errors="surrogateescape")
    except UnicodeEncodeError:
        return str.encode(text, errors="surrogatepass")  # an escaped lone surrogate: no UTF-8, so the codec refuses it


def encode_record(record: Record) -> bytes:
    """The record as a line, without its end; fields in kcat's order, headers only where there are some."""
    headers: list[str | None] = [text for name, value in record.headers for text in (name, _text(value))]
    body = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "tstype": record.tstype,
        "ts": record.ts,
        **({"headers": headers} if headers else {}),
        "key": _text(record.key),
        "payload": _text(record.payload),
    }
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:  # raw bytes
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogateescape")


def _text(value: bytes | None) -> str | None:
    return value.decode(errors="surrogateescape") if value is not None else None


@contextmanager
def writing_log(path: Path) -> Iterator[Callable[[Record], None]]:
    """A new recorded log, compressed where the file's name says so; each call of what this gives adds a record."""
    with writing_lines(path) as file:

        def write(record: Record) -> None:
            file.write(encode_record(record) + b"\n")

        yield write
