"""The report's pictures, as SVG that stands in a page and takes its colours of text and lines from there."""

import re
import textwrap
from collections.abc import Callable, Sequence
from io import StringIO
from statistics import fmean
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from switchboard.journal.printable_text import printable
from switchboard.replay.whatif.comparing import Result, interval

COLOURS: Final = ("#808a94", "#1f88c9", "#d8692a", "#2a9d6f", "#a563b5", "#b8902a")
"""The base first. Each can be told from its neighbours without colour vision, on white and on black."""
_INK: Final = "#123456"
"""Becomes the page's own colour of text."""
_NAME_WIDTH: Final = 26
_DAY_MS: Final = 24 * 3_600_000
_BINS_S: Final = (10, 30, 60, 120, 300, 600, 900, 1800)
_FEWEST_BINS: Final = 12
_STEPS_S: Final = (5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200, 86_400)
_MOST_STEPS: Final = 8
_SIZE: Final = (5.6, 3.1)
"""Inches: small, so that the text keeps its size on a telephone."""


def waits_over_the_day(results: Sequence[Result], clock: str) -> str:
    """The mean wait of those who arrived in each half hour, with its interval over the runs where there is room.

    Of a log of less than six hours it is in shorter bins. `clock` says whose time of day it is.
    """
    seconds = max(run.end - run.start for result in results for run in result.runs) / 1000
    bin_seconds = bin_of(seconds)

    def draw(axes: Any) -> None:
        for index, result in enumerate(results):
            start = result.runs[0].start
            runs = [run.by_time(bin_seconds * 1000) for run in result.runs]
            bins = sorted(set.intersection(*(set(run) for run in runs)))
            if not bins:
                continue
            times = [start % _DAY_MS / 1000 + (each + 0.5) * bin_seconds for each in bins]
            spans = [interval([fmean(run[each]) / 1000 for run in runs]) for each in bins]
            axes.plot(
                times,
                [span.mean for span in spans],
                color=COLOURS[index % len(COLOURS)],
                linewidth=1.8,
                marker="o" if len(bins) < _FEWEST_BINS else None,  # a lone point is no line
                markersize=4,
                label=_wrapped(result.variant.name),
            )
            if len(results) == 2:  # more bands would hide each other
                axes.fill_between(
                    times, [max(0, span.low) for span in spans], [span.high for span in spans],
                    color=COLOURS[index % len(COLOURS)], alpha=0.18, linewidth=0,
                )  # fmt: skip
        axes.set_ylim(bottom=0)
        step = step_of(seconds)
        axes.xaxis.set_major_locator(MultipleLocator(step))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: time_of_day(at, with_seconds=step < 60)))
        axes.set_ylabel("seconds")
        axes.set_xlabel(f"time of arrival{clock}")

    return _svg(draw, "waits", width=9.0)


def bin_of(seconds: float) -> int:
    """How long a bin is, in s, of a log that is so long: half an hour, or less where that would give few points."""
    return max((each for each in _BINS_S if seconds / each >= _FEWEST_BINS), default=_BINS_S[0])


def step_of(seconds: float) -> int:
    """From one label of the clock to the next, in s, on an axis that is so long."""
    return next((each for each in _STEPS_S if seconds / each <= _MOST_STEPS), _STEPS_S[-1])


def time_of_day(at: float, *, with_seconds: bool) -> str:
    """Of seconds since a midnight."""
    minutes, seconds = divmod(round(at), 60)
    told = f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"
    return f"{told}:{seconds:02d}" if with_seconds else told


def by_variant(results: Sequence[Result], name: str, recorded: float | None, *, shares: bool) -> str:
    """One figure of every variant with its interval, and above them as the log has it."""
    names = [_wrapped(result.variant.name) for result in results]
    rows = names if recorded is None else ["as recorded", *names]

    def draw(axes: Any) -> None:
        if recorded is not None:
            axes.plot(recorded, len(rows), "D", markersize=7, color=_INK, fillstyle="none")
            label(axes, recorded, len(rows))
        for index, result in enumerate(results):
            span, place = result.interval(name), len(results) - index
            if span is None:
                continue
            half = [[span.mean - span.low], [span.high - span.mean]] if span.has_spread else None
            axes.errorbar(
                span.mean, place, xerr=half, fmt="o", markersize=8, color=COLOURS[index % len(COLOURS)], capsize=5,
                elinewidth=2,
            )  # fmt: skip
            label(axes, span.mean, place)
        axes.set_yticks(range(len(rows), 0, -1), rows)
        axes.set_ylim(0.4, len(rows) + 0.7)
        axes.margins(x=0.18)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))

    def tick(value: float) -> str:
        return f"{100 * value:g} %" if shares else f"{value:g} s"

    def label(axes: Any, value: float, place: int) -> None:
        text = f"{100 * value:.1f} %" if shares else f"{value:.1f} s"
        axes.annotate(text, (value, place), (0, 9), textcoords="offset points", ha="center", color=_INK)

    lines = max(row.count("\n") + 1 for row in rows)
    return _svg(draw, name, height=1.0 + max(0.5, 0.22 * lines) * len(rows))


def assignments(results: Sequence[Result]) -> str:
    """How many chats each agent had, from the one with fewest to the one with most: flat is fair."""

    def draw(axes: Any) -> None:
        for index, result in enumerate(results):
            runs = [run.shares() for run in result.runs]
            number = min(len(run) for run in runs)
            means = [fmean(run[place] for run in runs) for place in range(number)]
            axes.plot(
                range(1, number + 1), means, color=COLOURS[index % len(COLOURS)], marker="o", markersize=4,
                linewidth=1.5, label=_wrapped(result.variant.name),
            )  # fmt: skip
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
        axes.set_xlabel("agents, from fewest chats to most")
        axes.set_ylabel("chats")

    return _svg(draw, "assignments")


def _svg(draw: Callable[[Any], None], name: str, *, width: float = _SIZE[0], height: float = _SIZE[1]) -> str:
    style: dict[Any, Any] = {
        "svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif", "font.size": 10,
        "text.color": _INK, "axes.labelcolor": _INK, "axes.edgecolor": _INK, "xtick.color": _INK, "ytick.color": _INK,
        "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": _INK, "grid.alpha": 0.15,
        "text.parse_math": False,
    }  # fmt: skip
    with mpl.rc_context(style):
        figure = Figure(figsize=(width, height), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        draw(axes)
        if axes.get_legend_handles_labels()[0]:
            figure.legend(frameon=False, fontsize=9, loc="outside upper left", ncols=3)
        out = StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _for_a_page(out.getvalue())


def _for_a_page(text: str) -> str:
    """Without the prologue, in the page's colour, as wide as its place."""
    body = text[text.index("<svg") :].replace(_INK, "currentColor")
    return re.sub(r'(<svg[^>]*?) (?:width|height)="[^"]*"([^>]*?) (?:width|height)="[^"]*"', r"\1\2", body, count=1)


def _wrapped(name: str) -> str:
    """A name over as many lines as it needs: names that begin alike have to be told apart."""
    shown = printable(name)
    return "\n".join(textwrap.wrap(shown, _NAME_WIDTH)) or shown
