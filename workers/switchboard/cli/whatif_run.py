"""What `switchboard whatif` does once it knows what is wanted: simulate, compare, tell."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import click
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from switchboard.cli.process import relax_collector
from switchboard.cli.ui import say_json, wide_console
from switchboard.journal.files import SHARED, replacing
from switchboard.journal.printable_text import counted, printable
from switchboard.journal.recorded_log import Kind
from switchboard.journal.routing_file import read_routing_file
from switchboard.simulation.people import Behaviour
from switchboard.simulation.recorded_days import shipped_days
from switchboard.whatif.comparison import Interval, Result, compare
from switchboard.whatif.report_page import Told, page
from switchboard.whatif.report_texts import FIGURES, Figure, assumptions, calibration, cell, change, few_runs, summary
from switchboard.whatif.rule_variants import Variant
from switchboard.whatif.scenario import OFFICE, AssumedDay, Recorded, read_recorded, shift_workers

AGENTS: Final = 15
"""Of a recorded day of arrivals: few enough that rules matter."""


@dataclass(slots=True, frozen=True)
class Wanted:
    """What is to be compared."""

    log: Path | None
    day: str | None
    routing: Path | None
    staff: int | None
    variants: Sequence[Variant]
    """The base first."""
    seeds: int
    threshold: float
    """Seconds."""
    click_median: float | None

    @property
    def title(self) -> str:
        """What is simulated again."""
        return self.log.name if self.log is not None else f"the arrivals of {self.day}"


def run(wanted: Wanted, *, report: Path | None, as_json: bool) -> None:
    """Simulate, compare, tell."""
    relax_collector()
    console = wide_console(stderr=True)
    if (doubt := few_runs(wanted.seeds)) is not None:
        console.print(doubt, markup=False, highlight=False)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        reading = bar.add_task("reading", total=None)
        scenario = _scenario(wanted, lambda: bar.advance(reading))
        bar.remove_task(reading)
        task = bar.add_task("simulating", total=len(wanted.variants) * wanted.seeds)
        seeds = [str(number + 1) for number in range(wanted.seeds)]
        results = compare(scenario, wanted.variants, seeds, round(wanted.threshold * 1000), lambda: bar.advance(task))
    recorded = None
    if isinstance(scenario, Recorded):
        recorded = scenario.measures.figures(round(wanted.threshold * 1000))
        for reason, number in sorted(scenario.tally.bad.items()):
            console.print(
                f"{counted(number, 'bad line')}, {reason}; the first: {scenario.tally.examples[reason]}", markup=False
            )
        if scenario.tally.kind is Kind.BUS:
            console.print(
                "a bus log holds no decisions: what is called recorded is a replay of it, in which offers may go to "
                "other agents than they did, so that their accepts come to nothing: a journal log says what was",
                markup=False, soft_wrap=True,
            )  # fmt: skip
    told = Told(wanted.title, results, recorded, assumptions(scenario, wanted.seeds), wanted.threshold)
    if report is not None:
        with replacing(report, SHARED) as file:
            file.write(page(told).encode())
        console.print(f"the report is in {report}", markup=False)
    if as_json:
        say_json(as_data(told), indent=True)
    else:
        _print(told)


def _scenario(wanted: Wanted, progress: Callable[[], None]) -> Recorded | AssumedDay:
    median = wanted.click_median or Behaviour().click_median
    if wanted.log is not None:
        if wanted.routing is not None or wanted.staff is not None:
            raise click.UsageError("--routing and --staff are for --day: a LOG has its own rules and agents")
        return read_recorded(wanted.log, median, progress)
    days = {each.name: each for each in shipped_days()}
    if wanted.day not in days:
        raise click.UsageError(f"there is no recorded day {wanted.day}: expected one of {', '.join(days)}")
    rules = read_routing_file(wanted.routing) if wanted.routing is not None else ()
    configs = {each["pool"]: each["config"] for each in rules} or OFFICE
    agents = shift_workers(wanted.staff or AGENTS, configs)
    return AssumedDay(days[wanted.day], configs, agents, replace(Behaviour(), click_median=median))


def as_data(told: Told) -> dict[str, Any]:
    """The figures, as `--json` prints them: seconds, shares from 0 to 1, counts."""
    base = told.results[0]
    return {
        "of": told.title,
        "threshold_seconds": told.threshold,
        "seeds": len(base.runs),
        "recorded": told.recorded,
        "variants": [
            {
                "name": each.variant.name,
                "settings": [setting.text for setting in each.variant.settings],
                "figures": _figures(each, base, None),
                "queues": {name: _figures(each, base, name) for name in each.queues()},
            }
            for each in told.results
        ],
        "summary": summary(base, told.results[1:], told.threshold),
        "assumptions": list(told.assumptions),
    }


def _figures(result: Result, base: Result, queue: str | None) -> dict[str, Any]:
    return {
        figure.name: _span(span)
        | ({"difference": _span(against)} if (against := result.against(base, figure.name, queue)) is not None else {})
        for figure in FIGURES
        if (span := result.interval(figure.name, queue)) is not None
    }


def _span(span: Interval) -> dict[str, Any]:
    return {"mean": span.mean, "low": span.low, "high": span.high}


def _print(told: Told) -> None:
    console = wide_console()
    base, *others = told.results
    for first, *rest in summary(base, others, told.threshold):
        console.print(first, style="bold", markup=False, highlight=False)
        for sentence in rest:
            console.print(f"  {sentence}", markup=False, highlight=False)
    if told.recorded is not None:
        console.print(calibration(told.recorded, base, told.threshold), style="dim", markup=False, highlight=False)
    table = Table(
        title=f"{printable(told.title)}, {counted(len(base.runs), 'run')} each; ± and brackets: 95 %",
        title_justify="left",
    )
    table.add_column("")
    if told.recorded is not None:
        table.add_column("as recorded", justify="right")
    for each in told.results:
        table.add_column(Text(printable(each.variant.name)), justify="right", overflow="fold")
    for figure in FIGURES:
        cells = [_cell(figure, each, base) for each in told.results]
        if any(cells):
            value = (told.recorded or {}).get(figure.name)
            recorded = [] if told.recorded is None else [figure.shown(value) if value is not None else ""]
            table.add_row(figure.title(told.threshold), *recorded, *cells)
    console.print(table)


def _cell(figure: Figure, result: Result, base: Result) -> str:
    against = change(figure, result.against(base, figure.name)) if result is not base else None
    return "\n".join(filter(None, (cell(figure, result.interval(figure.name)), against)))
