"""What a run of the fuzzer found, as a report in Markdown."""

import platform
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.fuzz.campaign import Tally
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS


def report(tallies: Sequence[Tally], seed: int, targets: Mapping[str, type[Target[Any]]] = TARGETS) -> Iterator[str]:
    """The report, line by line.

    Args:
        tallies: what came of each target's inputs.
        seed: the first input's.
        targets: by name.
    """
    inputs = sum(each.inputs for each in tallies)
    failures = sum(len(each.failures) for each in tallies)
    seconds = sum(each.seconds for each in tallies)
    yield f"# Fuzzing: {inputs:,} inputs from seed {seed}, {failures} failures"
    yield ""
    yield f"{seconds:,.0f} s of one core each, Python {platform.python_version()}, {platform.machine()}."
    yield ""
    yield "| target | inputs | a second | slowest input | memory, peak | most by one input |"
    yield "|---|---:|---:|---:|---:|---:|"
    for each in tallies:
        rate = each.inputs / each.seconds if each.seconds else 0
        yield (
            f"| {each.target} | {each.inputs:,} | {rate:,.0f} "
            f"| {each.slowest * 1000:.1f} ms (seed {each.slowest_seed}) "
            f"| {each.peak / 1e6:,.0f} MB | {each.growth / 1e6:,.1f} MB (seed {each.growth_seed}) |"
        )
    for each in tallies:
        yield ""
        yield f"**{each.target}**: {targets[each.target].checks}"
        yield ""
        for outcome, count in each.outcomes.most_common():
            yield f"- {outcome}: {count:,}"
    for each in tallies:
        for failure in each.failures:
            yield ""
            yield f"## Failure\n\n```text\n{failure}\n```"
