"""The engine alone, and what an event costs in a small and in a large centre."""

import gc
import time
from dataclasses import dataclass

from switchboard.domain.engine import Engine
from tests.benchmarks.traffic import Shape, Traffic, framed, make

FRAME = 500
EVENTS = 200_000


@dataclass(slots=True)
class EngineRun:
    """What a run took."""

    shape: Shape
    events: int
    decisions: int
    rows: int
    seconds: float
    """Of processor time, applying frames."""
    seconds_with_rows: float
    """And telling the rows that changed."""

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def rate_with_rows(self) -> float:
        """Events a second, the changed rows told too."""
        return self.events / self.seconds_with_rows


def measure(shape: Shape, events: int = EVENTS) -> EngineRun:
    """Time the engine on mixed traffic, in frames of 500."""
    traffic = make(shape, events)
    plain, decisions, _ = _run(traffic, rows=False)
    with_rows, _, rows = _run(traffic, rows=True)
    return EngineRun(shape, len(traffic.measured), decisions, rows, plain, with_rows)


def _run(traffic: Traffic, *, rows: bool) -> tuple[float, int, int]:
    engine = Engine(0)
    setting = list(framed(traffic.setting, FRAME))
    for frame in setting:
        engine.apply(frame)
    frames = list(framed(traffic.measured, FRAME, len(setting)))
    decisions = changed = 0
    gc.collect()
    began = time.process_time()
    for frame in frames:
        decisions += len(engine.apply(frame).decisions)
        if rows:
            changed += sum(1 for _ in engine.changed_rows())
    return time.process_time() - began, decisions, changed
