"""The report's pictures, as SVG that stands in a page and takes its colours of text and lines from there."""

import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from io import StringIO
from statistics import fmean
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from switchboard.journal.printable_text import printable
from switchboard.whatif.comparison import Result, interval
from switchboard.whatif.measures import Figures
from switchboard.whatif.report_texts import FIGURES, calibration, cell, change, summary

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


@dataclass(slots=True, frozen=True)
class Told:
    """All that a report tells."""

    title: str
    """What was simulated again."""
    results: Sequence[Result]
    """The base first."""
    recorded: Figures | None
    """What the log itself shows; None where there is no log."""
    assumptions: Sequence[str]
    threshold: float
    """Seconds."""


def page(told: Told) -> str:
    """The whole page."""
    base, *others = told.results
    parts = [
        f"<h1>What if: <bdi>{_text(told.title)}</bdi></h1>",
        '<section class="first">',
        *(_said(sentences) for sentences in summary(base, others, told.threshold)),
        "</section>",
    ]
    if told.recorded is not None:
        parts.append(f'<p class="check">{_text(calibration(told.recorded, base, told.threshold))}</p>')
    recorded = told.recorded or {}
    pictures = (
        (
            "How long customers waited, by time of day",
            waits_over_the_day(told.results, ", UTC" if told.recorded is not None else ""),
        ),
        (
            "Mean wait of those who were answered",
            by_variant(told.results, "wait", recorded.get("wait"), shares=False),
        ),
        (
            f"Service level: answered within {told.threshold:g} s",
            by_variant(told.results, "service_level", recorded.get("service_level"), shares=True),
        ),
        (
            "Customers who gave up",
            by_variant(told.results, "abandonment", recorded.get("abandonment"), shares=True),
        ),
        ("Chats for each agent: the flatter, the fairer", assignments(told.results)),
    )
    parts.append('<div class="pictures">')
    parts += [f"<figure><figcaption>{_text(title)}</figcaption>{svg}</figure>" for title, svg in pictures]
    parts += ["</div>", "<h2>All figures</h2>", _table(told), *_queues(told), "<h2>What this rests on</h2><ul>"]
    parts += [f"<li>{_text(each)}</li>" for each in told.assumptions]
    parts.append("</ul><h2>What the figures mean</h2><dl>")
    parts += [f"<dt>{_text(each.title(told.threshold))}</dt><dd>{_text(each.meaning)}</dd>" for each in FIGURES]
    parts.append("</dl>")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f"<title>What if: {_text(told.title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _text(value: str) -> str:
    """A text as HTML: no markup, and nothing that is not seen or that turns the direction of the text around it."""
    return escape(printable(value))


def _said(sentences: Sequence[str]) -> str:
    rest = "".join(f"<li>{_text(each)}</li>" for each in sentences[1:])
    return f"<p><strong>{_text(sentences[0])}</strong></p>" + (f"<ul>{rest}</ul>" if rest else "")


def _table(told: Told, queue: str | None = None) -> str:
    base = told.results[0]
    heads = "".join(f'<th scope="col"><bdi>{_text(each.variant.name)}</bdi></th>' for each in told.results)
    recorded = told.recorded if queue is None else None
    first = '<th scope="col">as recorded</th>' if recorded is not None else ""
    rows = []
    for figure in FIGURES:
        if all(each.interval(figure.name, queue) is None for each in told.results):
            continue
        cells = []
        if recorded is not None:
            value = recorded.get(figure.name)
            cells.append(f"<td>{_text(figure.shown(value)) if value is not None else ''}</td>")
        for each in told.results:
            against = change(figure, each.against(base, figure.name, queue)) if each is not base else None
            small = f"<small>{_text(against)}</small>" if against else ""
            cells.append(f"<td>{_text(cell(figure, each.interval(figure.name, queue)))}{small}</td>")
        rows.append(f'<tr><th scope="row">{_text(figure.title(told.threshold))}</th>{"".join(cells)}</tr>')
    return (
        f'<div class="wide"><table><thead><tr><td></td>{first}{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _queues(told: Told) -> list[str]:
    names = sorted({name for each in told.results for name in each.queues()})
    if len(names) < 2:
        return []
    tables = (
        f"<details><summary>Queue <bdi>{_text(name)}</bdi></summary>{_table(told, name)}</details>" for name in names
    )
    return ["<h2>By queue of arrival</h2>", *tables]


_STYLE = """
:root{color-scheme:light dark;--ink:#1c2127;--soft:#5b6570;--line:#d5dae0;--page:#fff;--box:#f3f6f9}
@media (prefers-color-scheme:dark){:root{--ink:#e8ebee;--soft:#a3adb8;--line:#39424c;--page:#14181d;--box:#1e242b}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:72rem;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{font-size:1.6rem;line-height:1.25;margin:.2rem 0 1rem}
h2{font-size:1.15rem;margin:2.2rem 0 .6rem}
.first ul{margin:.3rem 0 .8rem;padding-left:1.3rem}
.first p{margin:.5rem 0 .2rem}
.first li{margin:.1rem 0}
.first{background:var(--box);border-left:4px solid #1f88c9;padding:.4rem 1.1rem;border-radius:4px;font-size:1.08rem}
.check{color:var(--soft);margin:.8rem 0}
.pictures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,27rem),1fr));gap:1rem;margin-top:1.2rem}
figure{margin:0;border:1px solid var(--line);border-radius:6px;padding:.7rem .8rem;break-inside:avoid}
figure:first-child{grid-column:1/-1}
figure:first-child svg{min-width:34rem}
figure:first-child{overflow-x:auto}
figcaption{font-weight:600;margin-bottom:.3rem}
svg{display:block;width:100%;height:auto}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.93rem}
td{white-space:nowrap}
th,td{padding:.35rem .7rem;text-align:right;vertical-align:top;border-bottom:1px solid var(--line)}
th[scope=row]{text-align:left;font-weight:500}
thead th,thead td{border-bottom:2px solid var(--line)}
td small{display:block;color:var(--soft)}
details{margin:.4rem 0}
summary{cursor:pointer;font-weight:500}
dt{font-weight:600;margin-top:.5rem}
dd{margin:0;color:var(--soft)}
li{margin:.35rem 0}
@media print{:root{--ink:#000;--soft:#333;--line:#bbb;--page:#fff;--box:#f3f3f3}main{max-width:none;padding:0}}
"""
