"""The loop of a shard, driven without a broker and without a clock: each action and each moment is the test's own."""

from collections import deque
from typing import Any, Final

import orjson
import pytest
from aiokafka import ConsumerRecord

from switchboard.domain.engine import Engine, Outcome
from switchboard.domain.events import Event, Frame
from switchboard.errors import LedgerLostError
from switchboard.journal.codec import BadInput
from switchboard.journal.limits import Limits
from switchboard.kafka.ledger import CLEAN_COMMIT_SECONDS, CommitBatch
from switchboard.kafka.reading import Offsets
from switchboard.kafka.record_merge import Taken, rank_of
from switchboard.kafka.topics import Topic
from switchboard.router.admission import Admission
from switchboard.router.commits import GROUP_EVENTS, offsets_in
from switchboard.router.loop import GATHER_SECONDS, MOST_UNMOVED, SMALL_FRAME, STUCK_SECONDS, TICK_SECONDS, ShardLoop
from switchboard.router.loop_actions import (
    AwaitCommit,
    Commit,
    CommitFirstOffsets,
    CountStopped,
    FindFirstOffsets,
    FrameLimits,
    Gather,
    Opened,
    OpenReader,
    Pause,
    Read,
    Report,
    Seen,
    ServingAction,
    Stop,
)
from switchboard.router.shard_history import EngineFailedError, ShardHistory, TimersFailedError

START: Final = {("t", 0): 0}
CLOCK: Final = 1_769_846_400_000


class Shell:
    """Does a shard's actions at once, on a clock of its own: a commit takes 5 ms, a read in vain its whole wait.

    Args:
        engine: the shard's.
        offsets: restored ones.
        history: of earlier openings.
        frames: the bounds of a frame.
    """

    def __init__(
        self,
        engine: Engine | None = None,
        offsets: Offsets = START,
        history: ShardHistory | None = None,
        frames: FrameLimits = FrameLimits(2_000),  # noqa: B008 - immutable
    ) -> None:
        self.now = 100.0
        self.engine = engine or Engine(0)
        self.history = history or ShardHistory(0.0)
        admission = Admission(self.engine, Limits(), self.now)
        self.loop = ShardLoop(self.engine, admission, dict(offsets), self.history, frames)
        self.read_to_end = True
        self.passed: Offsets = {}
        """Offsets past dropped records that the next read hands out."""
        self.markers: Offsets = {}
        self.has_lag = False
        self.reads: deque[list[Taken]] = deque()
        """What the next reads hand out."""
        self.actions: list[ServingAction] = []
        self.under_way: CommitBatch | None = None
        self.committed: list[CommitBatch] = []
        self.fails: Exception | None = None
        """The error of the commits to come."""
        self.until = 0.0
        """When (monotonic, s) the test goes on."""
        self._next_offset = 0

    def open(self) -> list[object]:
        """Open the shard; the actions."""
        done: list[object] = []
        while True:
            action = self.loop.open(self.see(first_offsets={("t", 0): 7, ("t", 1): 0}))
            done.append(action)
            if isinstance(action, Opened):
                return done

    def see(self, **result: Any) -> Seen:
        """The time, and the result of an action."""
        return Seen(self.now, self.clock, read_to_end=self.read_to_end, **result)

    @property
    def clock(self) -> int:
        """Milliseconds since 1970."""
        return CLOCK + round((self.now - 100) * 1000)

    def publish(self, *events: Event | BadInput) -> list[Taken]:
        """Have the next read hand out these as records of partition 0."""
        taken = []
        for what in events:
            if isinstance(what, Event):
                what.source = ("t", 0, self._next_offset)
            record = ConsumerRecord("t", 0, self._next_offset, 0, 0, None, b"{}", None, 0, 2, ())
            taken.append(Taken(self.clock, rank_of(what), what, record))
            self._next_offset += 1
        self.reads.append(taken)
        return taken

    def step(self, seen: Seen | None = None) -> tuple[ServingAction, Seen]:
        """One action, done."""
        action = self.loop.advance(seen or self.see())
        self.actions.append(action)
        return action, self._do(action)

    def _do(self, action: ServingAction) -> Seen:
        match action:
            case Read(wait=wait):
                if self.reads or self.passed:
                    passed, self.passed = self.passed, {}
                    return self.see(taken=self.reads.popleft() if self.reads else [], passed=passed)
                self.now = max(self.now, min(self.now + max(wait, 0.001), self.until))
            case Commit(batch):
                assert self.under_way is None, "one commit at a time"
                self.under_way = batch
            case AwaitCommit(within):
                self.now += min(0.005, within or 1.0)
                self.end_commit()
            case Gather(seconds):
                self.now += seconds
            case Report():
                return self.see(markers=self.markers, has_lag=self.has_lag)
        return self.see()

    def end_commit(self) -> None:
        """Have the commit under way end."""
        if self.under_way is None:
            return
        batch, self.under_way = self.under_way, None
        if self.fails is not None:
            self.loop.commit_failed(self.fails)
            return
        self.committed.append(batch)
        following = self.loop.commit_made(self.now, self.clock).following
        self.under_way = None if following is None else following.batch

    def turn(self, seconds: float = 0.0) -> list[ServingAction]:
        """Serve until all is read and `seconds` are over; the actions, the last a `Read` in vain or a `Stop`."""
        self.until, first = self.now + seconds, len(self.actions)
        seen = self.see()
        while True:
            action, seen = self.step(seen)
            in_vain = isinstance(action, Read) and not seen.taken and not seen.passed
            if isinstance(action, Stop) or (in_vain and self.now >= self.until):
                return self.actions[first:]
            if in_vain:
                self.end_commit()

    def settle(self) -> None:
        """Have all commits end."""
        while self.under_way is not None:
            self.end_commit()

    @property
    def frames(self) -> list[dict[str, Any]]:
        """The frames that were committed."""
        return [orjson.loads(value or b"") for each in self.committed for _, value, _ in each.outputs[Topic.JOURNAL]]

    @property
    def runs(self) -> list[int]:
        """The service time of each committed frame, ms."""
        return [frame["run"] for frame in self.frames]

    def did(self, kind: type[ServingAction]) -> list[Any]:
        """The actions of a kind until now."""
        return [each for each in self.actions if isinstance(each, kind)]


def arrival(number: int, pool: str = "default") -> Event:
    """A chat arrives."""
    return Event("chat-arrival", pool, {"chat_id": f"c-{number}"})


def login(agent: str = "ana") -> Event:
    """An agent logs in; a chat is offered at once."""
    return Event("agent-logged-in", "default", {"agent_id": agent, "max_sessions": 1})


def offsets_of(batch: CommitBatch) -> Offsets:
    """The source offsets that a commit makes visible."""
    return offsets_in({(key or b"").decode(): value or b"" for key, value, _ in batch.outputs[Topic.SHARD_PROGRESS]})


def opened(**shell: Any) -> Shell:
    """A shard that is open."""
    made = Shell(**shell)
    made.open()
    return made


def offering() -> Shell:
    """A shard in which a chat is offered, so that a timer is pending; all is committed."""
    shell = opened()
    shell.publish(login(), arrival(0))
    shell.turn()
    assert shell.engine.next_due() is not None
    return shell


class CursedEngine(Engine):
    """Raises on the logins of some agents, or as time passes."""

    cursed: tuple[str, ...] = ()
    time_fails = False

    def apply(self, frame: Frame) -> Outcome:
        """As the engine does, or raise when half of the work is done."""
        outcome = super().apply(frame)
        if self.time_fails and frame.run:
            raise ZeroDivisionError("time is cursed")
        for event in frame.events:
            if event.data.get("agent_id") in self.cursed:
                raise ZeroDivisionError(f"cursed: {event.data['agent_id']}")
        return outcome


def reopened(shell: Shell, taken: list[Taken], **engine: Any) -> Shell:
    """The shard opened again after a failure, its engine restored, with records that are read again."""
    restored = CursedEngine.restore(0, [])
    for name, value in engine.items():
        setattr(restored, name, value)
    again = opened(engine=restored, history=shell.history)
    for each in taken:
        source = (each.record.topic, each.record.partition, each.record.offset)
        if source in shell.history.failures.poison:
            each.what = BadInput("engine-error", shell.history.failures.poison[source], each.what.pool)
    again.reads.append(taken)
    return again


# Opening


def test_a_first_start_commits_its_offsets_before_anything_is_read() -> None:
    """Else a start at `latest` would move on with each restart, and records between would be lost."""
    shell = Shell(offsets={})
    find, commit, reader, end = shell.open()
    assert (find, end) == (FindFirstOffsets(), Opened())
    assert isinstance(commit, CommitFirstOffsets)
    assert offsets_of(commit.batch) == {("t", 0): 7, ("t", 1): 0}
    assert reader == OpenReader({("t", 0): 7, ("t", 1): 0})


def test_a_restored_shard_reads_on_at_its_offsets() -> None:
    """No offsets are looked for, and nothing is committed."""
    assert Shell(offsets={("t", 0): 42}).open() == [OpenReader({("t", 0): 42}), Opened()]


# Frames and service time


def test_a_frame_is_made_each_second_while_a_timer_is_pending() -> None:
    """Empty ones, with a second of service time each; none before a timer is pending, and none once none is."""
    idle = opened()
    idle.turn(5)
    assert idle.frames == []
    shell = offering()
    shell.turn(5.5)
    assert shell.runs[1:] == [1000] * 5
    assert [len(frame["events"]) for frame in shell.frames] == [2, 0, 0, 0, 0, 0]


def test_a_timer_that_is_due_sooner_makes_a_frame_sooner() -> None:
    """The offer is missed within some ms of its limit of 15 s, not with the second."""
    shell = offering()
    shell.turn(0.3)
    shell.publish(arrival(1))
    shell.turn(16)
    due, service, missed = 15_000, 0, -1
    for frame, batch in zip(shell.frames, shell.committed, strict=True):
        service += frame["run"]
        if any(b'"missed"' in (value or b"") for _, value, _ in batch.outputs[Topic.ASSIGNMENT]):
            missed = service
            break
    assert due <= missed <= due + 10
    assert 500 < frame["run"] < 1000


def test_service_time_stands_still_while_the_shard_is_not_caught_up() -> None:
    """Frames are made, and no time passes in them; what did not count is counted as stopped."""
    shell = offering()
    shell.read_to_end = False
    shell.turn(5.5)
    assert sum(shell.runs) == 0
    assert sum(each.seconds for each in shell.did(CountStopped)) == pytest.approx(5, abs=0.1)
    shell.read_to_end = True
    shell.turn(1.5)
    assert sum(shell.runs) >= 1000


def test_service_time_that_stands_still_leaks_a_millisecond_for_10_000_decisions() -> None:
    """Without it all offers that are made meanwhile would expire in one frame."""
    shell = offering()
    shell.read_to_end = False
    number = 0
    while number <= MOST_UNMOVED:
        shell.publish(*(arrival(1 + number + each, f"p-{each % 50}") for each in range(2_000)))
        number += 2_000
    shell.turn()
    shell.settle()
    assert sum(shell.runs) == 1
    assert set(shell.runs) == {0, 1}


def test_a_frame_lets_few_timers_become_due() -> None:
    """Of 40 offers that expire at one moment, at most 8 a frame, if not more are due within one ms."""
    shell = opened(frames=FrameLimits(2_000, timers=8))
    for number in range(40):
        shell.publish(login(f"a-{number}"), arrival(number))
        shell.now += 0.01
        shell.turn()
    due = shell.engine.next_due()
    assert due is not None
    shell.turn(due / 1000 - 1)
    before = len(shell.committed)
    shell.turn(6)
    missed = [
        sum(b'"missed"' in (value or b"") for _, value, _ in each.outputs[Topic.ASSIGNMENT])
        for each in shell.committed[before:]
    ]
    assert sum(missed) >= 40
    assert max(missed) <= 16, "a commit may hold two frames"


def test_a_frame_that_is_too_large_is_halved() -> None:
    """In the order of its records; the first half alone lets time pass, and offsets move with each half."""
    shell = opened(frames=FrameLimits(2_000, encoded_bytes=1_000))
    shell.publish(*map(arrival, range(40)))
    shell.turn()
    values = [value or b"" for each in shell.committed for _, value, _ in each.outputs[Topic.JOURNAL]]
    assert len(values) > 2
    assert max(map(len, values)) <= 1_000
    assert [each["data"]["chat_id"] for frame in shell.frames for each in frame["events"]] == [
        f"c-{n}" for n in range(40)
    ]


def test_a_frame_that_may_end_too_many_sessions_is_halved() -> None:
    """Two agents who log out hold one session each, and one is the limit."""
    shell = opened(frames=FrameLimits(2_000, sessions=1))
    agents = ("ana", "ben")
    shell.publish(*map(login, agents), arrival(0), arrival(1))
    shell.publish(*(Event("agent-logged-out", "default", {"agent_id": agent}) for agent in agents))
    shell.turn()
    assert [len(frame["events"]) for frame in shell.frames] == [4, 1, 1]


def test_offsets_past_dropped_records_are_committed_once_a_second() -> None:
    """No frame is made of them."""
    shell = opened()
    shell.passed = {("t", 5): 40}
    shell.turn()
    assert shell.committed == []
    shell.turn(2.5)
    [batch] = shell.committed
    assert offsets_of(batch) == {("t", 5): 40}
    assert shell.frames == []


def test_offsets_past_dropped_records_are_committed_with_the_next_frame() -> None:
    """Those between its records with these records, the others with all of it."""
    shell = opened(frames=FrameLimits(2_000, encoded_bytes=200))
    first, second = shell.publish(arrival(0), arrival(1))
    first.dropped_to, second.record.offset = 7, 7
    shell.passed = {("t", 5): 40}
    shell.turn()
    shell.settle()
    assert [frame["n"] for frame in shell.frames] == [0, 1]
    assert [offsets_of(each) for each in shell.committed] == [{("t", 0): 7, ("t", 5): 40}, {("t", 0): 8}]


def test_markers_at_the_end_of_a_partition_are_passed() -> None:
    """Their offsets are committed though there is nothing to decide, or the partition would seem to lag for ever."""
    shell = opened()
    shell.markers = {("t", 3): 9}
    shell.turn(2.5)
    assert offsets_of(shell.committed[-1]) == {("t", 3): 9}


# Commits


def test_small_frames_gather_what_comes_while_the_commit_is_under_way() -> None:
    """Nothing is read before it has ended and 2 ms are over: what came meanwhile makes one frame."""
    shell = opened()
    shell.publish(arrival(0))
    shell.turn()
    kinds = [type(each) for each in shell.actions if not isinstance(each, Pause | Report)]
    assert kinds == [Read, Commit, AwaitCommit, Gather, Read]
    assert shell.did(Gather) == [Gather(GATHER_SECONDS)]


def test_large_frames_are_made_while_a_commit_is_under_way() -> None:
    """They go into the next commit together; nothing waits."""
    shell = opened()
    for first in range(0, 3 * SMALL_FRAME, SMALL_FRAME):
        shell.publish(*(arrival(first + number) for number in range(SMALL_FRAME)))
    shell.turn()
    assert shell.did(AwaitCommit) == shell.did(Gather) == []
    shell.settle()
    assert [len(each.outputs[Topic.JOURNAL]) for each in shell.committed] == [1, 2]


def test_what_waits_for_a_commit_is_bounded() -> None:
    """Beyond 4,000 source records the commit under way has to end before more is put."""
    shell = opened()
    for first in range(0, 4 * GROUP_EVENTS // 2, GROUP_EVENTS // 2):
        shell.publish(*(BadInput("not-json", "", "default") for _ in range(first, first + GROUP_EVENTS // 2)))
    seen = shell.see()
    while shell.reads or not shell.did(AwaitCommit):
        _, seen = shell.step(seen)
    assert [len(each.outputs[Topic.DEAD_LETTER]) for each in shell.committed] == [GROUP_EVENTS // 2]


def test_offsets_move_with_the_effects_of_their_records_only() -> None:
    """They are in the batch of their frame; the group sees them once that is visible."""
    shell = opened()
    shell.publish(arrival(0), arrival(1))
    shell.publish(BadInput("not-json", "", "default"))
    shell.turn(2)
    first, second, *later = shell.committed
    assert [offsets_of(first), offsets_of(second)] == [{("t", 0): 2}, {("t", 0): 3}]
    assert [len(each.outputs[Topic.JOURNAL]) for each in (first, second)] == [1, 0]
    assert [len(each.outputs[Topic.DEAD_LETTER]) for each in (first, second)] == [0, 1]
    assert not any(map(offsets_of, later)), "frames for a timer have no records"
    reports = [each.offsets for each in shell.did(Report)]
    assert reports[0] == {("t", 0): 0}, "the first commit was under way"
    assert reports[-1] == {("t", 0): 3}


def test_a_failed_commit_stops_the_loop_at_the_next_read() -> None:
    """Its offsets are never reported, and nothing more is put."""
    shell = opened()
    error = shell.fails = LedgerLostError("lost")
    shell.publish(arrival(0))
    assert shell.turn()[-1] == Stop(error)
    assert shell.committed == []
    assert all(each.offsets == START for each in shell.did(Report))
    assert shell.loop.advance(shell.see()) == Stop(error), "it stays so"


def test_a_commit_that_fails_while_others_wait_loses_them_all() -> None:
    """They would be numbered behind frames that nobody can see."""
    shell = opened()
    shell.fails = LedgerLostError("lost")
    for first in (0, SMALL_FRAME):
        shell.publish(*(arrival(first + number) for number in range(SMALL_FRAME)))
    shell.turn()
    shell.end_commit()
    assert shell.under_way is None
    assert isinstance(shell.turn()[-1], Stop)


def test_a_stop_finishes_the_commits_that_were_put() -> None:
    """That under way, and the one that waits behind it; nothing more is read."""
    shell = opened()
    for first in (0, SMALL_FRAME):
        shell.publish(*(arrival(first + number) for number in range(SMALL_FRAME)))
    shell.turn()
    shell.publish(arrival(9_999))
    shell.loop.stop()
    assert [type(each) for each in shell.turn()] == [AwaitCommit, AwaitCommit, Stop]
    assert shell.actions[-1] == Stop()
    assert len(shell.frames) == 2


def test_a_stop_gives_up_a_commit_that_does_not_end() -> None:
    """After 3 s, so that a router is gone within 5."""
    shell = opened()
    shell.publish(*(arrival(number) for number in range(SMALL_FRAME)))
    shell.turn()
    shell.loop.stop()
    assert shell.loop.advance(shell.see()) == AwaitCommit(CLEAN_COMMIT_SECONDS)
    shell.now += CLEAN_COMMIT_SECONDS
    assert shell.loop.advance(shell.see()) == Stop(gave_up=True)


def test_a_stop_in_mid_frame_leaves_it_out() -> None:
    """It was not put: its records are read again."""
    shell = opened()
    shell.publish(*(arrival(number) for number in range(SMALL_FRAME)))
    seen = shell.see()
    while not shell.did(Pause):
        _, seen = shell.step(seen)
    shell.loop.stop()
    assert shell.turn() == [Stop()]
    assert shell.committed == []


# Failures of the engine


def test_an_event_that_fails_is_found_and_set_aside() -> None:
    """Opened again, each event is applied alone until it fails alone; opened once more, it is a dead letter."""
    shell = opened(engine=CursedEngine(0))
    vars(shell.engine)["cursed"] = ("boom",)
    taken = shell.publish(login("ana"), login("boom"), login("ben"))
    stop = shell.turn()[-1]
    assert isinstance(stop, Stop)
    assert isinstance(stop.error, EngineFailedError)
    assert stop.error.set_aside is None
    assert shell.committed == [], "nothing of the frame is visible"

    again = reopened(shell, taken, cursed=("boom",))
    stop = again.turn()[-1]
    assert isinstance(stop, Stop)
    assert isinstance(stop.error, EngineFailedError)
    assert stop.error.set_aside == ("t", 0, 1)
    assert str(stop.error.__cause__) == "cursed: boom"
    assert [each["data"]["agent_id"] for frame in again.frames for each in frame["events"]] == ["ana"]
    assert offsets_of(again.committed[-1]) == {("t", 0): 1}

    last = reopened(again, taken[1:], cursed=("boom",))
    last.turn()
    assert [each["data"]["agent_id"] for frame in last.frames for each in frame["events"]] == ["ben"]
    [letter] = [each for batch in last.committed for each in batch.outputs[Topic.DEAD_LETTER]]
    assert dict(letter[2])["reason"] == b"engine-error"
    assert dict(letter[2])["detail"] == b"ZeroDivisionError: cursed: boom"
    assert shell.history.failures.suspects == set()


def test_a_row_that_is_too_large_is_a_failure_of_its_event() -> None:
    """Found before the commit: there nobody would know which event it was."""
    shell = opened(frames=FrameLimits(2_000, row_bytes=10))
    shell.publish(login())
    stop = shell.turn()[-1]
    assert isinstance(stop, Stop)
    assert "RowTooLargeError" in str(stop.error)
    assert shell.history.failures.suspects == {("t", 0, 0)}


def test_the_frames_before_a_failure_are_committed_first() -> None:
    """Or the time that passed in them would be lost."""
    shell = opened(engine=CursedEngine(0))
    shell.publish(*(arrival(number) for number in range(SMALL_FRAME)))
    shell.publish(login("boom"))
    vars(shell.engine)["cursed"] = ("boom",)
    assert isinstance(shell.turn()[-1], Stop)
    assert len(shell.frames) == 1


def test_timers_that_fail_stop_the_shard() -> None:
    """Alone, or found among events: the time of the failed frame is tried alone."""
    shell = opened(engine=CursedEngine(0))
    shell.publish(login(), arrival(0))
    shell.turn()
    vars(shell.engine)["time_fails"] = True
    stop = shell.turn(3)[-1]
    assert isinstance(stop, Stop)
    assert isinstance(stop.error, TimersFailedError)
    assert "1000 ms: ZeroDivisionError" in str(stop.error)


def test_timers_that_fail_among_events_are_found() -> None:
    """Events come all the time, so each frame with time has some: no event is blamed for it."""
    shell = opened(engine=CursedEngine(0))
    shell.publish(login(), arrival(0))
    shell.turn()
    vars(shell.engine)["time_fails"] = True
    shell.now += 0.5
    taken = shell.publish(arrival(1))
    stop = shell.turn()[-1]
    assert isinstance(stop, Stop)
    assert isinstance(stop.error, EngineFailedError)
    again = reopened(shell, taken, time_fails=True)
    stop = again.turn()[-1]
    assert isinstance(stop, Stop)
    assert isinstance(stop.error, TimersFailedError)
    assert shell.history.failures.poison == {}


# Progress


def test_a_shard_that_commits_nothing_though_there_is_lag_is_stuck() -> None:
    """After 20 s, while the broker answers; an idle shard is not, however old its last commit is."""
    shell = opened()
    shell.turn(60)
    now = shell.now
    assert not shell.loop.is_stuck(now + 1, has_lag=True, broker_answers=True)
    later = now + STUCK_SECONDS + TICK_SECONDS
    assert shell.loop.is_stuck(later, has_lag=True, broker_answers=True)
    assert not shell.loop.is_stuck(later, has_lag=False, broker_answers=True)
    assert not shell.loop.is_stuck(later, has_lag=True, broker_answers=False)


def test_an_idle_shard_makes_progress_and_one_that_can_not_commit_makes_none() -> None:
    """Nothing is left to do where all is read and committed."""
    shell = opened()
    shell.turn(5)
    assert shell.history.progress == pytest.approx(shell.clock / 1000, abs=2)
    before = shell.history.progress
    shell.fails = LedgerLostError("lost")
    shell.publish(arrival(0))
    shell.turn(5)
    assert shell.history.progress <= before + 1
    assert shell.history.frame == -1
