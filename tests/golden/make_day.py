"""Makes `day.jsonl`: a recorded day of call arrivals, one call in five, with simulated people, as a bus log.

`python -m tests.golden.make_day`. It is a new golden log then: commit it with the decision log that is made from it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

import orjson

from switchboard.contracts.codec import BadInput, decode_event
from switchboard.contracts.decisions import encode
from switchboard.contracts.log_files import writing_lines
from switchboard.contracts.log_frames import Tally
from switchboard.contracts.recorded_log import Record, writing_log
from switchboard.contracts.routing_file import read_routing_file
from switchboard.domain.engine import Engine
from switchboard.domain.events import Frame
from switchboard.replay import offline
from switchboard.simulation.behaviour import Behaviour
from switchboard.simulation.cast import Cast
from switchboard.simulation.crowd import Crowd
from switchboard.simulation.demo_floor import CAST, ROUTING_FILE
from switchboard.simulation.recorded_days import arrival_times, shipped_days

DAY: Final = Path(__file__).with_name("day.jsonl")
DECISIONS: Final = Path(__file__).with_name("day.decisions.jsonl.zst")

ONE_IN: Final = 5
FROM_MINUTE: Final = 7 * 60
HOURS: Final = 16
START_MS: Final = 919_666_800_000
"""1999-02-22T07:00:00Z."""

SMALL_TEAMS: Final = Cast(CAST.lines, (*CAST.posts[1:4], *CAST.posts[7:10]))
PEOPLE: Final = Behaviour(decline_chance=0.05, lapse_chance=0.03, heartbeat_every=600)


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


def main() -> None:
    """Write the log: people see what is decided on each line, and do what they do next."""
    with writing_log(DAY) as write:
        bus = Bus(write)
        for pool in read_routing_file(ROUTING_FILE):
            bus.happen("routing-config", pool["pool"], "pool-configured", pool, START_MS)
        calls = islice(arrival_times(shipped_days()[:1], seed="day", from_minute=FROM_MINUTE), 0, None, ONE_IN)
        crowd = Crowd(SMALL_TEAMS, PEOPLE, calls, seed="day", label="chat")
        crowd.start(START_MS)
        end = START_MS + HOURS * 3_600_000
        while (due := crowd.next_due()) is not None and due < end:
            for event in crowd.due(due):
                for decision in bus.happen(event.topic, event.key, event.type, event.body, due):
                    crowd.observe(decision, due)
        for event in crowd.leave(end):
            bus.happen(event.topic, event.key, event.type, event.body, end)
    with writing_lines(DECISIONS) as out:
        offline.replay(DAY, out.write, Tally(), lambda: None)


if __name__ == "__main__":
    main()
