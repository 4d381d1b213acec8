"""Recorded logs: JSON lines in the format of `kcat -J`, plain, gzip or zstd, a record a line.

kcat writes a key, a payload or a header that is not UTF-8 as its raw bytes. The writer here does the same, and the
reader accepts such bytes: a record passes through a log byte for byte. Reading takes about 4 us a line.
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
"""The topic with the row `clock`: the number of the last frame before a shard's rows were written."""

MAX_PARTITION: Final = 2**31 - 1
MAX_OFFSET: Final = 2**63 - 1
MIN_TS: Final = -(2**63)
MAX_TS: Final = 2**63 - 1
"""Kafka's ranges of a record's place and time: whole numbers of 32 and 64 bits.

Every record that a broker holds can be recorded and read. The router and `bus_frames` decide whether a record can be
routed by its timestamp: in the years 0001 to 9999 (`domain.rfc3339`: MIN_MS to MAX_MS).
"""

_DECISION_FIELDS: Final = {"id", "type", "pool", "at"}
"""The fields of every line of a decision log."""
_IS_DECISION: Final = "a decision: this is a decision log, where a journal log or a bus log is expected"
_FLAT_HEADERS: Final = "headers: expected a list of name, value, name, value, ..."


@dataclass(slots=True)
class Record:
    """A Kafka record, as recorded in a log."""

    topic: str
    partition: int
    offset: int
    ts: int
    """The timestamp, in ms since 1970: any number of 64 bits, perhaps outside the years 0001 to 9999."""
    key: bytes | None
    payload: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    tstype: str = "create"
    """The origin of the timestamp: `create` (the producer), `logappend` (the broker) or `unknown`."""
    file: str = ""
    """The log of the record."""
    line: int = 0
    """The line of the record, counted from 1."""


class Kind(StrEnum):
    """The kind of a log, given by its topics."""

    JOURNAL = "journal log"
    """Has lines of `journal`, or rows alone, if no frame was recorded after them."""
    BUS = "bus log"
    """Has lines of the source topics, and none of `journal`."""


def is_timely(ts: int) -> bool:
    """True if a timestamp is in the years 0001 to 9999, as routing and pacing require."""
    return MIN_MS <= ts <= MAX_MS


def bare_topic(name: str) -> str:
    """A topic's name without its prefix: without everything up to the last dot. None of our bare names has a dot."""
    return name.rpartition(".")[2]


# Reading

Skip: TypeAlias = Callable[[RecordedLogError], object]
"""Called with the fault of a line that can't be used. If the call returns, the line is skipped."""


def refuse(error: RecordedLogError) -> NoReturn:
    """The `Skip` for reading without skips: raises the error."""
    raise error


def read_log(path: Path, skip: Skip = refuse) -> Iterator[Record]:
    """The log's records, in order. A blank line has a number, but is no record.

    Args:
        path: the file.
        skip: called for each line that is no record. For a damaged compressed file the last call is for the place of
            the damage, where reading ends.

    Raises:
        RecordedLogError: a line is cut, is not JSON or lacks a field, and `skip` is the default.
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
    """The kind of a log. A line of `journal` may come late, so a bus log is searched to its end, without parsing.

    Args:
        path: the file.
        skip: called for damaged lines among the searched ones.

    Raises:
        RecordedLogError: no line is of a topic of ours, perhaps because the file is cut before such a line; or the line
            that would decide is damaged, and `skip` is the default.
        OSError: the file can't be read.
    """
    has_source = has_rows = False
    cut: RecordedLogError | None = None

    def note_cut(error: RecordedLogError) -> None:
        nonlocal cut
        cut = error
        skip(error)

    for number, line in _numbered(path, note_cut):
        # Once the log is known to have lines of ours, only a line of `journal` can change its kind.
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
    topics = ", ".join((JOURNAL, *SOURCE_TOPICS))
    raise RecordedLogError(str(path), None, f"no line is of a topic of ours: expected one of {topics}")


def _numbered(path: Path, skip: Skip) -> Iterator[tuple[int, bytes]]:
    """The lines with their numbers. `skip` is called for a line that is too long, and an empty line takes its place."""
    number = 0

    def on_long_line(error: LongLineError) -> None:
        skip(RecordedLogError(str(path), number + 1, str(error)))

    try:
        for number, line in enumerate(read_lines(path, on_long_line), start=1):
            yield number, line
    except DamagedFileError as error:
        skip(RecordedLogError(str(path), number + 1, str(error)))


def _record(file: str, number: int, line: bytes) -> Record:
    try:
        body, encode = _parse(line)
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
        message = _IS_DECISION if body.keys() >= _DECISION_FIELDS else f"the field {error.args[0]} is missing"
        raise RecordedLogError(file, number, message) from None
    except ValueError as error:
        raise RecordedLogError(file, number, str(error)) from None
    except TypeError:
        raise RecordedLogError(file, number, "key, payload and headers: expected text or null") from None
    _check(record)
    return record


def _parse(line: bytes) -> tuple[Any, Callable[[str], bytes]]:
    """The JSON value of a line, and the function that turns its texts back into the recorded bytes.

    Raises:
        ValueError: the line is not JSON, or nests too deep.
    """
    try:
        return bounded_json.loads(line), str.encode
    except orjson.JSONDecodeError as error:
        body = _parse_raw_bytes(line)
        if body is None:
            cut = "not JSON" if line.endswith(b"\n") else "the line is cut"
            raise ValueError(f"{cut}: {error}") from None
        return body, _encode_raw_bytes


def _parse_raw_bytes(line: bytes) -> Any:
    """The JSON value of a line with bytes that are not UTF-8. Each such byte becomes a lone surrogate.

    None: the line is no JSON at all.

    Raises:
        TooDeepError: the value nests too deep.
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


def _encode_raw_bytes(text: str) -> bytes:
    try:
        return str.encode(text, errors="surrogateescape")
    except UnicodeEncodeError:
        # The line had a lone surrogate as an escape. Its bytes are not UTF-8, so the codec refuses the record.
        return str.encode(text, errors="surrogatepass")


def _headers(flat: Any, encode: Callable[[str], bytes]) -> tuple[tuple[str, bytes | None], ...]:
    pairs: list[tuple[str, bytes | None]] = []
    if type(flat) is not list or len(flat) % 2:
        raise ValueError(_FLAT_HEADERS)
    for index in range(0, len(flat), 2):  # less than half the time of zip and a comprehension
        name, value = flat[index], flat[index + 1]
        if type(name) is not str:
            raise ValueError(_FLAT_HEADERS)
        pairs.append((name, None if value is None else encode(value)))
    return tuple(pairs)


def _check(record: Record) -> None:
    """Refuse a record without a valid place or time."""
    # Types are compared, because isinstance takes true for an int.
    if type(record.topic) is not str or not record.topic:
        _refuse_field(record, "topic", "a topic's name", record.topic)
    if type(record.partition) is not int or not 0 <= record.partition <= MAX_PARTITION:
        _refuse_field(record, "partition", f"a whole number from 0 to {MAX_PARTITION}", record.partition)
    if type(record.offset) is not int or not 0 <= record.offset <= MAX_OFFSET:
        _refuse_field(record, "offset", f"a whole number from 0 to {MAX_OFFSET}", record.offset)
    if type(record.ts) is not int or not MIN_TS <= record.ts <= MAX_TS:
        _refuse_field(record, "ts", "ms since 1970, a whole number of 64 bits", record.ts)
    if type(record.tstype) is not str:
        _refuse_field(record, "tstype", "create, logappend or unknown", record.tstype)


def _refuse_field(record: Record, field: str, expected: str, value: Any) -> NoReturn:
    raise RecordedLogError(record.file, record.line, f"{field}: expected {expected}, got {str(value)[:60]!r}")


# Writing


@contextmanager
def writing_log(path: Path) -> Iterator[Callable[[Record], None]]:
    """A new recorded log, compressed if the file's name says so. Gives a function to add a record."""
    with writing_lines(path) as file:

        def write(record: Record) -> None:
            file.write(encode_record(record) + b"\n")

        yield write


def encode_record(record: Record) -> bytes:
    """The record as a line, without its end. Fields are in kcat's order; without headers there is no `headers`."""
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
    except orjson.JSONEncodeError:  # bytes that are not UTF-8
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogateescape")


def _text(value: bytes | None) -> str | None:
    return value.decode(errors="surrogateescape") if value is not None else None
