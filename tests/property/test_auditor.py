"""The auditor finds nothing in what the engine decides, and finds what is planted in it."""

from collections import Counter
from random import Random

from hypothesis import HealthCheck, given, settings

from switchboard.audit.auditor import Auditor
from switchboard.audit.findings import Report
from switchboard.domain.events import Frame
from tests.depth import examples
from tests.property.histories import histories
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


@settings(deadline=None, derandomize=True, max_examples=examples(5, 15), suppress_health_check=[HealthCheck.too_slow])
@given(history=histories())
def test_nothing_is_found_in_what_the_engine_decides(history: list[Frame]) -> None:
    """I1 to I8 and the rules behind them: whatever happens in whatever order, by other code than decided it."""
    find_nothing(history)


def test_nothing_is_found_in_short_histories(short_histories: list[list[Frame]]) -> None:
    """The auditor finds no fault in the engine's decisions on more histories than hypothesis draws in the time."""
    for history in short_histories:
        find_nothing(history)


def test_nothing_is_found_in_long_histories(long_histories: list[list[Frame]], long_decisions: list[Decisions]) -> None:
    """The auditor finds no fault in the engine's decisions on histories too long for hypothesis to draw."""
    for history, decisions in zip(long_histories, long_decisions, strict=True):
        if audited(history, decisions).found:
            find_nothing(history)


def test_a_fault_planted_anywhere_is_found_in_its_frame(
    long_histories: list[list[Frame]], long_decisions: list[Decisions]
) -> None:
    """One decision dropped, doubled, moved to the next frame, or with another agent or chat: none goes unseen.

    Ids are counted anew, so that only the rules can tell. What is equivalent is told apart: two neighbours of different
    pools may change places, for pools share nothing.
    """
    planted: Counter[str] = Counter()
    rounds = 4
    for number, (whole, decisions) in enumerate(zip(long_histories, long_decisions, strict=True)):
        rng, history, good = Random(number), whole[:40], decisions[:40]  # noqa: S311 - a test's dice
        for kind in KINDS * rounds:
            fault = plant(good, history, kind, rng)
            if fault is None:
                continue
            bad, planned = fault
            end = planned.frame + 2  # no fault changes a frame behind
            if same_in_each_pool(bad[planned.frame : end], good[planned.frame : end]):
                continue
            report = audited(history[:end], bad[:end])
            assert report.found, f"seed {number}: {planned}"
            assert report.findings[0].frame == history[planned.frame].n, f"seed {number}: {planned}"
            planted[kind] += 1
    assert all(planted[kind] > 100 * rounds * len(long_histories) // 240 for kind in KINDS), planted


def test_one_fault_is_a_few_findings_not_a_hundred(
    long_histories: list[list[Frame]], long_decisions: list[Decisions]
) -> None:
    """After a finding the log is believed about its chat and its agent: half of all faults are one finding."""
    counts = []
    for number, (history, good) in enumerate(zip(long_histories, long_decisions, strict=True)):
        fault = plant(good, history, "drop", Random(number))  # noqa: S311 - a test's dice
        assert fault is not None
        counts.append(audited(history, fault[0]).found)
    assert sorted(counts)[len(counts) // 2] == 1, counts
    assert sorted(counts)[len(counts) * 95 // 100] <= 5, counts
