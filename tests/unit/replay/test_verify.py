"""A log held against its decisions: whatever is wrong with them is found, where it is, and with what led to it."""

import asyncio
from pathlib import Path

import pytest

from switchboard.cli.verify_command import summary
from switchboard.errors import RecordedLogError
from switchboard.journal.decision_log import DifferenceKind
from switchboard.journal.decision_reader import LOOK_AHEAD
from switchboard.journal.line_files import read_lines
from switchboard.journal.log_frames import Tally
from switchboard.tools.verification import DecisionFile, FirstDifference, Verified
from switchboard.tools.verification import verify as verify_log
from tests.unit.replay.logs import decided, journal
from tests.unit.rules.story import config, event, pull


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Two shards; a frame with several decisions, frames with none, and one with two pools."""
    ask = [event("request-chat", agent_id=agent) for agent in ("ana", "ben")]
    return journal(
        tmp_path / "journal.jsonl",
        (0, [event("pool-configured", config=config(pull(), queues=("q", "r")))]),
        (1, [event("chat-arrival", chat_id="c1"), event("chat-arrival", chat_id="c2", queue="r")]),
        (2, ask),
        (3, []),
        (4, [event("chat-accepted", chat_id="c1", agent_id="ana"), event("chat-arrival", "other", chat_id="c1")]),
        (5, [event("chat-arrival", chat_id="c3")]),
        (30, []),
        (31, [event("chat-abandoned", chat_id="c3")]),
        shards=2,
    )


async def verify(log: Path, lines: list[bytes], suffix: str = ".jsonl") -> Verified:
    """Hold a log against these lines."""
    decisions = log.with_name(f"decisions{suffix}")
    decisions.write_bytes(b"".join(lines))
    return await verify_log(log, DecisionFile(decisions, lambda _: None), Tally(), lambda: None)


def first(verified: Verified) -> FirstDifference:
    """The first difference, which there must be."""
    assert verified.first is not None
    assert not verified.equal
    return verified.first


async def test_a_logs_own_decisions_are_equal(log: Path) -> None:
    """All of them are counted."""
    lines = decided(log)
    verified = await verify(log, lines)
    assert verified.equal
    assert (verified.same, verified.decisions) == (len(lines), len(lines))
    assert verified.frames_differ == verified.left_over == 0


async def test_ctrl_c_ends_a_verification_of_files(log: Path) -> None:
    """The event loop cancels the task on Ctrl-C, and the task ends before the second replay."""
    decisions = log.with_name("decisions.jsonl")
    decisions.write_bytes(b"".join(decided(log)[:-1]))
    calls = 0

    def progress() -> None:
        nonlocal calls
        calls += 1
        task.cancel()

    task = asyncio.ensure_future(verify_log(log, DecisionFile(decisions, lambda _: None), Tally(), progress))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert calls == 1


async def test_one_changed_byte_is_found_whichever_decision_it_is_in(log: Path) -> None:
    """At its line, with the expected bytes; all others count as equal, and one frame as different."""
    lines = decided(log)
    for number, line in enumerate(lines):
        changed = line.replace(b'"at":"2026', b'"at":"2027', 1)
        verified = await verify(log, [*lines[:number], changed, *lines[number + 1 :]])
        difference = first(verified).difference
        assert (difference.kind, difference.after) == (DifferenceKind.DIFFERENT, number)
        assert difference.found is not None
        assert difference.found.where == f"line {number + 1}"
        assert (difference.expected, difference.found.value) == (line.rstrip(), changed.rstrip())
        assert (verified.same, verified.frames_differ) == (len(lines) - 1, 1)


async def test_a_dropped_decision_is_missing_whichever_it_is(log: Path) -> None:
    """What comes after it is compared on; after the last one the decisions have ended."""
    lines = decided(log)
    for number, line in enumerate(lines):
        verified = await verify(log, [*lines[:number], *lines[number + 1 :]])
        difference = first(verified).difference
        last = number == len(lines) - 1
        assert difference.kind is (DifferenceKind.DECISIONS_END if last else DifferenceKind.MISSING)
        assert (difference.expected, difference.after) == (line.rstrip(), number)
        assert verified.same == len(lines) - 1
        assert (verified.frames_differ, verified.frames_unmatched) == (not last, last)


async def test_a_doubled_decision_is_one_too_many_whichever_it_is(log: Path) -> None:
    """All that was expected is there nevertheless."""
    lines = decided(log)
    for number, line in enumerate(lines):
        verified = await verify(log, [*lines[: number + 1], line, *lines[number + 1 :]])
        difference = first(verified).difference
        assert difference.kind is DifferenceKind.EXTRA
        assert difference.found is not None
        assert (difference.found.value, difference.found.where) == (line.rstrip(), f"line {number + 2}")
        assert verified.same == len(lines)


async def test_two_swapped_decisions_are_found_whichever_they_are(log: Path) -> None:
    """Within a frame or across two: the bytes are all there, and not in order."""
    lines = decided(log)
    for number in range(len(lines) - 1):
        swapped = [*lines[:number], lines[number + 1], lines[number], *lines[number + 2 :]]
        verified = await verify(log, swapped)
        difference = first(verified).difference
        assert difference.after == number
        assert verified.same == len(lines) - 1
        assert verified.left_over == 0


@pytest.mark.parametrize(
    "stranger",
    [
        b"nonsense\n",
        b"[]\n",
        b'{"id":7}\n',
        b'{"id":"default/7/0/0","type":"chat-queued"}\n',
        b'{"id":"default/0/999/0","type":"chat-queued"}\n',
        '{"id":"p/²/1/0","type":"chat-queued"}\n'.encode(),
    ],
    ids=["no-json", "no-object", "no-text", "of-another-shard", "of-a-later-frame", "of-no-shard"],
)
async def test_a_strangers_line_does_not_keep_the_rest_from_being_compared(log: Path, stranger: bytes) -> None:
    """Whatever it says that it is."""
    lines = decided(log)
    verified = await verify(log, [*lines[:3], stranger, *lines[3:]])
    difference = first(verified).difference
    assert difference.kind is DifferenceKind.EXTRA
    assert difference.found is not None
    assert difference.found.value == stranger.rstrip()
    assert (verified.same, verified.frames_differ, verified.left_over) == (len(lines), 1, 0)


async def test_frames_that_differ_are_counted_to_the_end(log: Path) -> None:
    """A changed one, and a frame without its decisions further on."""
    lines = decided(log)
    changed = [lines[0].replace(b"c1", b"cX"), *lines[1:]]
    without = [line for line in changed if b"/1/4/" not in line]
    verified = await verify(log, without)
    assert first(verified).difference.kind is DifferenceKind.DIFFERENT
    assert verified.frames_differ == 2


async def test_decisions_of_frames_that_the_log_does_not_reach_are_left_over(log: Path) -> None:
    """The log ends early: each of them is counted."""
    lines = decided(log)
    short = log.with_name("short.jsonl")
    short.write_bytes(b"".join(list(read_lines(log))[:-2]))
    verified = await verify(short, lines)
    difference = first(verified)
    assert difference.difference.kind is DifferenceKind.LOG_ENDS
    assert difference.circumstances is None
    assert verified.left_over == len(lines) - verified.same


async def test_the_frame_and_the_state_before_it_are_told(log: Path) -> None:
    """The events with their sources, the rows of the agent and of the chat, who was asking, and who waited."""
    lines = decided(log)
    number = next(at for at, line in enumerate(lines) if b"assignment-confirmed" in line)
    led = first(await verify(log, [*lines[:number], lines[number].replace(b"ana", b"ann"), *lines[number + 1 :]]))
    assert led.circumstances is not None
    told = led.circumstances
    assert (told.shard, told.frame, told.at, told.run_ms) == (0, 4, "2026-03-01T08:00:04.000Z", 1000)
    assert [each.source for each in told.events] == [("bus", 0, 400), ("bus", 0, 401)]
    (agent,) = told.agents
    assert (agent["agent_id"], agent["status"]) == ("ana", "available")
    assert [session["stage"] for session in agent["sessions"]] == ["offered"]
    (chat,) = told.chats
    assert (chat["chat_id"], chat["stage"], chat["agent_id"]) == ("c1", "offered", "ana")
    assert [(queue.queue, queue.waiting) for queue in told.queues] == [("q", 0), ("r", 0)]


async def test_a_journal_of_other_rules_is_said_to_be_so_and_not_called_wrong(tmp_path: Path) -> None:
    """From its line on nothing is compared; what stands before it is."""
    frames = [(second, [event("chat-arrival", chat_id=f"c{second}")]) for second in range(3)]
    log = journal(tmp_path / "journal.jsonl", *frames, rules=[b"1", b"2"])
    lines = decided(journal(tmp_path / "same.jsonl", *frames))
    verified = await verify(log, lines)
    assert verified.first is None
    assert not verified.equal
    assert verified.other_version is not None
    assert (verified.other_version.name, verified.other_version.version) == ("rules", "2")
    assert (verified.other_version_line, verified.same, verified.left_over) == (2, 1, 0)


async def test_more_strangers_than_are_looked_through_do_not_hide_what_follows_for_ever(tmp_path: Path) -> None:
    """The frames that they stand before are then missing; no more memory is used for them."""
    frames = [(second, [event("chat-arrival", chat_id=f"c{second}")]) for second in range(3)]
    log = journal(tmp_path / "journal.jsonl", *frames)
    lines = decided(log)
    strangers = [b'{"id":"default/0/2/%d"}\n' % (number + 1) for number in range(LOOK_AHEAD + 1)]
    verified = await verify(log, [*strangers, *lines])
    assert first(verified).difference.kind is DifferenceKind.MISSING
    assert verified.same == 1


@pytest.mark.parametrize(("same", "nothing"), [(0, True), (1, False)])
def test_where_retention_has_deleted_all_nothing_is_equal(same: int, nothing: bool) -> None:
    """What is left of the decisions is compared, and must be something."""
    verified = Verified(decisions=5, same=same, frames_deleted=3)
    assert (verified.nothing_compared, verified.equal) == (nothing, not nothing)
    assert ("nothing was compared" in " ".join(summary(verified))) == nothing


async def test_a_cut_decision_log_is_refused_with_its_line(log: Path) -> None:
    """A compressed file that ends in the middle."""
    with pytest.raises(RecordedLogError, match=r"decisions\.gz:1: the gzip file is cut"):
        await verify(log, [b"\x1f\x8b\x08\x00\x00\x00\x00\x00"], suffix=".gz")
