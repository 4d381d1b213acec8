"""`make bench`: measure, print the report, and with --write put it into docs/benchmarks.md."""

import asyncio
import contextlib
import platform
import statistics
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import click

from switchboard.cli.process import relax_collector
from switchboard.dev.local_broker import LocalBroker, bootstrap_from_environment
from tests.benchmarks import measure_bus, measure_engine, measure_memory, measure_replay, measure_shards
from tests.benchmarks.traffic import Shape

REPORT: Final = Path(__file__).parents[2] / "docs" / "benchmarks.md"

SMALL: Final = Shape(agents=100, waiting=1_000)
MIDDLE: Final = Shape(agents=1_000, waiting=1_000)
LARGE: Final = Shape(agents=10_000, waiting=100_000)
DRAIN_EVENTS: Final = 300_000
SHARDS_EVENTS: Final = 100_000
LATENCY_SECONDS: Final = 20.0


@click.command()
@click.option(
    "--only", type=click.Choice(["engine", "replay", "memory", "drain", "shards", "latency"]), help="One part of it."
)
@click.option("--runs", default=3, show_default=True, help="Runs of each figure but memory: the median counts.")
@click.option("--write", is_flag=True, help="Also write docs/benchmarks.md.")
def main(only: str | None, runs: int, *, write: bool) -> None:
    """Measure Switchboard on this machine. Nothing else should run meanwhile."""
    relax_collector()  # as the workers do
    parts: dict[str, Callable[[], Iterator[str]]] = {
        "engine": lambda: _engine(runs),
        "replay": lambda: _replay(runs),
        "memory": _memory,
        "drain": lambda: _drain(runs),
        "shards": lambda: _shards(runs),
        "latency": lambda: _latency(runs),
    }
    lines = list(_head())
    for name, part in parts.items():
        if only in (None, name):
            click.echo(f"measuring: {name} …", err=True)
            lines += part()
    report = "\n".join(lines) + "\n"
    click.echo(report)
    if write:
        REPORT.write_text(report, encoding="utf-8")


def _head() -> Iterator[str]:
    yield "# Benchmarks"
    yield ""
    yield "The last report of `make bench`. On another machine figures differ; compare ratios within one report."
    yield ""
    yield f"- {datetime.now(UTC):%Y-%m-%d}, chat-switchboard {version('chat-switchboard')}"
    yield f"- Python {platform.python_version()}, Apache Kafka on the same machine"
    yield f"- {_processor()}, Linux {platform.release()}"
    yield ""


def _processor() -> str:
    told = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    models = [line.partition(":")[2].strip() for line in told.splitlines() if line.startswith("model name")]
    return f"{len(models)} cores of {models[0]}" if models else platform.machine()


def _engine(runs: int) -> Iterator[str]:
    yield "## The engine alone"
    yield ""
    yield "Mixed lifecycle traffic in frames of 500, 20 queues, 8 profiles of 5 queues, half of the agents in push"
    yield "mode; processor time of one core. *With rows* also tells the rows that changed."
    yield ""
    yield "| agents | chats waiting | events/s | with rows | us an event |"
    yield "|---:|---:|---:|---:|---:|"
    costs = {}
    for shape in (SMALL, MIDDLE, LARGE):
        found = [measure_engine.measure(shape) for _ in range(runs)]
        rate = statistics.median(each.rate for each in found)
        rows = statistics.median(each.rate_with_rows for each in found)
        costs[shape.agents] = 1e6 / rate
        yield f"| {shape.agents:,} | {shape.waiting:,} | {rate:,.0f} | {rows:,.0f} | {1e6 / rate:.1f} |"
    yield ""
    yield f"Budget: 100,000 events/s with 1,000 agents: {_kept(1e6 / costs[1_000] >= 100_000)}. An event costs"
    ratio = costs[LARGE.agents] / costs[SMALL.agents]
    yield f"{ratio:.2f} times as much in the largest as in the smallest (budget 1.5): {_kept(ratio < 1.5)}."
    yield ""


def _replay(runs: int) -> Iterator[str]:
    yield "## Offline replay"
    yield ""
    yield "From a recorded log to the decision log, both files; processor time of one core."
    yield ""
    yield "| log | events | events/s |"
    yield "|---|---:|---:|"
    found = [measure_replay.measure() for _ in range(runs)]
    rates = []
    for of_kind in zip(*found, strict=True):
        rates.append(statistics.median(each.rate for each in of_kind))
        yield f"| {of_kind[0].kind} | {of_kind[0].events:,} | {rates[-1]:,.0f} |"
    yield ""
    yield f"Budget: 60,000 events/s: {', '.join(_kept(rate >= 60_000) for rate in rates)}."
    yield ""
    small, large = (measure_replay.measure_memory(events) for events in (100_000, 1_000_000))
    yield f"Memory for a journal log of 100,000 events: {small:.0f} MB; of 1,000,000: {large:.0f} MB."
    yield ""
    yield "A line of a bus log is parsed, its payload parsed and checked (about 10 us), decided as a frame of its own"
    yield "(10 us) and its decisions encoded; a journal log's frames are checked and decided by the hundred."
    yield ""


def _memory() -> Iterator[str]:
    found = measure_memory.measure()
    yield "## Memory and restore"
    yield ""
    yield f"{found.agents:,} agents and {found.chats:,} open chats ({found.row_bytes / 1e6:.0f} MB of rows), rebuilt"
    yield f"from their rows in a fresh process: {found.mb:.0f} MB resident, {found.empty_mb:.0f} MB of them without any"
    yield f"state (budget 400 MB: {_kept(found.mb <= 400)}); rebuilt in {found.rebuild_seconds:.1f} s, reading"
    yield f"them from Kafka apart (budget 3 s: {_kept(found.rebuild_seconds <= 3)})."
    yield ""


def _drain(runs: int) -> Iterator[str]:
    yield "## Bus to committed assignment: draining a backlog"
    yield ""
    yield "One router, the broker beside it on the same cores; the runs one after the other on one broker, which has"
    yield "just been started and compiles its code as it goes."
    yield ""
    yield "| run | events | frames | events/s |"
    yield "|---:|---:|---:|---:|"
    rates = []
    with _broker() as bootstrap:
        for run in range(runs):
            prefix = f"drain-{run}-{datetime.now(UTC):%H%M%S}"
            found = asyncio.run(measure_bus.measure_drain(bootstrap, prefix, DRAIN_EVENTS))
            rates.append(found.rate)
            yield f"| {run + 1} | {found.events:,} | {found.frames} | {found.rate:,.0f} |"
    yield ""
    rate = statistics.median(rates)
    yield f"Median **{rate:,.0f} events/s** (budget 30,000: {_kept(rate >= 30_000)}), {1e6 / rate:.0f} us an event."
    yield ""
    yield "What limits it is the router's one core. Where its time goes, by samples: reading and checking a quarter,"
    yield "packing decisions and rows a quarter, the engine a sixth, commits a fifth, the client libraries the rest."
    yield ""


def _shards(runs: int) -> Iterator[str]:
    yield "## Records of other shards"
    yield ""
    yield "Every shard reads the whole bus and drops the records of other shards before it decodes them. By record,"
    yield "fetching apart; processor time of one core, the best of the runs."
    yield ""
    yield "| value | dropped, us | decoded and merged, us |"
    yield "|---|---:|---:|"
    costs = [measure_shards.measure_costs() for _ in range(runs)]
    foreign = []
    for of_kind in zip(*costs, strict=True):
        foreign.append(min(each.dropped for each in of_kind))
        decoded = min(each.decoded for each in of_kind)
        yield f"| {of_kind[0].kind} | {foreign[-1]:.2f} | {decoded:.2f} |"
    yield ""
    yield f"Budget: 1 us for plain JSON: {_kept(round(foreign[0], 1) <= 1.0)}."
    yield ""
    yield f"One router drains {SHARDS_EVENTS:,} events of {measure_shards.POOLS} pools, the broker on the same cores:"
    yield ""
    yield "| shards | run | events/s | processor, us an event |"
    yield "|---:|---:|---:|---:|"
    with _broker() as bootstrap:
        for run in range(runs):
            for shards in (1, 4):
                prefix = f"shards-{shards}-{run}-{datetime.now(UTC):%H%M%S}"
                found = asyncio.run(measure_shards.measure_drain(bootstrap, prefix, SHARDS_EVENTS, shards))
                processor = 1e6 * found.processor_seconds / found.events
                yield f"| {shards} | {run + 1} | {found.rate:,.0f} | {processor:.0f} |"
    yield ""
    yield "The router's start and stop are among its processor time. Four shards fetch each record four times, and make"
    yield "smaller commits."
    yield ""


def _latency(runs: int) -> Iterator[str]:
    yield "## Publish to visible, at 1,000 events/s"
    yield ""
    yield "Each arrival from its publishing to its `chat-queued` being visible to `read_committed`; broker, publisher"
    yield "and reader on the same cores; runs one after the other on one broker that has just been started."
    yield ""
    yield "| run | arrivals | p50 | p90 | p99 | longest |"
    yield "|---:|---:|---:|---:|---:|---:|"
    every = []
    with _broker() as bootstrap:
        for run in range(runs):
            prefix = f"latency-{run}-{datetime.now(UTC):%H%M%S}"
            found = asyncio.run(measure_bus.measure_latency(bootstrap, prefix, 1_000, LATENCY_SECONDS))
            every.append(found)
            times = " | ".join(f"{each:.1f} ms" for each in (found.p50, found.p90, found.p99, found.longest))
            yield f"| {run + 1} | {found.samples:,} | {times} |"
    yield ""
    p50, p99 = statistics.median(each.p50 for each in every), statistics.median(each.p99 for each in every)
    yield f"Median of the runs: p50 {p50:.1f} ms (budget 12: {_kept(p50 <= 12)}), p99 {p99:.1f} ms (budget 25:"
    yield f"{_kept(p99 <= 25)})."
    yield ""
    yield "Four busy processes share two cores here: waiting for a core, and then for the commit before one's own,"
    yield "takes most of the time."
    yield ""


@contextlib.contextmanager
def _broker() -> Iterator[str]:
    given = bootstrap_from_environment()
    if given is not None:
        yield given
        return
    with LocalBroker() as broker:
        yield broker.bootstrap


def _kept(kept: bool) -> str:
    return "kept" if kept else "missed"


if __name__ == "__main__":
    main()
