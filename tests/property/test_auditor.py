"""The auditor finds nothing in what the engine decides, and finds what is planted in it."""

from collections import Counter
from random import Random

from hypothesis import HealthCheck, given, settings

from switchboard.audit.auditor import Auditor
from switchboard.audit.findings import Report
from switchboard.domain.events import Frame
from tests.property.histories import histories, random_history
from tests.property.mutations import KINDS, Decisions, decided, plant, same_in_each_pool
from tests.property.shrinking import shrink, told


def audited(history: list[Frame], decisions: Decisions) -> Report:
    """What the auditor says of a history and its decisions."""
    auditor = Auditor()
    for frame, found in zip(history, decisions, strict=True):
        auditor.follow(0, frame, found)
    return auditor.report


def find_nothing(history: list[Frame]) -> None:
    """Fail with the shortest history whose own decisions the auditor finds fault with."""
    if not audited(history, decided(history)).found:
        return
    shortest = shrink(history, lambda candidate: bool(audited(candidate, decided(candidate)).found))
    findings = audited(shortest, decided(shortest)).findings
    raise AssertionError(f"\n{told(shortest)}\n" + "\n".join(finding.line() for finding in findings))


@settings(deadline=None, derandomize=True, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(history=histories())
def test_nothing_is_found_in_what_the_engine_decides(history: list[Frame]) -> None:
    """I1 to I8 and the rules behind them: whatever happens in whatever order, by other code than decided it."""
    find_nothing(history)


def test_nothing_is_found_in_long_histories() -> None:
    """The same, for histories too long for hypothesis to draw; each type of decision is among theirs."""
    happened: Counter[str] = Counter()
    for seed in range(2000, 2300):
        history = random_history(seed, 120)
        find_nothing(history)
        happened.update(decision["type"] for decisions in decided(history[:40]) for decision in decisions)
    assert len(happened) == 13, happened


def test_a_fault_planted_anywhere_is_found_in_its_frame() -> None:
    """One decision dropped, doubled, moved to the next frame, or with another agent or chat: none goes unseen.

    Ids are counted anew, so that only the rules can tell. What is equivalent is told apart: two neighbours of different
    pools may change places, for pools share nothing.
    """
    planted: Counter[str] = Counter()
    for seed in range(400):
        rng, history = Random(seed), random_history(seed, 40)  # noqa: S311 - a test's dice
        good = decided(history)
        for kind in KINDS:
            fault = plant(good, history, kind, rng)
            if fault is None or same_in_each_pool(fault[0], good):
                continue
            report = audited(history, fault[0])
            assert report.found, f"seed {seed}: {fault[1]}"
            assert report.findings[0].frame == history[fault[1].frame].n, f"seed {seed}: {fault[1]}"
            planted[kind] += 1
    assert all(planted[kind] > 100 for kind in KINDS), planted


def test_one_fault_is_a_few_findings_not_a_hundred() -> None:
    """After a finding the log is believed about its chat and its agent: half of all faults are one finding."""
    counts = []
    for seed in range(100):
        rng, history = Random(seed), random_history(seed, 120)  # noqa: S311
        fault = plant(decided(history), history, "drop", rng)
        assert fault is not None
        counts.append(audited(history, fault[0]).found)
    assert sorted(counts)[50] == 1, counts
    assert sorted(counts)[95] <= 5, counts
