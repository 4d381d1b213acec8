"""The router's metrics and the monitor's figures tell the same of the same day: one word is one figure."""

from collections import defaultdict

import pytest

from switchboard import metrics
from switchboard.journal.codec import encode
from switchboard.journal.log_frames import Tally as Lines
from switchboard.monitor.figures import Figures, OutcomeCounts
from switchboard.monitor.public_rows import decision_record
from switchboard.router.counters import Tally
from switchboard.router.label_names import LabelNames
from switchboard.tools import offline_replay
from tests.golden.make_days import FOLDER
from tests.golden.test_days import LOGS

Queue = tuple[str, str]


def by_router() -> dict[Queue, dict[str, float]]:
    """What the metrics have counted of each queue."""
    told: defaultdict[Queue, dict[str, float]] = defaultdict(dict)
    for metric in (metrics.ARRIVALS, metrics.WAITS_ENDED, metrics.WAIT):
        for family in metric.collect():
            for sample in family.samples:
                if not sample.name.endswith("_created"):
                    of = dict(sample.labels)
                    name = f"{sample.name} {of.get('outcome', of.get('le', ''))}".strip()
                    told[of["pool"], of["queue"]][name] = sample.value
    return told


def by_monitor(counting: OutcomeCounts) -> dict[Queue, Figures]:
    """What the monitor has counted of each queue, all its days together."""
    told: defaultdict[Queue, Figures] = defaultdict(Figures)
    for queue, days in counting.windows.days.items():
        for figures in days.values():
            told[queue].add(figures)
    return told


@pytest.mark.parametrize("name", LOGS)
def test_arrivals_waits_and_service_level_are_those_of_the_metrics(name: str) -> None:
    """For every queue of every recorded day, whatever happened on it."""
    labels = LabelNames()
    before, counting, tally = by_router(), OutcomeCounts(), None
    for engine, frame in offline_replay.steps(FOLDER / name, Lines()):
        tally = tally or Tally(engine, labels)
        outcome = engine.apply(frame)
        tally.count([], outcome, frame.at)
        for decision in outcome.decisions:
            counting.count(decision_record(encode(decision)))
    after = by_router()
    figures = by_monitor(counting)
    assert sum(each.answered for each in figures.values()) > 40
    for queue, each in figures.items():
        counted = {key: value - before[queue].get(key, 0) for key, value in after[queue].items()}
        ended = {
            outcome: counted.get(f"switchboard_waits_ended_total {outcome}", 0)
            for outcome in ("answered", "abandoned", "short-abandoned", "timed-out")
        }
        assert each.arrived == counted["switchboard_arrivals_total"]
        assert each.answered == ended.pop("answered")
        assert each.abandoned_soon == ended["short-abandoned"]
        assert each.abandoned == sum(ended.values())
        assert each.answered_in_time == counted.get("switchboard_wait_seconds_bucket 20.0", 0)
        assert each.waited_ms / 1000 == pytest.approx(counted.get("switchboard_wait_seconds_sum", 0))
