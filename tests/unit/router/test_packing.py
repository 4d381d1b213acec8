"""What a commit holds beside its frame."""

import orjson
import pytest
from aiokafka.structs import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from switchboard.domain.engine import Engine
from switchboard.domain.events import Event, Frame
from switchboard.domain.rows import Row
from switchboard.journal.codec import KEPT_BYTES, MAX_VALUE_BYTES, BadInput, UnreadValue
from switchboard.kafka.ledger import CommitBatch, Record, record_size
from switchboard.kafka.record_batches import MAX_KEY_BYTES
from switchboard.kafka.record_merge import Taken
from switchboard.kafka.topics import Topic
from switchboard.router import commits

OFFSETS = st.dictionaries(
    st.tuples(st.from_regex(r"[A-Za-z0-9._-]{1,20}", fullmatch=True), st.integers(0, 999)), st.integers(0, 2**53)
)


def letter(
    value: bytes | None, *, key: bytes | None = b"k", headers: tuple[tuple[str, bytes | None], ...] = ()
) -> Record:
    """The dead letter of a record."""
    record = ConsumerRecord("bus.chat-arrival", 3, 42, 0, 0, key, value, None, 0, 0, headers)
    batch = CommitBatch()
    commits.pack_dead_letter(batch, Taken(0, 6, bad := BadInput("schema", "/chat_id type: é"), record), bad)
    [packed] = batch.outputs[Topic.DEAD_LETTER]
    return packed


def test_a_dead_letter_is_the_record_with_the_reason() -> None:
    """Key, value and headers as they came, then why and where from."""
    key, value, headers = letter(b"\xff", headers=(("ce_type", b"x"), ("empty", b""), ("none", None)))
    assert (key, value) == (b"k", b"\xff")
    assert headers == [
        ("ce_type", b"x"),
        ("empty", b""),
        ("none", None),
        ("reason", b"schema"),
        ("detail", "/chat_id type: é".encode()),
        ("source-topic", b"bus.chat-arrival"),
        ("source-partition", b"3"),
        ("source-offset", b"42"),
    ]


def test_of_a_value_that_is_too_large_the_beginning_is_kept_with_its_size() -> None:
    """It could not be replayed anyway; a megabyte of source would become 600 of dead letters."""
    _, value, headers = letter(b"v" * (MAX_VALUE_BYTES + 1))
    assert value == b"v" * KEPT_BYTES
    assert headers[-1] == ("original-size", b"65537")
    _, value, headers = letter(UnreadValue("too-large", "", kept=b"v" * 9, size=70_000))
    assert (value, type(value), headers[-1]) == (b"v" * 9, bytes, ("original-size", b"70000"))
    _, value, _ = letter(b"v" * MAX_VALUE_BYTES)
    assert value == b"v" * MAX_VALUE_BYTES


@pytest.mark.parametrize(
    ("key", "header", "left_out"),
    [(1_000, 900_000, None), (1_000, 1_100_000, b"headers"), (1_100_000, 1_100_000, b"key, headers")],
)
def test_a_dead_letter_that_fits_into_no_record_leaves_out_headers_and_key(
    key: int, header: int, left_out: bytes | None
) -> None:
    """It says so, and it can never fail a commit."""
    kept_key, value, headers = letter(b"{}", key=b"k" * key, headers=(("h", b"x" * header),))
    assert record_size(kept_key, value, headers) <= commits.MAX_LETTER_BYTES
    assert dict(headers).get("left-out") == left_out
    assert (kept_key is None) == (left_out == b"key, headers")
    assert ("h" in dict(headers)) == (left_out is None)
    assert value == b"{}"


def test_a_key_of_more_than_64_kib_is_left_out() -> None:
    """It is not kept where the record is read, or 200 records that wait for their turn would take 200 MB."""
    key, value, headers = letter(b"{}", key=b"k" * (MAX_KEY_BYTES + 1))
    assert (key, value, dict(headers)["left-out"]) == (None, b"{}", b"key")


def test_the_dead_letter_of_a_record_with_700_000_headers_fits() -> None:
    """Empty ones take two bytes each on the bus and four as we would write them."""
    _, value, headers = letter(b"{}", headers=(("", None),) * 700_000)
    assert (value, dict(headers)["left-out"]) == (b"{}", b"headers")


@pytest.mark.parametrize("missing", [0, 1, 30])
def test_a_dead_letter_with_its_left_out_header_fits(missing: int) -> None:
    """The header is counted before it is there, also where all else fits to the byte."""
    unread = UnreadValue("undecodable", "", kept=b"{}", headers_left_out=True)
    _, _, headers = letter(unread, key=None)
    room = commits.MAX_LETTER_BYTES - record_size(b"", b"{}", headers)
    key, _, headers = letter(unread, key=b"k" * (room + 1 - missing))
    assert record_size(key, b"{}", headers) <= commits.MAX_LETTER_BYTES
    assert dict(headers)["left-out"] == (b"headers" if key else b"headers, key")


def test_headers_are_left_out_once() -> None:
    """Those that were read of a record with too many go the same way as the others."""
    unread = UnreadValue("undecodable", "", kept=b"{}", headers_left_out=True)
    _, value, headers = letter(unread, headers=(("h", b"x" * 1_100_000),))
    assert (value, dict(headers)["left-out"]) == (b"{}", b"headers")


def test_the_dead_letter_of_a_batch_names_the_offsets_of_its_records() -> None:
    """The record that stands for the batch has its last offset."""
    _, value, headers = letter(UnreadValue("too-large", "", first_offset=7))
    told = dict(headers)
    assert (value, told["source-offset"], told["source-last-offset"]) == (None, b"7", b"42")


def test_a_dead_letter_says_that_headers_were_not_read() -> None:
    """They were too many for the reader."""
    _, value, headers = letter(UnreadValue("undecodable", "", kept=b"{}", size=2, headers_left_out=True))
    assert (value, headers[-1]) == (b"{}", ("left-out", b"headers"))


@given(st.binary(max_size=9), st.lists(st.tuples(st.text(max_size=9), st.none() | st.binary(max_size=9))), st.text())
def test_any_record_has_a_dead_letter(value: bytes, headers: list[tuple[str, bytes | None]], detail: str) -> None:
    """Whatever its headers are called and whatever is wrong with it."""
    record = ConsumerRecord("t", 0, 1, 0, 0, None, value, None, 0, 0, tuple(headers))
    batch = CommitBatch()
    commits.pack_dead_letter(batch, Taken(0, 6, bad := BadInput("schema", detail), record), bad)
    [(_, kept, written)] = batch.outputs[Topic.DEAD_LETTER]
    assert kept == value
    assert written[: len(headers)] == headers


@given(OFFSETS)
def test_offsets_are_read_back_as_they_were_packed(offsets: dict[tuple[str, int], int]) -> None:
    """Whatever the topics are called; other rows of the progress are passed over."""
    batch = CommitBatch()
    commits.pack_offsets(batch, offsets)
    rows = {key.decode(): value for key, value, _ in batch.outputs[Topic.SHARD_PROGRESS] if key and value}
    assert commits.offsets_in({**rows, "clock": b"{}", "pool/source": b"{}"}) == offsets


def test_decisions_go_to_their_topic_under_their_chat_or_agent() -> None:
    """Follow-up requests on `push-request`, all else on `assignment`, as CloudEvents in binary mode."""
    events = [
        Event("agent-logged-in", "p", {"agent_id": "ana", "max_sessions": 2}),
        Event("chat-arrival", "p", {"chat_id": "c"}),
    ]
    outcome = Engine(0).apply(Frame(0, 1_769_846_400_000, 0, events))
    batch = CommitBatch()
    commits.pack_decisions(batch, outcome.decisions)
    assert [key for key, _, _ in batch.outputs[Topic.PUSH_REQUEST]] == [b"ana"]
    assert [key for key, _, _ in batch.outputs[Topic.ASSIGNMENT]] == [b"c", b"c"]
    _, value, headers = batch.outputs[Topic.ASSIGNMENT][1]
    assert orjson.loads(value or b"")["type"] == "chat-assigned"
    told = dict(headers)
    assert (told["ce_type"], told["ce_subject"], told["ce_source"]) == (b"chat-assigned", b"c", b"/switchboard/p")
    assert (told["ce_id"] or b"").decode() == orjson.loads(value or b"")["id"]
    assert told["ce_time"] == b"2026-01-31T08:00:00.000Z"


def test_a_row_without_value_is_a_tombstone() -> None:
    """What compaction needs in order to forget it."""
    batch = CommitBatch()
    commits.pack_rows(batch, [Row("open-chats", "p/c", None), Row("agent-capacity", "p/ana", {"agent_id": "ana"})])
    assert batch.outputs[Topic.OPEN_CHATS] == [(b"p/c", None, [])]
    assert batch.outputs[Topic.AGENT_CAPACITY] == [(b"p/ana", b'{"agent_id":"ana"}', [])]


def test_a_row_that_fits_into_no_record_is_told_while_the_frame_is_made() -> None:
    """In the commit it could be laid at no event's door, and the same events would fail at each start."""
    row = Row("open-chats", "p/c", {"chat_id": "c", "engine": {"passed": dict.fromkeys(map(str, range(150_000)), 1)}})
    with pytest.raises(commits.RowTooLargeError, match="open-chats for p/c takes"):
        commits.pack_rows(CommitBatch(), [row])
