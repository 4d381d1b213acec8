"""Offline replay: a recorded log to its decision log."""

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import orjson

from switchboard.domain.events import Event
from switchboard.journal.frames import encode_frame
from switchboard.journal.log_frames import Tally
from switchboard.journal.recorded_log import Record, encode_record
from switchboard.tools import offline_replay
from tests.benchmarks.traffic import START_MS, Shape, Traffic, framed, make

TOPIC_OF = {
    "chat-arrival": "chat-arrival",
    "chat-accepted": "chat-accepted",
    "request-chat": "request-chat",
    "pool-configured": "routing-config",
}


@dataclass(slots=True)
class ReplayRun:
    """What the replay of one log took."""

    kind: str
    events: int
    decisions: int
    seconds: float
    megabytes: float

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds


def topic_of(event: Event) -> str:
    """The topic that an event's type goes to."""
    fallback = (
        "agent-presence" if event.type.startswith("agent-") or event.type == "request-cancelled" else "chat-lifecycle"
    )
    return TOPIC_OF.get(event.type, fallback)


def measure(events: int = 200_000) -> list[ReplayRun]:
    """Replay a bus log and a journal log of the same traffic."""
    traffic = make(Shape(), events)
    with tempfile.TemporaryDirectory() as folder:
        bus, journal = Path(folder, "bus.jsonl"), Path(folder, "journal.jsonl")
        _write_bus(traffic, bus)
        _write_journal(traffic, journal)
        return [_replay("bus log", bus), _replay("journal log, frames of 500", journal)]


def measure_memory(events: int) -> float:
    """MB that `switchboard replay` holds at most for a journal log of so many events, in a process of its own.

    At 6 ms an event the ids of closed chats, which are remembered for ten minutes, are soon as many as they get.
    """
    traffic = make(Shape(), events)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "journal.jsonl")
        _write_journal(traffic, log, ms_an_event=6.0)
        del traffic
        code = (
            "from switchboard.cli import main\n"
            "try: main()\n"
            # Not getrusage: what it tells is at least what the parent held when it forked.
            "finally: print(*(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
        )
        command = [sys.executable, "-c", code, "replay", str(log), "--out", str(log.with_suffix(".out"))]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(told) / 1024


def _write_bus(traffic: Traffic, path: Path) -> None:
    with path.open("wb") as log:
        for number, event in enumerate([*traffic.setting, *traffic.measured]):
            value = orjson.dumps({"pool": event.pool, **event.data})
            headers = (("ce_type", event.type.encode()),)
            record = Record(topic_of(event), 0, number, START_MS + number // 10, None, value, headers)
            log.write(encode_record(record) + b"\n")


def _write_journal(traffic: Traffic, path: Path, ms_an_event: float = 0.1) -> None:
    with path.open("wb") as log:
        for frame in framed([*traffic.setting, *traffic.measured], 500, ms_an_event=ms_an_event):
            record = Record("journal", 0, frame.n, frame.at, None, encode_frame(frame))
            log.write(encode_record(record) + b"\n")


def _replay(kind: str, log: Path) -> ReplayRun:
    tally = Tally()
    began = time.process_time()
    with log.with_suffix(".out").open("wb") as out:
        decisions = offline_replay.replay(log, out.write, tally, lambda: None)
    seconds = time.process_time() - began
    return ReplayRun(kind, tally.events, decisions, seconds, log.stat().st_size / 1e6)
