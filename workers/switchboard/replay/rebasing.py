"""Recorded times moved to now."""

import re
from dataclasses import dataclass, replace
from typing import Final

from switchboard.domain.rfc3339 import format_ms, parse_ms
from switchboard.journal.recorded_log import Record, is_timely

TIME_HEADER: Final = "ce_time"

_times: Final = re.compile(rb'("(?:arrived_at|accepted_at|requested_at)"\s*:\s*")([^"\\]+)"')


@dataclass(frozen=True, slots=True)
class Rebase:
    """Moves times so that `first` becomes `now` (ms since 1970), those after it `speed` times as close to it."""

    first: int
    now: int
    speed: float

    def move(self, record: Record) -> Record:
        """The record with its timestamp, its time fields and its `ce_time` moved; all other bytes stay.

        A timestamp outside the years 0001 to 9999 stays too: the router is to set the record aside again.
        """
        headers = tuple(
            (name, self._moved(value) if name == TIME_HEADER and value is not None else value)
            for name, value in record.headers
        )
        payload = record.payload
        if payload is not None:
            payload = _times.sub(lambda found: found[1] + self._moved(found[2]) + b'"', payload)
        ts = self._ms(record.ts) if is_timely(record.ts) else record.ts
        return replace(record, ts=ts, headers=headers, payload=payload)

    def _ms(self, ms: int) -> int:
        return self.now + round((ms - self.first) / self.speed)

    def _moved(self, text: bytes) -> bytes:
        try:
            return format_ms(self._ms(parse_ms(text.decode()))).encode()
        except ValueError:
            return text  # it was no time when it was recorded, and is to be set aside again
