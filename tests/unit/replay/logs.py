"""Small journal logs, written by hand: who does what, at which second."""

from collections.abc import Sequence
from pathlib import Path

from switchboard.domain.events import Event, Frame
from switchboard.journal.frames import JOURNAL_HEADERS, encode_frame
from switchboard.journal.line_files import read_lines, writing_lines
from switchboard.journal.log_frames import Tally
from switchboard.journal.recorded_log import Record, writing_log
from switchboard.tools import offline_replay
from tests.unit.rules.story import START

Told = tuple[float, list[Event]]
"""Seconds into the story, and a frame's events."""


def journal(path: Path, *told: Told, shards: int = 1, rules: Sequence[bytes] = ()) -> Path:
    """A journal log of these frames; with several shards each of them is told everything.

    `rules` are the versions in the headers of the first frames, where they are not this version's.
    """
    with writing_log(path) as write:
        before = 0.0
        for number, (second, events) in enumerate(told):
            stood = [
                Event(each.type, each.pool, each.data, each.id, ("bus", 0, 100 * number + index))
                for index, each in enumerate(events)
            ]
            at = START + round(second * 1000)
            frame = Frame(number, at, round((second - before) * 1000), stood)
            before = second
            headers = dict(JOURNAL_HEADERS)
            if number < len(rules):
                headers["rules"] = rules[number]
            for shard in range(shards):
                value = encode_frame(frame)
                write(Record("journal", shard, 2 * number, at, None, value, tuple(headers.items())))
    return path


def decided(log: Path) -> list[bytes]:
    """The lines of a log's decision log."""
    out = log.with_suffix(".decided")
    with writing_lines(out) as file:
        offline_replay.replay(log, file.write, Tally(), lambda: None)
    return list(read_lines(out))
