"""What of a bus log is to be sent to a bus."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from switchboard.journal.codec import SOURCE_TOPICS, BadInput, decode_event
from switchboard.journal.recorded_log import Record, Skip, bare_topic, is_timely, read_log, refuse

NO_EVENT: Final = "(no event)"
"""The type of a record that the router would set aside."""


@dataclass(slots=True)
class Survey:
    """What a log holds of what is to be sent."""

    by_topic: Counter[str] = field(default_factory=Counter)
    by_type: Counter[str] = field(default_factory=Counter)
    skipped: int = 0
    """Lines of topics that are no source topics, and of types that are not asked for."""
    first: int | None = None
    last: int | None = None
    """The least time and the largest, ms since 1970; those outside the years 0001 to 9999 count for nothing."""

    @property
    def records(self) -> int:
        """How many are to be sent."""
        return self.by_topic.total()

    @property
    def seconds(self) -> float:
        """How long it took when it was recorded."""
        return 0.0 if self.first is None or self.last is None else (self.last - self.first) / 1000


def survey(path: Path, only: frozenset[str], skip: Skip = refuse) -> Survey:
    """Look through a log before anything is sent.

    Raises:
        RecordedLogError: a line is damaged and `skip` does not take it.
    """
    found = Survey()
    for record, event_type in _sources(path, found, skip):
        if only and event_type not in only:
            found.skipped += 1
            continue
        found.by_topic[bare_topic(record.topic)] += 1
        found.by_type[event_type] += 1
        if is_timely(record.ts):
            found.first = record.ts if found.first is None else min(found.first, record.ts)
            found.last = record.ts if found.last is None else max(found.last, record.ts)
    return found


def wanted(path: Path, only: frozenset[str]) -> Iterator[Record]:
    """The records that are to be sent, after a survey: damaged lines have been told of."""
    for record, event_type in _sources(path, Survey(), lambda _: None):
        if not only or event_type in only:
            yield record


def _sources(path: Path, found: Survey, skip: Skip) -> Iterator[tuple[Record, str]]:
    """The records of source topics, each with its event's type."""
    for record in read_log(path, skip):
        topic = bare_topic(record.topic)
        if topic not in SOURCE_TOPICS:
            found.skipped += 1
            continue
        source = (record.topic, record.partition, record.offset)
        event = decode_event(topic, record.headers, record.payload, source=source, timestamp=record.ts)
        yield record, NO_EVENT if isinstance(event, BadInput) else event.type
