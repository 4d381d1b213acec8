"""Recorded logs: what kcat writes is read, what is written is read back, what is damaged is told by file and line."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from switchboard.domain.rfc3339 import MAX_MS, MIN_MS
from switchboard.errors import RecordedLogError
from switchboard.journal.recorded_log import Kind, Record, bare_topic, encode_record, kind_of, read_log, writing_log

KCAT = (
    b'{"topic":"chat-arrival","partition":0,"offset":0,"tstype":"create","ts":1795393898305,"broker":1,'
    b'"headers":["ce_type","chat-arrival","x","","none",null],"key":"k1","payload":"{\\"chat_id\\":\\"c\xc3\xbc\\"}"}\n'
    b'{"topic":"chat-arrival","partition":0,"offset":1,"tstype":"create","ts":1795393898371,"broker":1,"key":null,'
    b'"payload":"bin\xff\xfe\\u0000\\u001F\\"\\\\/\x7f\xc2\x85 \xe2\x80\xa8"}\n'
    b'{"topic":"chat-arrival","partition":0,"offset":2,"tstype":"logappend","ts":1795393898390,"broker":1,'
    b'"headers":["h","\xff\xfe"],"key":"a\xff","payload":null}\n'
)
"""What kcat 1.7.1 wrote, word for word but for the last payload: raw bytes where something is no UTF-8."""

TEXT = st.characters(exclude_categories=["Cs"])

RECORDS = st.builds(
    Record,
    topic=st.text(TEXT, min_size=1, max_size=10),
    partition=st.integers(0, 2**31 - 1),
    offset=st.integers(0, 2**62),
    ts=st.integers(MIN_MS, MAX_MS),
    key=st.none() | st.binary(max_size=20),
    payload=st.none() | st.binary(max_size=60) | st.text(max_size=20).map(lambda s: s.encode(errors="surrogatepass")),
    headers=st.lists(
        st.tuples(st.text(TEXT, max_size=5), st.none() | st.binary(max_size=5)),
        max_size=3,
    ).map(tuple),
    tstype=st.sampled_from(["create", "logappend", "unknown"]),
)


def plain(record: Record) -> tuple[object, ...]:
    """All of a record but where it was read from."""
    return (
        *(record.topic, record.partition, record.offset, record.ts),
        *(record.key, record.payload, record.headers, record.tstype),
    )


def test_what_kcat_writes_is_read_byte_for_byte(tmp_path: Path) -> None:
    """Also keys, payloads and headers that are no UTF-8."""
    log = tmp_path / "kcat.jsonl"
    log.write_bytes(KCAT)
    first, second, third = read_log(log)
    assert first.headers == (("ce_type", b"chat-arrival"), ("x", b""), ("none", None))
    assert (first.key, first.payload, first.ts) == (b"k1", '{"chat_id":"cü"}'.encode(), 1795393898305)
    assert second.payload == b'bin\xff\xfe\x00\x1f"\\/\x7f\xc2\x85 \xe2\x80\xa8'
    assert (third.key, third.headers, third.payload) == (b"a\xff", (("h", b"\xff\xfe"),), None)
    assert [(r.file, r.line) for r in (first, second, third)] == [(str(log), 1), (str(log), 2), (str(log), 3)]


def test_a_record_is_written_with_kcats_fields_in_kcats_order() -> None:
    """Headers stand before the key, and only where there are some."""
    record = Record("t", 1, 2, 3, b"k", b"\xff", (("h", b"v"), ("n", None)))
    assert encode_record(record) == (
        b'{"topic":"t","partition":1,"offset":2,"tstype":"create","ts":3,'
        b'"headers":["h","v","n",null],"key":"k","payload":"\xff"}'
    )
    assert encode_record(Record("t", 1, 2, 3, None, b"{}")) == (
        b'{"topic":"t","partition":1,"offset":2,"tstype":"create","ts":3,"key":null,"payload":"{}"}'
    )


@given(st.lists(RECORDS, max_size=5))
@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_records_go_through_a_log_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, records: list[Record]
) -> None:
    """Plain and compressed, whatever bytes they hold."""
    log = tmp_path_factory.mktemp("log") / f"log.jsonl{suffix}"
    with writing_log(log) as write:
        for record in records:
            write(record)
    read = list(read_log(log))
    assert list(map(plain, read)) == list(map(plain, records))
    assert [record.line for record in read] == list(range(1, len(records) + 1))


@pytest.mark.parametrize(("suffix", "magic"), [(".gz", b"\x1f\x8b"), (".zst", b"\x28\xb5\x2f\xfd")])
def test_a_log_is_compressed_where_its_name_says_so_and_the_same_bytes_each_time(
    tmp_path: Path, suffix: str, magic: bytes
) -> None:
    """Neither the time nor the file's name is in it."""
    logs = [tmp_path / f"{name}.jsonl{suffix}" for name in "ab"]
    for log in logs:
        with writing_log(log) as write:
            write(Record("journal", 0, 0, 0, None, b"{}"))
    assert logs[0].read_bytes().startswith(magic)
    assert logs[0].read_bytes() == logs[1].read_bytes()


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_compression_is_known_by_the_first_bytes_whatever_the_name(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    """Several compressed pieces one after another are one log."""
    log = tmp_path / "log.jsonl"
    log.write_bytes(compress(KCAT) + compress(KCAT))
    assert [record.line for record in read_log(log)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_a_cut_or_damaged_compressed_file_is_told(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    """Rather than being taken for a shorter log."""
    log = tmp_path / "log.jsonl"
    whole = compress(KCAT * 50)
    for damaged in (whole[:-5], whole[: len(whole) // 2], whole[:-9] + bytes(9), whole + whole[:20]):
        log.write_bytes(damaged)
        with pytest.raises(RecordedLogError, match=r"cut|damaged") as raised:
            list(read_log(log))
        assert raised.value.file == str(log)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"topic":"t","partition":0,"off', "the line is cut"),
        (b"hello\n", "not JSON"),
        (b"[1]\n", "expected a JSON object"),
        (b'{"partition":0,"offset":0,"ts":0,"payload":null}\n', "the field topic is missing"),
        (b'{"topic":"t","offset":0,"ts":0,"payload":null}\n', "the field partition is missing"),
        (b'{"topic":"t","partition":0,"ts":0,"payload":null}\n', "the field offset is missing"),
        (b'{"topic":"t","partition":0,"offset":0,"payload":null}\n', "the field ts is missing"),
        (b'{"topic":"t","partition":0,"offset":0,"ts":0}\n', "the field payload is missing"),
        (
            b'{"id":"p/0/1/0","type":"chat-queued","pool":"p","at":"2026-03-01T08:00:00.000Z"}\n',
            "this is a decision log",
        ),
        (b'{"topic":"","partition":0,"offset":0,"ts":0,"payload":null}\n', "topic: expected"),
        (b'{"topic":7,"partition":0,"offset":0,"ts":0,"payload":null}\n', "topic: expected"),
        (b'{"topic":"t","partition":"0","offset":0,"ts":0,"payload":null}\n', "partition: expected"),
        (b'{"topic":"t","partition":0,"offset":-1,"ts":0,"payload":null}\n', "offset: expected"),
        (b'{"topic":"t","partition":0,"offset":true,"ts":0,"payload":null}\n', "offset: expected"),
        (b'{"topic":"t","partition":0,"offset":0,"ts":1.5,"payload":null}\n', "ts: expected"),
        (b'{"topic":"t","partition":0,"offset":0,"ts":1e18,"payload":null}\n', "ts: expected"),
        (b'{"topic":"t","partition":0,"offset":0,"ts":9223372036854775808,"payload":null}\n', "ts: expected"),
        (b'{"topic":"t","partition":0,"offset":0,"ts":0,"payload":{}}\n', "text or null"),
        (b'{"topic":"t","partition":0,"offset":0,"ts":0,"payload":null,"key":7}\n', "text or null"),
        (b'{"topic":"t","partition":0,"offset":0,"ts":0,"payload":null,"headers":["a"]}\n', "headers: expected"),
        (b'{"topic":"t","partition":0,"offset":0,"ts":0,"payload":null,"headers":{"a":"b"}}\n', "headers: expected"),
        (b'{"topic":"t","partition":0,"offset":0,"ts":0,"payload":null,"headers":[null,"b"]}\n', "headers: expected"),
    ],
)
def test_a_damaged_line_is_told_by_file_and_line_and_what_is_wrong(tmp_path: Path, line: bytes, message: str) -> None:
    """An engineer can open the file there."""
    log = tmp_path / "log.jsonl"
    log.write_bytes(KCAT + line)
    with pytest.raises(RecordedLogError, match=message) as raised:
        list(read_log(log))
    assert str(raised.value).startswith(f"{log}:4: ")


def test_an_empty_line_has_a_number_but_is_no_record(tmp_path: Path) -> None:
    """As where two logs were joined by hand."""
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"\n" + KCAT.splitlines(keepends=True)[0] + b"  \n")
    assert [record.line for record in read_log(log)] == [2]


def test_a_topic_is_known_with_and_without_a_prefix() -> None:
    """By its name, or by ending in a dot and the name."""
    assert bare_topic("journal") == "journal"
    assert bare_topic("prod.eu.journal") == "journal"
    assert bare_topic("prod-journal") != "journal"


def log_of(path: Path, *topics: str) -> Path:
    """A log with a line of each topic."""
    with writing_log(path) as write:
        for offset, topic in enumerate(topics):
            write(Record(topic, 0, offset, 0, None, b'"journal"'))
    return path


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_a_logs_kind_is_told_by_its_topics(tmp_path: Path, suffix: str) -> None:
    """One line of the journal is enough, wherever it stands; a payload that speaks of one is not."""
    log = tmp_path / f"log{suffix}"
    assert kind_of(log_of(log, "chat-arrival", "assignment", "switchboard.journal")) is Kind.JOURNAL
    assert kind_of(log_of(log, "journal")) is Kind.JOURNAL
    assert kind_of(log_of(log, "assignment", "x.agent-presence", "old-journal", "chat-arrival")) is Kind.BUS


def test_a_log_with_no_line_of_ours_is_an_error(tmp_path: Path) -> None:
    """Neither is an empty one a log."""
    for log in (log_of(tmp_path / "a", "orders", "assignment"), log_of(tmp_path / "b")):
        with pytest.raises(RecordedLogError, match="no line is of a topic of ours"):
            kind_of(log)


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_a_log_that_is_cut_before_a_line_of_ours_is_said_to_be_cut(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    """Where damage is passed over, too: that no line is of ours would be no help."""
    log = tmp_path / "log.jsonl"
    whole = compress(log_of(tmp_path / "whole", *["chat-arrival"] * 50).read_bytes())
    log.write_bytes(whole[:20])
    with pytest.raises(RecordedLogError, match=r"file is cut.* what can be read of it has no line of ours"):
        kind_of(log, lambda _: None)
