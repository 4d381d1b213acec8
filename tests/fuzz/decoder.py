"""The decoder of source records, and what an event goes through once it was taken."""

from random import Random
from typing import ClassVar, Final

import orjson

from switchboard.audit.inputs import read_decision
from switchboard.domain.engine import Engine
from switchboard.domain.events import Event, Frame
from switchboard.journal.codec import REASONS, BadInput, decode_event, encode, pool_of
from switchboard.journal.frames import MAX_FRAME_BYTES, decode_frame, encode_frame
from switchboard.journal.schemas import MAX_DETAIL
from tests.fuzz.source_records import SourceRecord, source_record
from tests.fuzz.target import Target, require

RESTORE_EVERY: Final = 250
"""Events after which the engine is rebuilt from its rows."""


class Decoder(Target[SourceRecord]):
    """An event comes out that journal and engine take, or one kind of bad input."""

    name: ClassVar = "decoder"
    checks: ClassVar = "decode_event, pool_of, encode_frame and decode_frame, Engine.apply, rows and decisions"
    outcomes: ClassVar = frozenset({*REASONS, "event"} - {"engine-error", "over-limit"})  # which the router gives

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Begin with an engine that knows nothing."""
        self._engine = Engine(0)
        self._applied = 0

    def generate(self, random: Random) -> SourceRecord:
        """A record of a source topic."""
        return source_record(random)

    def check(self, case: SourceRecord) -> str:
        """Decode; what was taken goes through journal, engine and rows."""
        source = (f"bus.{case.topic}", 3, 42)
        what = decode_event(case.topic, case.headers, case.value, source=source, timestamp=case.timestamp)
        pool = pool_of(case.headers, case.value, case.timestamp)
        if isinstance(what, BadInput):
            check_bad_input(what)
            require(what.pool == pool, "pool_of gives the pool of the bad input", (what.pool, pool))
            return what.reason
        require(isinstance(what, Event), "the result is an Event or a BadInput", type(what))
        require(what.source == source, "the event names its record", what.source)
        require(what.pool == pool, "pool_of gives the pool of the event", (what.pool, pool))
        self._take(what, case.timestamp)
        return "event"

    def _take(self, event: Event, timestamp: int) -> None:
        engine = self._engine
        frame = Frame(engine.frame + 1, timestamp, self._applied * 37 % 4_000, [event])
        packed = encode_frame(frame)
        require(len(packed) <= MAX_FRAME_BYTES, "a frame of one event fits into a record", len(packed))
        require(decode_frame(packed) == frame, "the journal gives the frame back as it was", packed[:200])
        for decision in engine.apply(frame).decisions:
            read_decision(encode(decision), "a decision of ours")
        for row in engine.changed_rows():
            require(bool(row.key) and len(orjson.dumps(row.value)) > 0, "a row has a key and a value", row.key)
        self._applied += 1
        if self._applied % RESTORE_EVERY == 0:
            self._restore()

    def _restore(self) -> None:
        rows = list(self._engine.rows())
        for row in rows:
            row.value = None if row.value is None else orjson.loads(orjson.dumps(row.value))
        restored = Engine.restore(0, rows)
        written = sorted((row.key, orjson.dumps(row.value, option=orjson.OPT_SORT_KEYS)) for row in rows)
        again = sorted((r.key, orjson.dumps(r.value, option=orjson.OPT_SORT_KEYS)) for r in restored.rows())
        require(written == again, "an engine rebuilt from its rows has the same rows")
        self._engine = restored


def check_bad_input(bad: BadInput) -> None:
    """The rules for every bad input: they are what a dead letter, a log line and a metric are made of."""
    require(bad.reason in REASONS, "the reason is one of those known", bad.reason)
    require(0 < len(bad.detail) <= MAX_DETAIL, "the detail has 1 to 500 characters", len(bad.detail))
    require(0 < len(bad.pool) <= 64 and bad.pool.isascii(), "the pool is a pool's name", bad.pool)
    require(bad.detail.isprintable(), "the detail is printable", bad.detail)
