"""Makes the golden logs: recorded days of call arrivals with simulated people, and one of pure chance.

`python -m tests.golden.make_days NAME...`. They are new golden logs then: commit them with the decision logs that are
made from them. (`demo` was recorded from a running demo, and is not made here.)
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

import orjson

from switchboard.cli.demo_office import CAST, ROUTING_FILE
from switchboard.domain.engine import Engine
from switchboard.domain.events import Event, Frame
from switchboard.journal.codec import BadInput, decode_event, encode
from switchboard.journal.frames import JOURNAL_HEADERS, encode_frame
from switchboard.journal.line_files import writing_lines
from switchboard.journal.log_frames import Tally
from switchboard.journal.recorded_log import Record, writing_log
from switchboard.journal.routing_file import read_routing_file
from switchboard.simulation.cast import Cast, Line, Post, agent_name
from switchboard.simulation.crowd import Crowd, play
from switchboard.simulation.people import Behaviour
from switchboard.simulation.recorded_days import arrival_times, shipped_days
from switchboard.tools import offline_replay
from tests.property.histories import random_history

FOLDER: Final = Path(__file__).parent
FROM_MINUTE: Final = 7 * 60
HOURS: Final = 16
START_MS: Final = 919_666_800_000
"""1999-02-22T07:00:00Z."""
END_MS: Final = START_MS + HOURS * 3_600_000

SMALL_TEAMS: Final = Cast(CAST.lines, (*CAST.posts[1:4], *CAST.posts[7:10]))
PEOPLE: Final = Behaviour(decline_chance=0.05, lapse_chance=0.03, heartbeat_every=600)
RESTLESS: Final = Behaviour(decline_chance=0.15, lapse_chance=0.15, transfer_chance=0.3, work_mean=900, break_mean=300)

PULL: Final = {
    "seed": "golden",
    "queues": [{"name": "first"}, {"name": "second"}],
    "profiles": [
        {
            "name": "clickers", "mode": "pull", "pull_policy": "strict-priority", "starvation_limit": 600,
            "delay_between_chats": 30, "max_sessions": 2, "wrap_up_limit": 60,
        },
    ],
}  # fmt: skip
THIN: Final = {
    "absent_after": 120,
    "lost_after": 600,
    "queues": [
        {"name": "front", "overflow_after": 60, "overflow_to": "back", "max_wait": 600},
        {"name": "back", "max_wait": 900},
    ],
    "profiles": [
        {"name": "fronts", "queues": ["front"], "auto_decline": False, "wrap_up": False},
        {"name": "backs", "queues": ["back", "front"], "allow_decline": False, "max_missed_offers": 2},
    ],
}


@dataclass(slots=True)
class Bus:
    """A bus in virtual time: each line of the log is a frame, as in a replay of it."""

    write: Callable[[Record], None]
    engine: Engine = field(default_factory=lambda: Engine(0))
    lines: int = 0
    at: int = START_MS

    def happen(self, topic: str, key: str, event_type: str, body: dict[str, Any], at: int) -> list[dict[str, Any]]:
        """Add a line, and tell what is decided on it."""
        record = Record(topic, 0, self.lines, at, key.encode(), orjson.dumps(body), (("ce_type", event_type.encode()),))
        self.write(record)
        event = decode_event(topic, record.headers, record.payload, source=(topic, 0, self.lines))
        if isinstance(event, BadInput):
            raise ValueError(event.detail)  # noqa: TRY004 - a wrong value
        outcome = self.engine.apply(Frame(self.lines, at, at - self.at, [event]))
        self.lines += 1
        self.at = at
        return [orjson.loads(encode(decision)) for decision in outcome.decisions]


def calls(day: int, one_in: int, seed: str) -> Iterator[int]:
    """When one call in so many comes on a recorded day, in ms from seven o'clock."""
    return islice(arrival_times(shipped_days()[day : day + 1], seed=seed, from_minute=FROM_MINUTE), 0, None, one_in)


def bus_day(path: Path) -> None:
    """A bus log: people see what is decided on each line, and do what they do next."""
    with writing_log(path) as write:
        bus = Bus(write)
        for pool in read_routing_file(ROUTING_FILE):
            bus.happen("routing-config", pool["pool"], "pool-configured", pool, START_MS)
        crowd = Crowd(SMALL_TEAMS, PEOPLE, calls(0, 5, "day"), seed="day", label="chat")
        crowd.start(START_MS)
        while (due := crowd.next_due()) is not None and due < END_MS:
            for event in crowd.due(due):
                for decision in bus.happen(event.topic, event.key, event.type, event.body, due):
                    crowd.observe(decision, due)
        for event in crowd.end(END_MS):
            bus.happen(event.topic, event.key, event.type, event.body, END_MS)


def journal_day(path: Path, config: dict[str, Any], cast: Cast, people: Behaviour, arrivals: Iterator[int]) -> None:
    """A journal log of one shard, a frame for each event and each timer."""
    with writing_log(path) as write:

        def journal(frame: Frame, _: object = None) -> None:
            write(Record("journal", 0, frame.n, frame.at, None, encode_frame(frame), JOURNAL_HEADERS))

        engine = Engine(0)
        configured = Frame(0, START_MS, 0, [Event("pool-configured", "default", {"config": config})])
        engine.apply(configured)
        journal(configured)
        play(Crowd(cast, people, arrivals, seed=path.name, label="chat"), engine, START_MS, END_MS, journal)


def pull_day(path: Path) -> None:
    """Everyone clicks for chats: strict priority with a starvation limit, and a delay between chats."""
    cast = Cast(
        [Line("first", share=2.0), Line("second")],
        [Post(agent_name(number), "pull", profile="clickers") for number in range(5)],
    )
    journal_day(path, PULL, cast, PEOPLE, calls(1, 5, "pull"))


def thin_day(path: Path) -> None:
    """Too few agents, who come and go, fall silent, decline and transfer; queues that overflow and time out."""
    cast = Cast(
        [Line("front", share=3.0), Line("back")],
        [Post(agent_name(number), "push", profile="fronts" if number % 2 else "backs") for number in range(4)],
    )
    journal_day(path, THIN, cast, RESTLESS, calls(2, 8, "thin"))


def storm(path: Path) -> None:
    """Eight shards, each a random history: all event types, frames of many events, reconfigurations."""
    with writing_log(path) as write:
        for shard in range(8):
            for frame in random_history(shard, 120):
                write(Record("journal", shard, frame.n, frame.at, None, encode_frame(frame), JOURNAL_HEADERS))


MAKERS: Final[dict[str, Callable[[Path], None]]] = {
    "day.jsonl": bus_day,
    "pull.jsonl.zst": pull_day,
    "storm.jsonl.zst": storm,
    "thin.jsonl.zst": thin_day,
}


def decision_log(log: Path) -> Path:
    """Where the decisions of a golden log are."""
    return FOLDER / f"{log.name.partition('.')[0]}.decisions.jsonl.zst"


def main(names: list[str]) -> None:
    """Make these logs, or all, each with its decisions."""
    for name in names or MAKERS:
        log = FOLDER / name
        if name in MAKERS:
            MAKERS[name](log)
        with writing_lines(decision_log(log)) as out:
            offline_replay.replay(log, out.write, Tally(), lambda: None)


if __name__ == "__main__":
    main(sys.argv[1:])
