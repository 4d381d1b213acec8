"""Recorded days of call arrivals: counts for each bin, expanded to times.

The shipped extract is in `arrivals/`, with a description of the origin. Only counts are recorded: each
arrival is placed evenly at random within the bin. The same seed gives the same times.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Final

from switchboard.errors import ArrivalsError
from switchboard.journal.files import MAX_SETTINGS_BYTES, read_text

MINUTES_A_DAY: Final = 24 * 60


@dataclass(slots=True, frozen=True)
class Day:
    """One recorded day: the number of arrivals in each of several equally long bins."""

    name: str
    first_minute: int
    """Minute of the day at which the first bin starts."""
    bin_minutes: int
    counts: tuple[int, ...]


def shipped_days() -> list[Day]:
    """Return the days shipped with the package, in order of the dates."""
    folder = resources.files("switchboard.simulation") / "arrivals"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".csv")), key=lambda file: file.name)
    return [_parse(file.name, file.read_text("utf-8")) for file in files]


def read_day(path: Path) -> Day:
    """Read a day from a CSV file with the columns `start` (HH:MM) and `calls`.

    Raises:
        ArrivalsError: the file has another format.
        OSError: the file can't be read, is no regular file, no UTF-8 text, or larger than 1 MiB.
    """
    return _parse(str(path), read_text(path, MAX_SETTINGS_BYTES))


def arrival_times(days: Sequence[Day], *, seed: str, from_minute: int = 0) -> Iterator[int]:
    """Yield the times of arrivals in ms since `from_minute` of the first day, ascending and endless.

    After the last day the first day follows again. Days without any arrival yield nothing.
    """
    if not any(sum(day.counts) for day in days):
        return
    start = from_minute * 60_000
    turn = 0
    while True:
        day = days[turn % len(days)]
        midnight = turn * MINUTES_A_DAY * 60_000
        for index, count in enumerate(day.counts):
            opens = midnight + (day.first_minute + index * day.bin_minutes) * 60_000
            dice = Random(f"{seed}/arrivals/{turn}/{index}")  # noqa: S311 - a simulation, not a secret
            places = sorted(int(dice.random() * day.bin_minutes * 60_000) for _ in range(count))
            yield from (opens + place - start for place in places if opens + place >= start)
        turn += 1


def _parse(name: str, text: str) -> Day:
    rows = csv.DictReader(text.splitlines())
    if rows.fieldnames is None or not {"start", "calls"} <= set(rows.fieldnames):
        raise ArrivalsError(f"{name}:1: expected a header with the columns start,calls")
    starts: list[int] = []
    counts: list[int] = []
    try:
        for row in rows:
            starts.append(_minute(name, rows.line_num, row["start"]))
            counts.append(_count(name, rows.line_num, row["calls"]))
    except csv.Error as error:
        raise ArrivalsError(f"{name}:{rows.line_num + 1}: expected CSV: {error}") from None
    if len(starts) < 2:
        raise ArrivalsError(f"{name}: expected two bins or more, found {len(starts)}")
    width = starts[1] - starts[0]
    for line, (before, after) in enumerate(pairwise(starts), start=3):
        if after - before != width or width <= 0:
            raise ArrivalsError(f"{name}:{line}: expected bins of equal length in ascending order, as the first two")
    if starts[-1] + width > MINUTES_A_DAY:
        raise ArrivalsError(f"{name}: the last bin ends after midnight")
    return Day(name=name.removesuffix(".csv"), first_minute=starts[0], bin_minutes=width, counts=tuple(counts))


def minute_of_day(text: str) -> int:
    """Return the minute of the day for `HH:MM`.

    Raises:
        ValueError: the text is no time of day.
    """
    hours, colon, minutes = text.strip().partition(":")
    is_time = colon and _is_count(hours) and _is_count(minutes) and int(hours) < 24 and int(minutes) < 60
    if not is_time:
        raise ValueError(f"expected a time of day as HH:MM, found {text[:60]!r}")
    return int(hours) * 60 + int(minutes)


_is_count: Final = re.compile("[0-9]{1,6}").fullmatch


def _minute(name: str, line: int, text: str | None) -> int:
    try:
        return minute_of_day(text or "")
    except ValueError as fault:
        raise ArrivalsError(f"{name}:{line}: {fault}") from None


def _count(name: str, line: int, text: str | None) -> int:
    if text is None or _is_count(text.strip()) is None:
        found = None if text is None else text[:60]
        raise ArrivalsError(f"{name}:{line}: expected a whole number of calls, found {found!r} (999,999 at most)")
    return int(text)
