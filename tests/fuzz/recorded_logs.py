"""Recorded logs and decision logs, plain and compressed: read, replayed and audited offline."""

import asyncio
import gzip
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, ClassVar, Final

import orjson
import zstandard

from switchboard.audit.inputs import audit_files
from switchboard.errors import AuditInputError, RecordedLogError
from switchboard.journal.files import InputFileError
from switchboard.journal.frames import JOURNAL_HEADERS
from switchboard.journal.line_files import MAX_LINE_BYTES, read_lines
from switchboard.journal.log_frames import Tally
from switchboard.journal.recorded_log import Record, encode_record, read_log
from switchboard.tools.offline_replay import replay
from tests.fuzz.json_values import changed, written
from tests.fuzz.source_records import AGENTS, odd_header, random_timestamp, source_record
from tests.fuzz.target import Target, require
from tests.fuzz.texts import damaged, odd_bytes, odd_text

GOLDEN: Final = Path(__file__).parents[1] / "golden"
LINES: Final = 60
"""Lines that are taken of each golden log."""
MOST_MESSAGE: Final = 2_000
"""Characters of a message about a file, its path included."""
LONG_LINES: Final = (MAX_LINE_BYTES - 2, MAX_LINE_BYTES, 3 * MAX_LINE_BYTES)


@dataclass(frozen=True, slots=True)
class LogFile:
    """A recorded log, a decision log to hold it against, and what is done with them."""

    operation: str
    """`read`, `replay`, `skip bad lines` or `audit`."""
    name: str
    """Of the file."""
    data: bytes
    decisions: bytes = b""


@dataclass(frozen=True, slots=True)
class Written:
    """Records that are written as a log, and read again."""

    records: tuple[tuple[str, int, int, bytes | None, bytes | None, tuple[tuple[str, bytes | None], ...]], ...]
    """Topic, partition, offset or time, key, payload and headers of each."""


class RecordedLogs(Target[LogFile | Written]):
    """A log is read to its end, or refused by a message with the file and the line."""

    name: ClassVar = "recorded-logs"
    checks: ClassVar = "read_log, offline replay with and without --skip-bad, audit_files; what is written is read back"
    outcomes: ClassVar = frozenset(
        {"read: whole", "read: refused", "replay: whole", "replay: refused", "skip bad lines: whole"}
        | {"audit: whole", "audit: refused", "written and read back"}
    )

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="fuzz-")
        self._path = Path(self._folder.name)

    def close(self) -> None:
        """Remove the files."""
        self._folder.cleanup()

    def generate(self, random: Random) -> LogFile | Written:
        """A golden log with some lines changed, packed, and damaged."""
        if random.random() < 0.1:
            return Written(tuple(_record(random) for _ in range(random.choice((1, 3)))))
        kind = random.random()
        if kind < 0.45:
            lines = _changed_lines(random, _golden("day.jsonl"))
        elif kind < 0.8:
            lines = _changed_lines(random, _golden(random.choice(("demo.jsonl.zst", "storm.jsonl.zst"))))
        else:
            lines = [_bus_line(random, offset) for offset in range(random.choice((1, 4, 12)))]
        operation = random.choice(("read", "replay", "replay", "skip bad lines", "audit"))
        decisions = b""
        if operation == "audit":
            named = _golden(random.choice(("demo.decisions.jsonl.zst", "storm.decisions.jsonl.zst")))
            decisions = b"\n".join(_changed_lines(random, named))
        name, data = _packed(random, b"\n".join(lines))
        return LogFile(operation, name, data, decisions)

    def check(self, case: LogFile | Written) -> str:
        """Do what is to be done with the file."""
        if isinstance(case, Written):
            return self._read_back(case)
        path = self._path / case.name
        path.write_bytes(case.data)
        try:
            self._do(case, path)
        except (RecordedLogError, AuditInputError, InputFileError) as error:
            _check_message(error, str(self._path))
            return f"{case.operation}: refused"
        return f"{case.operation}: whole"

    def _do(self, case: LogFile, path: Path) -> None:
        match case.operation:
            case "read":
                for record in read_log(path):
                    require(record.line > 0 and record.file == str(path), "a record names file and line", record.line)
            case "audit":
                decisions = self._path / "decisions.jsonl"
                decisions.write_bytes(case.decisions)
                report = asyncio.run(audit_files(path, [decisions], _nothing))
                require(str(report) != "", "an audit gives a report")
            case _:
                made: list[bytes] = []
                tally = Tally()
                replay(path, made.append, tally, _nothing, skip_bad=case.operation == "skip bad lines")
                for line in b"".join(made).splitlines():
                    require(type(orjson.loads(line)) is dict, "a decision is a JSON object", line)

    def _read_back(self, case: Written) -> str:
        path = self._path / "written.jsonl"
        records = [
            Record(topic, partition, abs(number), number, key, payload, headers)
            for topic, partition, number, key, payload, headers in case.records
        ]
        path.write_bytes(b"".join(encode_record(record) + b"\n" for record in records))
        again = list(read_log(path))
        for record in again:
            record.file, record.line = "", 0
        require(again == records, "what was recorded is read back as it was", again)
        return "written and read back"


def _nothing(*_: object) -> None:
    """Progress that nobody looks at."""


def _check_message(error: Exception, folder: str) -> None:
    """A refusal names the file, and fits into a few lines of a terminal."""
    text = str(error)
    require(folder in text, "a refusal names the file", text)
    require(len(text) <= MOST_MESSAGE, "a refusal is short", len(text))
    line = getattr(error, "line", None)
    require(line is None or line > 0, "a refusal names a line that there is", line)


@cache
def _golden(name: str) -> tuple[bytes, ...]:
    return tuple(line.rstrip(b"\n") for line in islice(read_lines(GOLDEN / name), LINES))


def _changed_lines(random: Random, golden: Sequence[bytes]) -> list[bytes]:
    """Some lines of a golden log from its beginning on, perhaps changed."""
    lines = list(golden[: random.choice((1, 5, 20, LINES))])
    for _ in range(random.choice((0, 1, 1, 2))):
        at = random.randrange(len(lines))
        match random.randrange(8):
            case 0:
                lines[at] = damaged(random, lines[at])
            case 1:
                del lines[at]
            case 2:
                lines.insert(at, random.choice(lines))
            case 3:
                lines.insert(at, random.choice((b"", b" ", b"\r", b"null", b"[]", b"\xff", odd_bytes(random))))
            case _:
                lines[at] = _changed_line(random, lines[at])
        if not lines:
            return [b""]
    return lines


def _changed_line(random: Random, line: bytes) -> bytes:
    """A line with one thing in it changed: of the record, or of the event or frame in its payload."""
    body: Any = orjson.loads(line) if line.startswith(b"{") and _is_json(line) else {}
    inner = body.get("payload") if isinstance(body, dict) else None
    if isinstance(inner, str) and random.random() < 0.6 and _is_json(inner.encode()):
        value = changed(random, orjson.loads(inner))
        payload = written(value)
        if random.random() < 0.1:
            payload = damaged(random, payload)
        body["payload"] = payload.decode(errors="replace")
        return written(body)
    for name in ("ts", "offset", "partition"):
        if isinstance(body, dict) and name in body and random.random() < 0.1:
            body[name] = random_timestamp(random)
    return written(changed(random, body))


def _is_json(text: bytes) -> bool:
    """Whether orjson reads the text, and can write it again: it reads 1,024 levels, and writes 254."""
    try:
        orjson.dumps(orjson.loads(text))
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return False
    return True


def _bus_line(random: Random, offset: int) -> bytes:
    """A line of a bus log, of any record of a source topic."""
    made = source_record(random)
    record = Record(made.topic, 0, offset, made.timestamp, made.key, made.value, made.headers)
    return encode_record(record)


def _packed(random: Random, data: bytes) -> tuple[str, bytes]:
    """The name and the bytes of a file with these lines; now and then with one of many megabytes."""
    if random.random() < 0.001:
        data += b"\n" + b" " * random.choice(LONG_LINES) + b"\n"
    if random.random() < 0.95:
        data += b"\n"
    cut = random.random() < 0.1
    match random.randrange(4):
        case 0 | 1:
            return "log.jsonl", damaged(random, data) if cut else data
        case 2:
            pieces = [data[:99], data[99:]] if random.random() < 0.3 else [data]
            packed = b"".join(gzip.compress(piece, 1, mtime=0) for piece in pieces)
            name = "log.jsonl.gz"
        case _:
            pieces = [data[:99], data[99:]] if random.random() < 0.3 else [data]
            packed = b"".join(zstandard.ZstdCompressor(1).compress(piece) for piece in pieces)
            name = "log.jsonl.zst"
    return name, damaged(random, packed) if cut else packed


def _record(
    random: Random,
) -> tuple[str, int, int, bytes | None, bytes | None, tuple[tuple[str, bytes | None], ...]]:
    """The parts of a record as a broker may hold one."""
    number = random.choice((random_timestamp(random), random.randrange(2**40)))
    topic = random.choice(("journal", "chat-arrival", "eu.chat-arrival", "x"))
    headers = tuple(odd_header(random) for _ in range(random.choice((0, 0, 1, 4))))
    key = random.choice((None, b"", random.choice(AGENTS).encode(), odd_bytes(random)))
    payload = random.choice((None, b"", odd_bytes(random), source_record(random).value, odd_text(random).encode()))
    if random.random() < 0.2:
        headers += JOURNAL_HEADERS
    return topic, random.choice((0, 7, 2**31 - 1)), max(number, -(2**63) + 1), key, payload, headers
