"""The same day under other rules: what must be the same, and what must differ."""

from dataclasses import replace

import pytest

from switchboard.errors import RulesError
from switchboard.whatif.comparison import Result, compare
from switchboard.whatif.rule_variants import Variant, parse_variant
from switchboard.whatif.scenario import RecordedScenario, read_recorded
from tests.unit.replay.whatif.office import write_day

SEEDS = ("1", "2", "3")
BASE = Variant("unchanged")


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> RecordedScenario:
    """Six hours of a small office that is short of agents."""
    log = write_day(tmp_path_factory.mktemp("whatif") / "day.jsonl.gz")
    return read_recorded(log, 2.0, lambda: None)


@pytest.fixture(scope="module")
def base(day: RecordedScenario) -> Result:
    """The day as it was."""
    (result,) = compare(day, [BASE], SEEDS, 20_000)
    return result


def _compared(day: RecordedScenario, *texts: str) -> list[Result]:
    return compare(day, [parse_variant(each) for each in texts], SEEDS, 20_000)


def test_a_variant_that_changes_nothing_is_exactly_the_base(day: RecordedScenario, base: Result) -> None:
    """All that is drawn is drawn alike: each figure's difference is nought, in every run."""
    (same,) = _compared(day, "same: profile.max_sessions=1, profile.mode=push")
    assert same.figures == base.figures
    assert same.by_queue == base.by_queue
    difference = same.difference(base, "wait")
    assert difference is not None
    assert (difference.low, difference.high) == (0, 0)


def test_the_same_seed_gives_the_same_day_and_another_seed_another(day: RecordedScenario, base: Result) -> None:
    """A comparison can be had again."""
    (again,) = compare(day, [BASE], SEEDS, 20_000)
    assert base.figures == again.figures
    assert base.figures[0] != base.figures[1]


def test_the_base_comes_near_to_what_was_recorded(day: RecordedScenario, base: Result) -> None:
    """Under its own rules the re-simulated day has nearly the log's waits and as many who give up."""
    recorded = day.measures.figures(20_000)
    assert recorded["offered"] > 300
    for name, near in (("wait", 0.25), ("service_level", 0.15), ("abandonment", 0.3), ("occupancy", 0.1)):
        span = base.interval(name)
        assert span is not None
        assert span.mean == pytest.approx(recorded[name], rel=near)


def test_more_agents_never_let_customers_wait_longer(day: RecordedScenario, base: Result) -> None:
    """Nor fewer of them shorter: who is added to one more is added to two more as well."""
    fewer, *more = _compared(day, "agents=-1", "agents=+1", "agents=+2", "agents=+4")
    waits = [[figures["wait_all"] for figures in each.figures] for each in (fewer, base, *more)]
    for per_seed in zip(*waits, strict=True):
        assert list(per_seed) == sorted(per_seed, reverse=True)
    assert more[-1].runs[0].chats_by_agent() != base.runs[0].chats_by_agent()


def test_pull_mode_lets_agents_click_and_customers_wait_longer(day: RecordedScenario) -> None:
    """No agent clicked in the log: the assumed delay is what pull mode costs."""
    slow = replace(day, statistics=replace(day.statistics, click_median=60.0))
    push, pull = compare(slow, [BASE, parse_variant("pull: profile.mode=pull")], SEEDS, 20_000)
    for pushed, pulled in zip(push.figures, pull.figures, strict=True):
        assert pulled["wait_all"] > pushed["wait_all"]


def test_more_agents_can_not_be_taken_away_than_there_are(day: RecordedScenario) -> None:
    """It is said, with how many there are."""
    with pytest.raises(RulesError, match="there are 5 agents"):
        _compared(day, "agents=-6")


def test_a_wait_is_told_by_queue_as_well(base: Result) -> None:
    """By the queue in which the chat arrived; together they are all chats."""
    assert base.queues() == ["office/accounts", "office/cards"]
    offered = [base.interval("offered", queue) for queue in (*base.queues(), None)]
    one, other, every = (each.mean for each in offered if each is not None)
    assert one + other == every
