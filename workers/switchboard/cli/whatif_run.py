"""`switchboard whatif`, after its options are checked: simulate, compare, print, write the report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
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
from switchboard.whatif.report_page import ComparisonReport, page
from switchboard.whatif.report_texts import FIGURES, Figure, assumptions, calibration, cell, change, few_runs, summary
from switchboard.whatif.rule_variants import Variant
from switchboard.whatif.scenario import OFFICE, AssumedScenario, RecordedScenario, read_recorded, shift_workers

AGENTS: Final = 15
"""Default number of agents for a shipped day: few enough that rules make a difference."""


@dataclass(slots=True, frozen=True)
class Question:
    """The options of a comparison."""

    log: Path | None
    """The recorded log to simulate; None for a shipped day."""
    day: str | None
    """The shipped day of arrivals; None for a log."""
    routing: Path | None
    """The routing file of the base, for a shipped day."""
    staff: int | None
    """The number of agents for a shipped day."""
    variants: Sequence[Variant]
    """The base first: the rules without changes."""
    seeds: int
    """Runs of each variant."""
    threshold: float
    """Limit of the service level, s."""
    click_median: float | None
    """Assumed median delay of Request Chat if the log has none, s; None for the default."""

    @property
    def title(self) -> str:
        """Name of the log or day."""
        return self.log.name if self.log is not None else f"the arrivals of {self.day}"


def run(question: Question, *, report: Path | None, as_json: bool) -> None:
    """Simulate, compare, and print the result; `report` is the HTML page to write, if any."""
    relax_collector()
    console = wide_console(stderr=True)
    if (warning := few_runs(question.seeds)) is not None:
        console.print(warning, markup=False, highlight=False)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        reading = bar.add_task("reading", total=None)
        scenario = _scenario(question, lambda: bar.advance(reading))
        bar.remove_task(reading)
        task = bar.add_task("simulating", total=len(question.variants) * question.seeds)
        seeds = [str(number + 1) for number in range(question.seeds)]
        results = compare(
            scenario, question.variants, seeds, round(question.threshold * 1000), lambda: bar.advance(task)
        )
    recorded = None
    if isinstance(scenario, RecordedScenario):
        recorded = scenario.measures.figures(round(question.threshold * 1000))
        _print_warnings(scenario, console)
    comparison = ComparisonReport(
        question.title, results, recorded, assumptions(scenario, question.seeds), question.threshold
    )
    if report is not None:
        with replacing(report, SHARED) as file:
            file.write(page(comparison).encode())
        console.print(f"the report is in {report}", markup=False)
    if as_json:
        say_json(as_data(comparison), indent=True)
    else:
        _print(comparison)


def _print_warnings(scenario: RecordedScenario, console: Console) -> None:
    """Print the bad lines of a log, and a remark on a bus log, which has no decisions."""
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


def _scenario(question: Question, progress: Callable[[], None]) -> RecordedScenario | AssumedScenario:
    """The scenario of the options.

    Raises:
        click.UsageError: options that do not go together, or an unknown day.
        RecordedLogError, NothingToCompareError, RoutingFileError, OSError: the log or routing file can't be used.
    """
    median = question.click_median or Behaviour().click_median
    if question.log is not None:
        if question.routing is not None or question.staff is not None:
            raise click.UsageError("--routing and --staff are for --day: a LOG has its own rules and agents")
        return read_recorded(question.log, median, progress)
    days = {each.name: each for each in shipped_days()}
    if question.day not in days:
        raise click.UsageError(f"there is no recorded day {question.day}: expected one of {', '.join(days)}")
    rules = read_routing_file(question.routing) if question.routing is not None else ()
    configs = {each["pool"]: each["config"] for each in rules} or OFFICE
    agents = shift_workers(question.staff or AGENTS, configs)
    return AssumedScenario(days[question.day], configs, agents, replace(Behaviour(), click_median=median))


def as_data(comparison: ComparisonReport) -> dict[str, Any]:
    """The output of `--json`; its field names are public. Figures are seconds, shares from 0 to 1, or counts."""
    base = comparison.results[0]
    return {
        "of": comparison.title,
        "threshold_seconds": comparison.threshold,
        "seeds": len(base.runs),
        "recorded": comparison.recorded,
        "variants": [
            {
                "name": each.variant.name,
                "settings": [setting.text for setting in each.variant.settings],
                "figures": _figures(each, base, None),
                "queues": {name: _figures(each, base, name) for name in each.queues()},
            }
            for each in comparison.results
        ],
        "summary": summary(base, comparison.results[1:], comparison.threshold),
        "assumptions": list(comparison.assumptions),
    }


def _figures(result: Result, base: Result, queue: str | None) -> dict[str, Any]:
    """The figures of a variant, of all queues or one, each with the difference from the base."""
    fields: dict[str, Any] = {}
    for figure in FIGURES:
        value = result.interval(figure.name, queue)
        difference = result.difference(base, figure.name, queue)
        if value is not None:
            fields[figure.name] = _interval(value)
            if difference is not None:
                fields[figure.name]["difference"] = _interval(difference)
    return fields


def _interval(interval: Interval) -> dict[str, Any]:
    return {"mean": interval.mean, "low": interval.low, "high": interval.high}


def _print(comparison: ComparisonReport) -> None:
    """Print the summary, then a table with a column for each variant."""
    console = wide_console()
    base, *others = comparison.results
    for first, *rest in summary(base, others, comparison.threshold):
        console.print(first, style="bold", markup=False, highlight=False)
        for sentence in rest:
            console.print(f"  {sentence}", markup=False, highlight=False)
    if comparison.recorded is not None:
        console.print(
            calibration(comparison.recorded, base, comparison.threshold), style="dim", markup=False, highlight=False
        )
    table = Table(
        title=f"{printable(comparison.title)}, {counted(len(base.runs), 'run')} each; ± and brackets: 95 %",
        title_justify="left",
    )
    table.add_column("")
    if comparison.recorded is not None:
        table.add_column("as recorded", justify="right")
    for each in comparison.results:
        table.add_column(Text(printable(each.variant.name)), justify="right", overflow="fold")
    for figure in FIGURES:
        cells = [_cell(figure, each, base) for each in comparison.results]
        if any(cells):
            value = (comparison.recorded or {}).get(figure.name)
            recorded = [] if comparison.recorded is None else [figure.shown(value) if value is not None else ""]
            table.add_row(figure.title(comparison.threshold), *recorded, *cells)
    console.print(table)


def _cell(figure: Figure, result: Result, base: Result) -> str:
    """A figure of a variant, with the difference from the base on the line below."""
    difference = change(figure, result.difference(base, figure.name)) if result is not base else None
    return "\n".join(filter(None, (cell(figure, result.interval(figure.name)), difference)))
