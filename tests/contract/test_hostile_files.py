"""Files that somebody made to be a burden: a message with file and line, in bounded memory and time."""

import gzip
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import zstandard

from switchboard.audit.inputs import read_decision
from switchboard.domain.rfc3339 import MAX_MS, MIN_MS
from switchboard.errors import AuditInputError, RecordedLogError, RoutingFileError, SettingsError
from switchboard.journal import bounded_json
from switchboard.journal.decision_log import FoundDecision
from switchboard.journal.decision_reader import DecisionId
from switchboard.journal.files import InputFileError, open_input, read_text
from switchboard.journal.frames import decode_frame
from switchboard.journal.line_files import MAX_LINE_BYTES, LongLineError, read_lines
from switchboard.journal.log_frames import LoggedRows, Tally, bus_frames, journal_frames
from switchboard.journal.recorded_log import read_log
from switchboard.journal.routing_file import read_routing_file
from switchboard.settings import load
from switchboard.tools.publisher import summarize

Compress = Callable[[bytes], bytes]
HEAD = b'{"topic":"journal","partition":0,"offset":0,"ts":1,"payload":"'
COMPRESSIONS: dict[str, Compress] = {
    "plain": bytes,
    "gzip": lambda text: gzip.compress(text, 1),
    "zstd": zstandard.ZstdCompressor().compress,
}


def nested(levels: int) -> str:
    """Lists within one another."""
    return "[" * levels + "]" * levels


def line(payload: str, topic: str = "journal", ts: int = 1, offset: int = 0) -> bytes:
    """A line of a recorded log."""
    return orjson.dumps({"topic": topic, "partition": 0, "offset": offset, "ts": ts, "payload": payload}) + b"\n"


# --- lines that are too long ---


@pytest.mark.parametrize("compress", COMPRESSIONS.values(), ids=COMPRESSIONS)
def test_a_line_may_be_as_long_as_the_limit_and_no_longer(tmp_path: Path, compress: Compress) -> None:
    """The limit is named; where such lines are passed over, the others keep their numbers.

    The limit here is a third of the usual one, and like that one larger than what zstd unpacks at a time (4 MiB).
    """
    most = 5 * 2**20
    longest = b"a" * (most - 1) + b"\n"
    file = tmp_path / "log"
    file.write_bytes(compress(b"x\n" + longest + b"y\n" + longest[:-1]))
    assert [len(each) for each in read_lines(file, most=most)] == [2, most, 2, most - 1]
    for much in (1, most, most + 1):
        file.write_bytes(compress(b"x\n" + b"a" * much + longest + b"y\n" + b"a" * much + longest[:-1]))
        with pytest.raises(LongLineError, match=r"too long: expected at most 5,242,880 bytes"):
            list(read_lines(file, most=most))
        passed: list[LongLineError] = []
        ends = list(read_lines(file, passed.append, most=most))
        assert (ends, len(passed)) == ([b"x\n", b"\n", b"y\n", b"\n"], 2)


def test_the_usual_limit_of_a_line_is_16_mib(tmp_path: Path) -> None:
    """A line of that size is read, and one more byte is too many."""
    file = tmp_path / "log"
    longest = b"a" * (MAX_LINE_BYTES - 1) + b"\n"
    file.write_bytes(zstandard.ZstdCompressor().compress(longest))
    assert [len(each) for each in read_lines(file)] == [MAX_LINE_BYTES]
    file.write_bytes(zstandard.ZstdCompressor().compress(b"a" + longest))
    with pytest.raises(LongLineError, match=r"too long: expected at most 16,777,216 bytes"):
        list(read_lines(file))


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_a_line_of_gigabytes_in_a_small_file_costs_little_memory(tmp_path: Path, name: str) -> None:
    """3 GB of blanks are 100 KB of zstd: 2.4 GB of memory and rising, when all of it was unpacked at once.

    Here 300 MB of blanks are one line, in one frame of zstd or in a gzip member for each 1 MB.
    """
    blanks = b" " * 2**20
    file = tmp_path / "log"
    with file.open("wb") as out:
        if name == "gzip":
            out.write(gzip.compress(HEAD) + gzip.compress(blanks) * 300)
        else:
            with zstandard.ZstdCompressor().stream_writer(out) as writer:
                writer.write(HEAD)
                for _ in range(300):
                    writer.write(blanks)
    # A process of its own: its largest size is that of this reading alone.
    code = (
        "import resource, sys; from pathlib import Path; from switchboard.journal.line_files import read_lines\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "lines = list(read_lines(Path(sys.argv[1]), lambda error: None))\n"
        "print(len(lines), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True)
    lines, mebibytes = map(int, done.stdout.split())
    assert lines == 1
    assert mebibytes < 128


def test_many_lines_in_a_small_file_cost_little_memory(tmp_path: Path) -> None:
    """They are given one by one, however many a piece of the file holds."""
    file = tmp_path / "log"
    file.write_bytes(zstandard.ZstdCompressor().compress(b"\n" * 50_000_000))
    lines = read_lines(file)
    assert [next(lines) for _ in range(3)] == [b"\n"] * 3


# --- JSON that nests too deep ---


@pytest.mark.parametrize("levels", [65, 254, 255, 1024, 1025, 100_000])
def test_deep_json_is_refused_by_every_reader_with_a_message(tmp_path: Path, levels: int) -> None:
    """Orjson reads 1,024 levels and writes 254; Python's own reader raises RecursionError."""
    deep = nested(levels)
    log = tmp_path / "log.jsonl"
    for text in (
        deep.encode(),  # the line itself
        b'{"topic":"journal","partition":0,"offset":0,"ts":1,"payload":null,"headers":%s}' % deep.encode(),
        b'{"topic":"journal","partition":0,"offset":0,"ts":1,"payload":"\xff","more":%s}' % deep.encode(),  # raw bytes
    ):
        log.write_bytes(b"\n" + text + b"\n")
        with pytest.raises(RecordedLogError, match=r"log\.jsonl:2: "):
            list(read_log(log))
    for frame in (deep, f'{{"n":0,"at":1,"run":0,"events":{deep}}}'):
        log.write_bytes(line(frame))
        with pytest.raises(RecordedLogError, match=r"log\.jsonl:1: no journal frame: "):
            list(journal_frames(read_log(log), Tally()))
    (record,) = read_log(log)
    record.key, record.payload = b"c", deep.encode()
    assert str(LoggedRows().add("open-chats", record)).startswith("no row of open-chats: ")
    for decision in (deep, f'{{"type":{deep}}}', f'{{"type":"chat-queued","pool":{deep}}}'):
        with pytest.raises(AuditInputError, match=r"decisions\.jsonl:7: "):
            read_decision(decision.encode(), "decisions.jsonl:7")


def test_the_bound_on_depth_is_64_levels() -> None:
    """Of objects and lists alike, wherever they are."""
    for text in (nested(64), '{"a":' * 64 + "1" + "}" * 64, f'[1,{{"a":[[],{nested(61)}]}}]'):
        assert bounded_json.loads(text.encode()) == orjson.loads(text)
    for text in (nested(65), '{"a":' * 65 + "1" + "}" * 65, f'[1,{{"a":[[],{nested(62)}]}}]'):
        with pytest.raises(bounded_json.TooDeepError, match="at most 64 levels"):
            bounded_json.loads(text.encode())
    wide = orjson.dumps([[] for _ in range(100_000)])
    assert len(bounded_json.loads(wide)) == 100_000


@pytest.mark.parametrize(
    "text", ["{}", '{"n":{},"at":1,"run":0,"events":[]}', f'{{"n":{"9" * 5000},"at":1,"run":0,"events":[]}}', "[" * 64]
)
def test_no_frame_is_a_value_error(text: str) -> None:
    """Whatever the bytes."""
    with pytest.raises(ValueError, match="no journal frame: "):
        decode_frame(text.encode())


@pytest.mark.parametrize(
    "clock",
    [
        b'{"format":1}',
        b'{"format":1,"frame":null}',
        b'{"format":1,"frame":"9"}',
        b'{"format":1,"frame":-1}',
        b'{"format":[]}',
    ],
)
def test_a_row_of_the_clock_without_a_frame_is_a_damaged_row(clock: bytes, tmp_path: Path) -> None:
    """It says which frame the shard's rows are of."""
    log = tmp_path / "log.jsonl"
    body = {"topic": "shard-progress", "partition": 0, "offset": 0, "ts": 1, "key": "clock", "payload": clock.decode()}
    log.write_bytes(orjson.dumps(body) + b"\n")
    with pytest.raises(RecordedLogError, match=r"log\.jsonl:1: (no row of shard-progress: frame: |rows of format )"):
        list(journal_frames(read_log(log), Tally(), LoggedRows()))


def test_an_id_with_a_number_of_thousands_of_digits_is_no_decisions_id() -> None:
    """Python makes no number of it, and raises."""
    digits = "9" * 5000
    assert FoundDecision(b'{"id":"p/%s/1/0"}' % digits.encode(), "line 1").id is None
    assert FoundDecision(b'{"id":"p/0/1/0"}', "line 1").id == DecisionId(0, 1, 0, "p")


# --- times ---


@pytest.mark.parametrize("ts", [MIN_MS - 1, MAX_MS + 1, -(2**63), 2**63 - 1, -62135596800001])
def test_a_record_with_any_timestamp_of_a_broker_can_be_read_and_one_beyond_all_years_is_bad_time(
    tmp_path: Path, ts: int
) -> None:
    """The router sets it aside: it has a number, is no frame, and moves no time for those after it."""
    log = tmp_path / "bus.jsonl"
    times = [5, ts, MIN_MS if ts < 0 else 6, 7]
    log.write_bytes(b"".join(line(f'{{"chat_id":"c{n}"}}', "chat-arrival", at, n) for n, at in enumerate(times)))
    assert [record.ts for record in read_log(log)] == times
    tally = Tally()
    frames = list(bus_frames(read_log(log), tally))
    assert [(frame.n, frame.events[0].data["chat_id"]) for frame in frames] == [(0, "c0"), (2, "c2"), (3, "c3")]
    assert [frame.at for frame in frames] == [5, 5 if ts < 0 else 6, 7]
    assert dict(tally.bad) == {"bad-time": 1}
    assert tally.examples["bad-time"] == (
        f"{log}:2: the record's timestamp is {ts} ms, outside of the years 0001 to 9999"
    )


def test_a_replay_onto_a_bus_keeps_its_pace_whatever_a_timestamp_is(tmp_path: Path) -> None:
    """A record of the year 292 million lasts no time; it is sent all the same."""
    log = tmp_path / "bus.jsonl"
    times = [2**63 - 1, 1000, -(2**63), 3500]
    log.write_bytes(b"".join(line('{"chat_id":"c"}', "chat-arrival", at, n) for n, at in enumerate(times)))
    summary = summarize(log, frozenset())
    assert (summary.records, summary.seconds) == (4, 2.5)


@pytest.mark.parametrize("ts", [MIN_MS, MAX_MS, 0, -1])
def test_the_first_and_the_last_millisecond_of_the_years_are_times(tmp_path: Path, ts: int) -> None:
    """The same range as the router's."""
    log = tmp_path / "bus.jsonl"
    log.write_bytes(line('{"chat_id":"c"}', "chat-arrival", ts))
    tally = Tally()
    assert [frame.at for frame in bus_frames(read_log(log), tally)] == [ts]
    assert not tally.bad


@pytest.mark.parametrize(
    ("field", "value"),
    [("ts", 2**63), ("ts", -(2**63) - 1), ("offset", 2**63), ("partition", 2**31), ("tstype", "[1]"), ("ts", "1e400")],
)
def test_a_place_that_no_broker_has_is_told(tmp_path: Path, field: str, value: object) -> None:
    """With the file, the line and the field."""
    log = tmp_path / "log.jsonl"
    fields = {"topic": '"t"', "partition": "0", "offset": "0", "ts": "0", "payload": "null", field: str(value)}
    log.write_text("{" + ",".join(f'"{name}":{each}' for name, each in fields.items()) + "}\n")
    with pytest.raises(RecordedLogError, match=rf"log\.jsonl:1: ({field}: expected|not JSON)"):
        list(read_log(log))


# --- TOML ---

HOSTILE_TOML = {
    "nested lists": ("x = " + nested(3000), 3, "at most 64 levels"),
    "nested tables": ("x = " + "{a=" * 3000 + "1" + "}" * 3000, 3, "at most 64 levels"),
    "a key of many parts": (".".join(["a"] * 5000) + " = 1", 3, "at most 64 levels"),
    "a table of many parts": ("[" + ".".join(["a"] * 5000) + "]", 3, "at most 64 levels"),
    "keys of many parts in tables": (
        "x = {" + ".".join("a" * 40) + "= {" + ".".join("a" * 40) + "=1}}",
        3,
        "64 levels",
    ),
    "a table and a key": ("[" + ".".join("a" * 40) + "]\n" + ".".join("b" * 40) + " = 1", 4, "at most 64 levels"),
    "lists over lines": ("x = [\n" * 3000, 66, "at most 64 levels"),
    "a long number": ("x = " + "1" * 5000, 3, "at most 64 digits"),
    "a long negative number": ("x = [1, -" + "1_" * 5000 + "1]", 3, "at most 64 digits"),
    "a long fraction": ("x = 0." + "1" * 5000, 3, "at most 64 digits"),
    "a NUL": ("x = '\0'", 3, "NUL"),
    "no UTF-8": (b"x = '\xff'", 3, "expected UTF-8 text"),
    "an unclosed text": ('x = """' + "a" * 100, 4, "expected TOML"),
}


@pytest.mark.parametrize(("text", "at", "expected"), HOSTILE_TOML.values(), ids=HOSTILE_TOML)
def test_hostile_toml_is_told_by_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | bytes, at: int, expected: str
) -> None:
    """In a routing file and in switchboard.toml alike; strings and comments may hold anything."""
    harmless = "[pools.a]\nseed = '{0}'  # {0} {1}\n".format("[" * 100 + ".a" * 100, "9" * 100).encode()
    whole = harmless + (text if isinstance(text, bytes) else text.encode()) + b"\n"
    routing, settings = tmp_path / "routing.toml", tmp_path / "switchboard.toml"
    for file in (routing, settings):
        file.write_bytes(whole)
    with pytest.raises(RoutingFileError, match=rf"routing\.toml:{at}: .*{expected}"):
        read_routing_file(routing)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=rf"switchboard\.toml:{at}: .*{expected}"):
        load()


def test_a_value_over_many_lines_is_not_read_once_for_each_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line was a try of its own to read all lines before it: 20,000 lines took minutes."""
    file = tmp_path / "routing.toml"
    text = "[pools.a]\nx = [\n" + "1,\n" * 2_000 + "]\ny = 1\n"
    file.write_text(text)
    read = 0
    loads = tomllib.loads

    def count(part: str) -> dict[str, Any]:
        nonlocal read
        read += len(part)
        return loads(part)

    monkeypatch.setattr(tomllib, "loads", count)
    with pytest.raises(RoutingFileError) as error:
        read_routing_file(file)
    lines = {each.where: each.line for each in error.value.faults}
    assert (lines["pools.a.x"], lines["pools.a.y"]) == (2, 2_004)
    assert read <= 2 * len(text)


def test_of_very_many_faults_the_first_are_told(tmp_path: Path) -> None:
    """With a word that there are more; names and keys are cut."""
    file = tmp_path / "routing.toml"
    file.write_text("[pools.a]\n" + "".join(f"k{n} = 1\n" for n in range(5_000)) + "x" * 5_000 + " = 1\n")
    with pytest.raises(RoutingFileError) as error:
        read_routing_file(file)
    assert len(error.value.faults) == 101
    assert error.value.faults[-1].message.startswith("there are more faults than the 100 above")
    assert len(str(error.value)) < 30_000


# --- what is no file ---


@pytest.fixture(params=["a pipe", "a folder", "a device"])
def no_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A path to something that is no file."""
    path = tmp_path / "named"
    if request.param == "a device":
        return Path("/dev/zero")
    if request.param == "a pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    return path


def test_what_is_no_file_is_refused_at_once(no_file: Path) -> None:
    """A pipe without a writer would be waited for for good, and /dev/zero has no end."""
    for read in (open_input, lambda path: read_text(path, 10), lambda path: list(read_lines(path)), read_routing_file):
        with pytest.raises(InputFileError, match=rf"^{no_file}: expected a file, and it is a (pipe|folder|device)"):
            read(no_file)


@pytest.mark.parametrize("name", [".env", "switchboard.toml"])
def test_a_file_of_settings_is_read_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Its size, its kind, and its text."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / name
    for content, expected in (
        (b"#" * 2**20 + b"\n", "at most 1,048,576 bytes"),
        (b"# \0\n", "1: expected text, and it holds a NUL"),
        (b"\n# \xff\n", "2: expected UTF-8 text"),
    ):
        file.write_bytes(content)
        with pytest.raises(SettingsError, match=rf"{name}:? ?.*{expected}"):
            load()
    file.unlink()
    os.mkfifo(file)
    if name == ".env":
        with pytest.raises(SettingsError, match=r"^\.env: expected a file, and it is a pipe"):
            load()


def test_a_secret_that_is_too_large_is_told_with_the_name_of_its_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a file of certificates."""
    monkeypatch.chdir(tmp_path)
    large = tmp_path / "large"
    large.write_bytes(b"a" * (64 * 1024 + 1))
    with pytest.raises(SettingsError, match=r"^web_token_file: .*large: expected a file of at most 65,536 bytes"):
        load(web_token_file=large).reader_token()
    os.truncate(large, 5 * 1024 * 1024)
    with pytest.raises(SettingsError, match=r"^ca_file is '.*large' .*: expected a file of at most 4,194,304 bytes"):
        load(ca_file=large)


@pytest.mark.parametrize("number", ["0x" + "f" * 3_600, "0o" + "7" * 5_000, "0b" + "1" * 20_000])
def test_a_long_number_of_another_base_is_refused_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    """Python reads it, and then can't write it in a message."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "switchboard.toml").write_text(f"shards = 1\ngroup_id = {number}\n")
    with pytest.raises(SettingsError, match=r"switchboard\.toml:2: expected numbers of at most 64 digits"):
        load()
