"""What is recorded replays to the decisions that were made, wherever the recording begins and however it ends."""

import asyncio
import shutil
import signal
from asyncio.subprocess import PIPE, Process
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import NodeNotReadyError

from switchboard.domain.engine import Engine
from switchboard.domain.events import Frame
from switchboard.errors import RecordedLogError
from switchboard.journal.codec import encode
from switchboard.journal.log_frames import Tally
from switchboard.journal.recorded_log import Record, read_log
from switchboard.kafka.broker_wait import BrokerWait
from switchboard.kafka.clients import Connection
from switchboard.kafka.reading import partitions_of
from switchboard.kafka.topics import Topic
from switchboard.tools.offline_replay import decide, frames_of
from switchboard.tools.recorder import Recorder, Wanted
from switchboard.tools.row_cut import RowCut, cut_rows
from tests.crowds import a_crowd, configure
from tests.routers import _COMMAND, Bus, Router, a_bus
from tests.waiting import eventually

BEGUN_MS = 1_769_846_400_000
"""2026-01-31T08:00:00Z."""
CUTS = 8


async def recorded(bus: Bus, out: Path, *options: str) -> dict[str, object]:
    """Record to a file; the summary."""
    ran = await bus.run("record", "--out", str(out), "--json", *options)
    assert ran.code == 0, ran.err
    told: dict[str, object] = orjson.loads(ran.out)
    return told


@asynccontextmanager
async def a_recording(bus: Bus, out: Path, *options: str) -> AsyncIterator[Process]:
    """A recording under way; killed at the end if it is still there."""
    process = await asyncio.create_subprocess_exec(
        *_COMMAND, "record", "--out", str(out), "--json", *options, stdout=PIPE, stderr=PIPE, env=bus.environment()
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def decided(log: Path, *, skip_bad: bool = False) -> dict[tuple[int, str], list[bytes]]:
    """What a replay of a log decides, by shard and topic."""
    found: dict[tuple[int, str], list[bytes]] = defaultdict(list)
    for decisions in decide(log, Tally(), skip_bad=skip_bad):
        for decision in decisions:
            topic = "push-request" if decision.type == "chat-requested" else "assignment"
            found[int(decision.id.split("/")[1]), topic].append(encode(decision))
    return found


def live(bus: Bus, first_frames: dict[int, int] | None = None) -> dict[tuple[int, str], list[bytes]]:
    """What became visible, by shard and topic; from a frame of each shard on."""
    found: dict[tuple[int, str], list[bytes]] = defaultdict(list)
    for topic in (Topic.ASSIGNMENT, Topic.PUSH_REQUEST):
        for record in bus.seen[topic]:
            frame = int(orjson.loads(record.value)["id"].split("/")[2])
            if frame >= (first_frames or {}).get(record.partition, 0):
                found[record.partition, str(topic)].append(record.value)
    return found


async def all_is_seen(bus: Bus, router: Router) -> None:
    """Stop the router once it has taken all that was published, and take in what it decided."""
    await bus.caught_up()
    await router.stop()
    while True:
        before = sum(map(len, bus.seen.values()))
        await bus.look(500)
        if sum(map(len, bus.seen.values())) == before:
            return


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "jsonl.zst"])
async def test_a_recorded_journal_replays_to_the_live_decisions_byte_for_byte(
    broker_bootstrap: str, bus_prefix: str, tmp_path: Path, suffix: str
) -> None:
    """All shards in one log; by the command as a user runs it."""
    async with a_bus(broker_bootstrap, bus_prefix, shards=2) as bus, bus.router() as router:
        await configure(bus)
        async with a_crowd(bus, chats_a_second=40, seed=suffix):
            await bus.until(lambda: len(bus.ids("assignment-confirmed")) > 40)
        await all_is_seen(bus, router)
        log, out = tmp_path / f"journal.{suffix}", tmp_path / "decisions.jsonl"
        told = await recorded(bus, log)
        assert told["records"] == len(bus.seen[Topic.JOURNAL])
        ran = await bus.run("replay", str(log), "--out", str(out))
        assert ran.code == 0, ran.err
        assert decided(log) == live(bus)
        assert sorted(out.read_bytes().splitlines()) == sorted(line for each in live(bus).values() for line in each)


async def test_a_journal_is_recorded_from_its_rows_while_a_router_commits_all_the_time(
    broker_bootstrap: str, bus_prefix: str, tmp_path: Path
) -> None:
    """The rows are those of one frame exactly, each time; with the frames after it they replay to what was decided."""
    async with a_bus(broker_bootstrap, bus_prefix, shards=2) as bus, bus.router() as router:
        await configure(bus)
        cuts: list[tuple[int, RowCut]] = []
        log = tmp_path / "late.jsonl.zst"
        async with a_crowd(bus, chats_a_second=80, seed="rows"):
            await bus.until(lambda: len(bus.ids("assignment-confirmed")) > 100)
            for _ in range(CUTS):
                cuts += [(shard, await cut_rows(bus.conn, bus.names, shard)) for shard in (0, 1)]
            async with a_recording(bus, log, "--from-rows", "--follow") as recording:
                before = len(bus.ids("assignment-confirmed"))
                await eventually(lambda: asyncio.to_thread(frames_in, log), lambda number: number > 50)
                await bus.until(lambda: len(bus.ids("assignment-confirmed")) > before + 50)
                recording.send_signal(signal.SIGTERM)
                out, err = await recording.communicate()
                assert recording.returncode == 0, err.decode()
                told = orjson.loads(out)
        await all_is_seen(bus, router)
        whole = tmp_path / "journal.jsonl"
        await recorded(bus, whole)
        check_cuts(whole, cuts)
        first = {int(shard): frame + 1 for shard, frame in told["rows_of_frame"].items()}
        assert set(first) == {0, 1}
        assert min(first.values()) > min(cut.frame for _, cut in cuts)
        wanted, found = live(bus, first), decided(log)
        for place, decisions in found.items():
            assert decisions == wanted[place][: len(decisions)], place
            assert decisions, place


def frames_in(log: Path) -> int:
    """How many lines of the journal a log that is being written has."""
    tally = Tally()
    if log.exists():
        return sum(record.topic.endswith("journal") for record in read_log(log, tally.skip_damaged))
    return 0


def check_cuts(whole: Path, cuts: list[tuple[int, RowCut]]) -> None:
    """Each cut holds just the rows of an engine that was told all frames up to its own."""
    frames: dict[int, list[Frame]] = defaultdict(list)
    for shard, frame in frames_of(whole, Tally()):
        frames[shard].append(frame)
    for shard, cut in cuts:
        engine = Engine(shard)
        for frame in frames[shard][: cut.frame + 1]:
            engine.apply(frame)
        wanted = {(row.table, row.key): orjson.dumps(row.value) for row in engine.rows()}
        found = {
            (record.topic.rpartition(".")[2], record.key.decode()): record.value
            for record in cut.rows
            if not record.key.startswith(b"source/")
        }
        assert found.keys() == wanted.keys()
        # What a closed chat was is kept in its row for whoever reads it, and not in the engine.
        different = [key for key, value in wanted.items() if found[key] != value and b'"closed"' not in value]
        assert not different, (shard, cut.frame, different[:3])


async def test_an_idle_shard_is_recorded_from_its_rows_too(
    broker_bootstrap: str, bus_prefix: str, tmp_path: Path
) -> None:
    """Then no frame follows, and there is nothing to decide; a shard that has made no frame has no rows."""
    async with a_bus(broker_bootstrap, bus_prefix, shards=2) as bus, bus.router() as router:
        await bus.arrive("c-1", "c-2")
        await bus.until_decided("chat-queued", "c-2")
        await all_is_seen(bus, router)
        log = tmp_path / "idle.jsonl"
        told = await recorded(bus, log, "--from-rows")
        (shard,) = {record.partition for record in bus.seen[Topic.JOURNAL]}
        assert told["rows_of_frame"] == {str(shard): len(bus.seen[Topic.JOURNAL]) - 1}
        assert decided(log) == {}
        ran = await bus.run("replay", str(log), "--out", str(tmp_path / "none.jsonl"))
        assert ran.code == 0, ran.err


async def test_a_bus_is_recorded_in_the_routers_merge_order(
    broker_bootstrap: str, bus_prefix: str, tmp_path: Path
) -> None:
    """The order is that of the journal of a router that read the same; keys, headers and bad records are kept."""
    chats = 300
    async with a_bus(broker_bootstrap, bus_prefix, bus_partitions=3) as bus:
        send = bus._producer.send
        for number in range(chats):
            at, body = BEGUN_MS + 10 * number, b'{"type":"chat-abandoned","chat_id":"c-%d"}' % number
            lifecycle = bus.names.of(Topic.CHAT_LIFECYCLE)
            await send(lifecycle, body, key=b"k%d" % number, timestamp_ms=at + 5, partition=number % 3)
        for number in range(chats):
            at, body = BEGUN_MS + 10 * number, b'{"chat_id":"c-%d"}' % number
            headers = [("trace", b"\x00\xfe")]
            await send(
                bus.names.of(Topic.CHAT_ARRIVAL), body, timestamp_ms=at, partition=number * 7 % 3, headers=headers
            )
        await send(bus.names.of(Topic.REQUEST_CHAT), b"\xff", key=b"\xfe", timestamp_ms=BEGUN_MS, partition=0)
        await bus._producer.flush()
        log = tmp_path / "bus.jsonl.zst"
        await recorded(bus, log, "--bus")
        async with bus.router() as router:
            await bus.until(lambda: len(bus.journaled) == 2 * chats, 40)
            await router.stop()
        lines = list(read_log(log))
        sources = [[line.topic, line.partition, line.offset] for line in lines]
        journaled = [event["source"] for event in bus.journaled]
        assert [source for source in sources if source[0] != bus.names.of(Topic.REQUEST_CHAT)] == journaled
        odd = next(line for line in lines if line.topic == bus.names.of(Topic.REQUEST_CHAT))
        assert (odd.key, odd.payload) == (b"\xfe", b"\xff")
        assert {line.headers for line in lines if line.topic.endswith("chat-arrival")} == {(("trace", b"\x00\xfe"),)}
        window = ("--from", "2026-01-31T08:00:01Z", "--to", "2026-01-31T08:00:02Z")
        await recorded(bus, log, "--bus", "--force", *window)
        assert [line.ts for line in read_log(log)] == [BEGUN_MS + 1000 + 5 * number for number in range(200)]


async def test_what_kcat_records_and_what_we_record_are_the_same_records(
    broker_bootstrap: str, bus_prefix: str, tmp_path: Path
) -> None:
    """The same topics, places, times, keys, headers and payloads."""
    kcat = shutil.which("kcat")
    assert kcat, "kcat is needed: apt-get install kcat"
    async with a_bus(broker_bootstrap, bus_prefix, bus_partitions=1) as bus:
        for number, value in enumerate((b"{}", b"\xff\x00", None, '{"ü":1}'.encode())):
            await bus.say(Topic.CHAT_ARRIVAL, value, key=b"k%d" % number, headers=[("h", b"v\xfe")])
        log, theirs = tmp_path / "ours.jsonl", tmp_path / "kcat.jsonl"
        await recorded(bus, log, "--topics", "chat-arrival")
        arguments = ["-C", "-J", "-e", "-q", "-b", broker_bootstrap, "-t", bus.names.of(Topic.CHAT_ARRIVAL)]
        process = await asyncio.create_subprocess_exec(kcat, *arguments, stdout=PIPE)
        theirs.write_bytes((await process.communicate())[0])

        def plain(record: Record) -> tuple[object, ...]:
            place = (record.topic, record.partition, record.offset, record.ts, record.tstype)
            return (*place, record.key, record.payload, record.headers)

        assert list(map(plain, read_log(log))) == list(map(plain, read_log(theirs)))


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz", "jsonl.zst"])
async def test_a_recording_that_is_killed_leaves_a_log_that_replays(
    broker_bootstrap: str, bus_prefix: str, tmp_path: Path, suffix: str
) -> None:
    """All but its last second is there."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus, bus.router() as router:
        log = tmp_path / f"killed.{suffix}"
        async with a_recording(bus, log, "--follow") as recording:
            for number in range(50):
                await bus.arrive(f"c-{number}")
            await bus.until_decided("chat-queued", "c-49")
            await eventually(lambda: asyncio.to_thread(events_in, log), lambda number: number == 50)
            await bus.arrive("c-50")
            recording.kill()
        await bus.until_decided("chat-queued", "c-50")
        await router.stop()
        found = decided(log)[0, "assignment"]
        assert found == live(bus)[0, "assignment"][: len(found)]
        assert len(found) >= 50


def events_in(log: Path) -> int:
    """How many events the frames of a log have that is being written."""
    tally = Tally()
    try:
        for _ in frames_of(log, tally, skip_bad=True):
            pass
    except (OSError, RecordedLogError):  # nothing is there yet
        return 0
    return tally.events


async def test_a_recording_that_follows_ends_clean_at_ctrl_c(
    broker_bootstrap: str, bus_prefix: str, tmp_path: Path
) -> None:
    """The file is whole, the summary is told, and no group was joined."""
    async with a_bus(broker_bootstrap, bus_prefix, bus_partitions=1) as bus:
        await bus.arrive("before")
        log = tmp_path / "follow.jsonl.gz"
        async with a_recording(bus, log, "--bus", "--follow") as recording:
            await bus.arrive("after")
            await eventually(
                lambda: asyncio.to_thread(lambda: len(list(read_log(log))) if log.exists() else 0),
                lambda number: number == 2,
            )
            recording.send_signal(signal.SIGINT)
            out, err = await recording.communicate()
        assert recording.returncode == 0, err.decode()
        told = orjson.loads(out)
        assert (told["records"], told["interrupted"]) == (2, False)
        assert [orjson.loads(line.payload or b"")["chat_id"] for line in read_log(log)] == ["before", "after"]


async def test_a_recording_that_follows_outlives_a_look_for_partitions_that_fails(
    broker_bootstrap: str, bus_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that dies at that moment costs nothing: it looks again, and what comes meanwhile is recorded."""
    looks = 0

    async def interrupted(conn: Connection, topics: Iterable[str]) -> list[TopicPartition]:
        nonlocal looks
        looks += 1
        if looks == 2:
            raise NodeNotReadyError("node id 2")
        return await partitions_of(conn, topics)

    monkeypatch.setattr("switchboard.tools.recorder.partitions_of", interrupted)
    async with a_bus(broker_bootstrap, bus_prefix, bus_partitions=1) as bus:
        wanted = Wanted({bus.names.of(Topic.CHAT_ARRIVAL): "chat-arrival"}, follow=True, relist_every=0)
        written: list[Record] = []
        stop = asyncio.Event()
        recorder = Recorder(bus.names, wanted, BrokerWait(bus.conn))
        recording = asyncio.create_task(recorder.record(written.append, stop, lambda _: None))
        await bus.until(lambda: looks > 2 or recording.done())
        await bus.arrive("after")
        await bus.until(lambda: bool(written) or recording.done())
        stop.set()
        assert (await recording).records == 1


async def test_a_prefix_that_does_not_end_with_a_dot_is_left_out(
    broker_bootstrap: str, bus_prefix: str, tmp_path: Path
) -> None:
    """In a log a topic is known by its plain name, or by ending in a dot and the name."""
    async with a_bus(broker_bootstrap, bus_prefix.replace(".", "-"), bus_partitions=1) as bus:
        await bus.arrive("c")
        await recorded(bus, tmp_path / "bus.jsonl", "--bus")
        assert [line.topic for line in read_log(tmp_path / "bus.jsonl")] == ["chat-arrival"]


async def test_topics_that_are_not_there_are_told(broker_bootstrap: str, bus_prefix: str, tmp_path: Path) -> None:
    """None of them: wrong use. Some of them: told in the summary."""
    async with a_bus(broker_bootstrap, bus_prefix, bus_partitions=1) as bus:
        await bus.arrive("c")
        log = str(tmp_path / "log.jsonl")
        ran = await bus.run("record", "--out", log, "--topics", "nowhere")
        assert (ran.code, "no such topic: nowhere" in ran.err) == (2, True)
        assert not (tmp_path / "log.jsonl").exists()
        told = await recorded(bus, tmp_path / "log.jsonl", "--topics", "chat-arrival,nowhere")
        assert (told["records"], told["missing"]) == (1, ["nowhere"])
        ran = await bus.run("record", "--out", log, "--follow", "--to", "latest")
        assert ran.code == 2


async def test_a_record_that_can_not_be_recorded_whole_is_left_out_and_told_of(
    broker_bootstrap: str, bus_prefix: str, tmp_path: Path
) -> None:
    """A record with more headers than are read, beside one that nests too deep, which is recorded byte for byte."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus:
        deep = b"[" * 255 + b"]" * 255
        await bus.say(Topic.CHAT_ARRIVAL, {"chat_id": "c1"}, headers=[("h", b"")] * 2_000, partition=0)
        await bus.say(Topic.CHAT_ARRIVAL, deep, partition=0)
        await bus.say(Topic.CHAT_ARRIVAL, {"chat_id": "c2"}, partition=0, timestamp_ms=BEGUN_MS)
        out = tmp_path / "bus.jsonl"
        told = await recorded(bus, out, "--bus")
        assert (told["records"], told["left_out"]) == (2, 1)
        records = {record.payload: record.offset for record in read_log(out)}
        assert records == {deep: 1, b'{"chat_id":"c2"}': 2}
        assert out.stat().st_mode & 0o777 == 0o600
        ran = await bus.run("record", "--bus", "--force", "--out", str(out))
        assert f"1 record, the first at {bus.names.of(Topic.CHAT_ARRIVAL)}/0@0" in ran.err
        tally = Tally()
        assert len(list(frames_of(out, tally))) == 1
        assert dict(tally.bad) == {"undecodable": 1}
