"""A decision log: ids, and the decisions in order and frame by frame."""

from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from switchboard.errors import RecordedLogError
from switchboard.journal.decision_log import FoundDecision, decisions_of_file, decisions_of_records, quote_value
from switchboard.journal.decision_reader import LOOK_AHEAD, DecisionId, DecisionReader


async def source(ids: Iterable[str]) -> AsyncIterator[FoundDecision]:
    """Decisions with these ids."""
    for number, each in enumerate(ids, start=1):
        yield FoundDecision(b'{"id":"%s"}' % each.encode(), f"line {number}")


def reader(*ids: str) -> DecisionReader[FoundDecision]:
    """A decision log of decisions with these ids."""
    return DecisionReader(source(ids))


async def take(decisions: DecisionReader[FoundDecision], shard: int, frame: int) -> list[str]:
    """The ids of a shard's decisions up to a frame."""
    return [found.id_text for found in await decisions.take_through((shard, frame))]


def test_an_id_gives_shard_frame_and_number() -> None:
    """So ids of one shard sort in the order of its decisions."""
    parsed = DecisionId.parse("default/1/20/3")
    assert parsed == DecisionId(1, 20, 3, "default")
    assert parsed.frame_id == (1, 20)
    others = [DecisionId.parse(text) for text in ("z/1/9/0", "default/1/20/10", "a/1/100/0")]
    assert sorted([*others, parsed], key=lambda each: each or parsed) == [others[0], parsed, others[1], others[2]]


@pytest.mark.parametrize(
    "text", ["", "default", "1/20/3", "a/b/1/20/3", "p/1/20/x", "p/-1/20/3", "p/²/20/3", "p/1/2/3 "]
)
def test_other_texts_are_no_ids(text: str) -> None:
    """Whatever a stranger writes."""
    assert DecisionId.parse(text) is None


def test_a_found_decision_names_its_id_or_its_beginning() -> None:
    """A long value is cut."""
    assert str(FoundDecision(b'{"id":"p/0/1/0","type":"x"}', "offset 7")) == "p/0/1/0 at offset 7"
    assert str(FoundDecision(b"nonsense", "line 3")) == "nonsense at line 3"
    assert quote_value(b"x" * 501) == "x" * 500 + "… (501 bytes)"


async def test_decisions_come_in_order_and_can_be_seen_before_they_are_taken() -> None:
    """And put back."""
    decisions = reader("p/0/1/0", "p/1/1/0", "p/0/2/0")
    assert await decisions.has_of((0, 2))
    assert not await decisions.has_of((0, 3))
    first = await decisions.peek()
    assert first is not None
    assert await decisions.take() is first
    decisions.put_back(first)
    rest = [await decisions.take() for _ in range(4)]
    assert [None if found is None else found.id_text for found in rest] == ["p/0/1/0", "p/1/1/0", "p/0/2/0", None]
    assert await decisions.peek() is None


async def test_the_look_ahead_has_a_bound() -> None:
    """A decision further on is not seen."""
    decisions = reader(*["p/0/1/0"] * LOOK_AHEAD, "p/0/2/0")
    assert not await decisions.has_of((0, 2))
    await decisions.take()
    assert await decisions.has_of((0, 2))


async def test_frames_are_taken_shard_by_shard_however_the_shards_are_mixed() -> None:
    """Decisions of a frame that is over come with the next one; lines that are no decision never."""
    decisions = reader("p/0/1/0", "p/0/1/1", "p/0/3/0", "nonsense", "p/1/1/0", "p/0/2/0", "p/1/2/0")
    assert await take(decisions, 1, 0) == []
    assert decisions.has_ahead(1)
    assert await take(decisions, 0, 1) == ["p/0/1/0", "p/0/1/1"]
    assert await take(decisions, 0, 2) == []
    assert await take(decisions, 1, 2) == ["p/1/1/0", "p/1/2/0"]
    assert not decisions.has_ahead(1)
    assert await take(decisions, 0, 3) == ["p/0/3/0", "p/0/2/0"]
    assert not decisions.has_ahead(0)
    left = await decisions.take()
    assert left is not None
    assert left.id is None


async def test_a_file_gives_its_lines_and_records_give_their_offsets(tmp_path: Path) -> None:
    """Blank lines are no decisions; a record without a value stands where one is expected."""
    path = tmp_path / "decisions.jsonl"
    path.write_bytes(b'{"id":"p/0/1/0"}\n\n{"id":"p/0/1/1"}')
    found = [each async for each in decisions_of_file(path, lambda _: None)]
    assert [(each.value, each.where) for each in found] == [
        (b'{"id":"p/0/1/0"}', "line 1"),
        (b'{"id":"p/0/1/1"}', "line 3"),
    ]

    class Consumed:
        """A record as a consumer returns it."""

        def __init__(self, offset: int, value: bytes | None) -> None:
            self.offset = offset
            self.value = value

    async def records() -> AsyncIterator[Consumed]:
        for offset, value in ((7, b"x"), (9, None)):
            yield Consumed(offset, value)

    assert [str(each) async for each in decisions_of_records(records())] == ["x at offset 7", " at offset 9"]


async def test_a_damaged_file_is_refused_with_its_line(tmp_path: Path) -> None:
    """A compressed file that ends in the middle."""
    path = tmp_path / "decisions.gz"
    path.write_bytes(b"\x1f\x8b\x08\x00\x00\x00\x00\x00")
    with pytest.raises(RecordedLogError, match=r"decisions\.gz:1: the gzip file is cut"):
        _ = [each async for each in decisions_of_file(path, lambda _: None)]
